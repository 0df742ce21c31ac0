//! The fields of an object, which are taken out one by one.

use serde_json::{Map, Value};

use crate::{Result, Setting, text};

/// Fields of an object that nobody has read yet.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Those of an object.
    pub fn of(value: Value) -> Result<Self> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            other => Err(format!("{} where an object is expected", text(&other))),
        }
    }

    /// Takes the field of a name, whose JSON name is the same in camel case.
    pub fn take<S: Setting>(&mut self, name: &str, absent: Option<S>) -> Result<S> {
        let name = camel(name);
        match self.0.remove(&name) {
            Some(value) => S::read(value).map_err(|wrong| format!("`{name}`: {wrong}")),
            None => absent.ok_or_else(|| format!("no field `{name}`")),
        }
    }

    /// All fields that are left, as an object.
    pub fn rest(self) -> Value {
        Value::Object(self.0)
    }

    /// Refuses a field that is left.
    pub fn end(&self) -> Result<()> {
        self.0.keys().next().map_or(Ok(()), |name| Err(format!("unknown field `{name}`")))
    }
}

/// A name in camel case.
pub(crate) fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        camel.push(word.as_bytes()[0].to_ascii_uppercase().into());
        camel.push_str(&word[1..]);
    }
    camel
}

/// That a value is none of some words.
pub fn unknown(value: &Value, words: &[&str]) -> String {
    format!("{} where one of {} is expected", text(value), words.join(", "))
}
