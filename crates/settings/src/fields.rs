//! The fields of an object, which are taken out one by one.

use serde_json::{Map, Value};

use crate::{Result, Setting, text};

/// Fields of an object that nobody has read yet, and the first that could not be read.
pub struct Fields {
    fields: Map<String, Value>,
    wrong: Option<String>,
}

impl Fields {
    /// Those of an object.
    pub fn of(value: Value) -> Result<Self> {
        match value {
            Value::Object(fields) => Ok(Self { fields, wrong: None }),
            other => Err(format!("{} where an object is expected", text(&other))),
        }
    }

    /// Takes the field of a name, whose JSON name is the same in camel case, or `absent` if there is none. Nothing comes
    /// of a field that is wrong, which [`Fields::end`] reports.
    pub fn take<S: Setting>(&mut self, name: &str, absent: Option<S>) -> Option<S> {
        let read = match self.remove(name) {
            Some(value) => S::read(value),
            None => match absent {
                Some(absent) => return Some(absent),
                None => Err("a value is missing".to_owned()),
            },
        };
        read.map_err(|wrong| self.note(name, &wrong)).ok()
    }

    fn remove(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(&camel(name))
    }

    fn note(&mut self, name: &str, wrong: &str) {
        self.wrong.get_or_insert_with(|| format!("`{}`: {wrong}", camel(name)));
    }

    /// All fields that are left, as an object.
    pub fn rest(self) -> Value {
        Value::Object(self.fields)
    }

    /// Reports the first field that was wrong, or one that is left, which nobody knows.
    pub fn end(self) -> Result<()> {
        let unknown = || self.fields.keys().next().map(|name| format!("unknown field `{name}`"));
        self.wrong.clone().or_else(unknown).map_or(Ok(()), Err)
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
