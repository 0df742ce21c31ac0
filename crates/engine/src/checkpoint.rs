//! A Fisher's saved state as bytes.
//!
//! `nhgd-fisher`, the version and the header's length (both little-endian u32), the header in JSON, then every value as
//! a little-endian f64 in the order of the header's entries.

use nhgd_fisher::Form;
use serde::{Deserialize, Serialize};

use crate::fisher_settings::FormName;
use crate::{Code, Error, Result};

const MAGIC: &[u8] = b"nhgd-fisher";
const VERSION: u32 = 1;

/// What a Fisher must have in common with the one that was saved. Other settings show in the sizes of the entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kind {
    #[serde(with = "FormName")]
    pub form: Form,
    /// Whether it starts from a damping that decays.
    pub decaying: bool,
    pub dtype: String,
    pub parameters: usize,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let form = format!("{:?}", self.form).to_lowercase();
        let start = if self.decaying { " with a decaying start" } else { "" };
        write!(f, "a {form} Fisher{start} of {} parameters in {}", self.parameters, self.dtype)
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    kind: Kind,
    /// Names and numbers of values.
    entries: Vec<(String, usize)>,
}

fn foreign(expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Error {
    Error::expected(Code::Checkpoint, "bytes", expected, got)
}

/// State as bytes.
pub(crate) fn encode(kind: &Kind, state: &[(&str, Vec<f64>)]) -> Result<Vec<u8>> {
    let entries = state.iter().map(|(name, values)| ((*name).to_owned(), values.len())).collect();
    let header = serde_json::to_vec(&Header { kind: kind.clone(), entries })
        .map_err(|e| Error { code: Code::Internal, message: e.to_string() })?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(header);
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
    let header: Header = serde_json::from_slice(header).map_err(|e| foreign("a saved Fisher", e))?;
    if header.kind != *kind {
        return Err(foreign(kind, header.kind));
    }
    let mut state = Vec::with_capacity(header.entries.len());
    for (name, count) in header.entries {
        let length = count.checked_mul(size_of::<f64>()).ok_or_else(truncated)?;
        let (values, after) = rest.split_at_checked(length).ok_or_else(truncated)?;
        let (values, _) = values.as_chunks();
        state.push((name, values.iter().map(|x| f64::from_le_bytes(*x)).collect()));
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

    fn kind() -> Kind {
        Kind { form: Form::Window, decaying: false, dtype: "f32".into(), parameters: 7 }
    }

    #[test]
    fn what_is_written_is_read() {
        let state = [("rows", vec![1.5, -0.0, f64::MIN_POSITIVE]), ("none", vec![])];
        let read = decode(&kind(), &encode(&kind(), &state).unwrap()).unwrap();
        assert_eq!(read, state.map(|(name, values)| (name.to_owned(), values)));
    }

    #[test]
    fn anything_else_is_refused() {
        let bytes = encode(&kind(), &[("rows", vec![1.0, 2.0])]).unwrap();
        let mut bad: Vec<Vec<u8>> = (0..bytes.len()).map(|length| bytes[..length].to_vec()).collect();
        bad.push([&bytes[..], &[0]].concat());
        let mut newer = bytes.clone();
        newer[MAGIC.len()] += 1;
        bad.push(newer);
        for bytes in bad {
            assert_eq!(decode(&kind(), &bytes).unwrap_err().code, Code::Checkpoint);
        }
        for other in [
            Kind { form: Form::Sketch, ..kind() },
            Kind { dtype: "f64".into(), ..kind() },
            Kind { parameters: 8, ..kind() },
            Kind { decaying: true, ..kind() },
        ] {
            assert_eq!(decode(&other, &bytes).unwrap_err().code, Code::Checkpoint);
        }
    }
}
