//! A Fisher's saved state as bytes.
//!
//! `nhgd-fisher`, the version and the header's length (both little-endian u32), the header in JSON, then every value as
//! a little-endian f64 in the order of the header's entries.

use nhgd_curvature::LayerShape;
use nhgd_fisher::FisherSettings;
use nhgd_kernels::memory::{collected, grow};
use nhgd_settings::{Setting, Value, fields, read, text};

use crate::{Code, Error, Result};

const MAGIC: &[u8] = b"nhgd-fisher";
const VERSION: u32 = 3;

/// What a Fisher must have in common with the one that was saved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kind {
    /// All settings.
    settings: Value,
    dtype: String,
    pub parameters: usize,
    /// Inputs and outputs, one after the other.
    layers: Vec<usize>,
}

fields!(Kind { settings, dtype, parameters, layers });

impl Kind {
    pub fn new(
        settings: &FisherSettings,
        layers: &[LayerShape],
        parameters: usize,
        dtype: &str,
    ) -> Result<Self> {
        // Numbers that are read from text may differ from those that were written.
        let settings = read(&text(&settings.write())).map_err(Error::settings)?;
        let layers = layers.iter().flat_map(|layer| [layer.inputs, layer.outputs]).collect();
        Ok(Self { settings, dtype: dtype.to_owned(), parameters, layers })
    }

    /// The form's name.
    pub fn form(&self) -> &str {
        self.settings["form"].as_str().unwrap_or_default()
    }

    /// `Ok` if `other` is the same, else the first difference: what is expected, and what it has.
    fn compare(&self, other: &Self) -> std::result::Result<(), (String, String)> {
        let differ = |name: &str, ours: &Value, theirs: &Value| {
            if ours == theirs {
                Ok(())
            } else {
                Err((format!("a Fisher with {name} {}", text(ours)), text(theirs)))
            }
        };
        differ("form", &self.settings["form"], &other.settings["form"])?;
        let (ours, theirs) = (self.write(), other.write());
        for name in ["dtype", "parameters", "layers"] {
            differ(name, &ours[name], &theirs[name])?;
        }
        let settings = [&self.settings, &other.settings].map(Value::as_object);
        for name in settings.into_iter().flatten().flat_map(|settings| settings.keys()) {
            differ(name, &self.settings[name], &other.settings[name])?;
        }
        Ok(())
    }
}

struct Header {
    kind: Kind,
    /// Names of entries, and their numbers of values.
    names: Vec<String>,
    counts: Vec<usize>,
}

fields!(Header { kind, names, counts });

fn foreign(expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Error {
    Error::expected(Code::Checkpoint, "bytes", expected, got)
}

/// State as bytes.
pub(crate) fn encode(kind: &Kind, state: &[(&str, Vec<f64>)]) -> Result<Vec<u8>> {
    let names = state.iter().map(|(name, _)| (*name).to_owned()).collect();
    let counts = state.iter().map(|(_, values)| values.len()).collect();
    let header = text(&Header { kind: kind.clone(), names, counts }.write());
    let mut bytes = MAGIC.to_vec();
    let values: usize = state.iter().map(|(_, values)| values.len()).sum();
    grow(&mut bytes, 8 + header.len() + 8 * values)?;
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(header.as_bytes());
    for (_, values) in state {
        bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    }
    Ok(bytes)
}

/// What [`encode`] wrote for a Fisher of the same kind; `ERR_CHECKPOINT` for anything else.
pub(crate) fn decode(kind: &Kind, bytes: &[u8]) -> Result<Vec<(String, Vec<f64>)>> {
    let truncated = || foreign("a whole saved Fisher", format!("{} bytes", bytes.len()));
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| foreign("a saved Fisher", "something else"))?;
    let (version, rest) = number(rest).ok_or_else(truncated)?;
    if version != VERSION {
        return Err(foreign(format!("format version {VERSION}"), version));
    }
    let (length, rest) = number(rest).ok_or_else(truncated)?;
    let (header, mut rest) = rest.split_at_checked(length as usize).ok_or_else(truncated)?;
    let header = str::from_utf8(header).map_err(|e| e.to_string()).and_then(read::<Header>);
    let header = header.map_err(|e| foreign("a saved Fisher", e))?;
    kind.compare(&header.kind).map_err(|(expected, got)| foreign(expected, got))?;
    if header.names.len() != header.counts.len() {
        return Err(foreign("as many counts as names", header.counts.len()));
    }
    let mut state = Vec::new();
    for (name, count) in header.names.into_iter().zip(header.counts) {
        let length = count.checked_mul(size_of::<f64>()).ok_or_else(truncated)?;
        let (values, after) = rest.split_at_checked(length).ok_or_else(truncated)?;
        let (values, _) = values.as_chunks();
        state.push((name, collected(values.iter().map(|x| f64::from_le_bytes(*x)))?));
        rest = after;
    }
    if rest.is_empty() { Ok(state) } else { Err(foreign("nothing after its last value", rest.len())) }
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: &str = r#"{"form":"window","damping":0.1,"length":7}"#;

    fn kind(settings: &str) -> Kind {
        let settings = read(settings).unwrap();
        Kind::new(&settings, &[LayerShape { inputs: 7, outputs: 1 }], 7, "f32").unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let state = [("rows", vec![1.5, -0.0, f64::MIN_POSITIVE]), ("none", vec![])];
        let kind = kind(WINDOW);
        let read = decode(&kind, &encode(&kind, &state).unwrap()).unwrap();
        assert_eq!(read, state.map(|(name, values)| (name.to_owned(), values)));
    }

    #[test]
    fn settings_of_any_digits_are_the_same_to_themselves() {
        for digits in ["0.1234567890123456789", "3e-3", "1.7976931348623157e308", "2.2250738585072011e-308"] {
            let kind = kind(&format!(r#"{{"form":"window","damping":{digits}}}"#));
            assert_eq!(decode(&kind, &encode(&kind, &[]).unwrap()).unwrap(), []);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let bytes = encode(&kind(WINDOW), &[("rows", vec![1.0, 2.0])]).unwrap();
        let mut bad: Vec<Vec<u8>> = (0..bytes.len()).map(|length| bytes[..length].to_vec()).collect();
        bad.push([&bytes[..], &[0]].concat());
        let mut newer = bytes.clone();
        newer[MAGIC.len()] += 1;
        bad.push(newer);
        for bytes in bad {
            assert_eq!(decode(&kind(WINDOW), &bytes).unwrap_err().code, Code::Checkpoint);
        }
        let layers = vec![1, 7];
        for (name, other) in [
            ("form", kind(r#"{"form":"sketch"}"#)),
            ("dtype", Kind { dtype: "f64".into(), ..kind(WINDOW) }),
            ("parameters", Kind { parameters: 8, ..kind(WINDOW) }),
            ("layers", Kind { layers, ..kind(WINDOW) }),
            ("damping", kind(r#"{"form":"window","damping":0.2,"length":7}"#)),
            ("length", kind(r#"{"form":"window","damping":0.1,"length":8}"#)),
            ("smoothing", kind(r#"{"form":"window","damping":0.1,"length":7,"smoothing":"average"}"#)),
        ] {
            let error = decode(&other, &bytes).unwrap_err();
            assert_eq!(error.code, Code::Checkpoint);
            assert!(error.message.contains(&format!("a Fisher with {name} ")), "{name}: {error}");
        }
    }
}
