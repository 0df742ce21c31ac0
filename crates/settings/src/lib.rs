#![forbid(unsafe_code)]
//! Settings as JSON. A type says with [`words!`], [`fields!`] or [`kinds!`] under which names it is read and written.
//!
//! Derived readers would be generated once per type; these share their code, which keeps WebAssembly modules small.

mod fields;
mod text;

pub use fields::{Fields, unknown};
use serde_json::Map;
pub use serde_json::Value;
pub use text::{parse, text};

/// What was read, or what is wrong with it, for people.
pub type Result<T> = std::result::Result<T, String>;

/// A value that JSON holds.
pub trait Setting: Sized {
    /// The value, of whose meaning nothing is checked.
    fn read(value: Value) -> Result<Self>;

    /// The value as JSON, which [`Setting::read`] reads.
    fn write(&self) -> Value;

    /// What a field is that is absent; `None` where it must be there.
    fn absent() -> Option<Self> {
        None
    }
}

/// Reads settings from JSON.
pub fn read<S: Setting>(text: &str) -> Result<S> {
    S::read(parse(text)?)
}

/// JSON's object of named values.
pub fn object(entries: Vec<(&str, Value)>) -> Value {
    let mut fields = Map::new();
    for (name, value) in entries {
        fields.insert(fields::camel(name), value); // one by one: a map that is collected is sorted, which takes more code
    }
    Value::Object(fields)
}

/// A scalar with the word for it, how JSON gives it and how it is written.
macro_rules! scalar {
    ($type:ty, $expected:literal, $get:expr) => {
        impl Setting for $type {
            fn read(value: Value) -> Result<Self> {
                let get: fn(&Value) -> Option<$type> = $get;
                get(&value).ok_or_else(|| format!("{} where {} is expected", text(&value), $expected))
            }

            fn write(&self) -> Value {
                Value::from(self.clone())
            }
        }
    };
}

scalar!(bool, "true or false", Value::as_bool);
scalar!(f64, "a number", Value::as_f64);
scalar!(u32, "a whole number", |value| value.as_u64()?.try_into().ok());
scalar!(usize, "a whole number", |value| value.as_u64()?.try_into().ok());
scalar!(String, "a text", |value| value.as_str().map(str::to_owned));

impl Setting for Value {
    fn read(value: Value) -> Result<Self> {
        Ok(value)
    }

    fn write(&self) -> Value {
        self.clone()
    }
}

impl<S: Setting> Setting for Vec<S> {
    fn read(value: Value) -> Result<Self> {
        match value {
            Value::Array(values) => values.into_iter().map(S::read).collect(),
            other => Err(format!("{} where a list is expected", text(&other))),
        }
    }

    fn write(&self) -> Value {
        Value::Array(self.iter().map(S::write).collect())
    }
}

/// An absent field; null stands for it too.
impl<S: Setting> Setting for Option<S> {
    fn read(value: Value) -> Result<Self> {
        if value.is_null() { Ok(None) } else { S::read(value).map(Some) }
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, S::write)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// `words!(Type { "word" Variant, … })`: an enum whose variants are words.
#[macro_export]
macro_rules! words {
    ($type:ident { $($word:literal $variant:ident),* $(,)? }) => {
        impl $crate::Setting for $type {
            fn read(value: $crate::Value) -> $crate::Result<Self> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)*
                    _ => Err($crate::unknown(&value, &[$($word),*])),
                }
            }

            fn write(&self) -> $crate::Value {
                $crate::Value::from(match self {
                    $(Self::$variant => $word,)*
                })
            }
        }
    };
}

/// `fields!(Type { field, … })`: a struct of named fields. With `default` before the type, a field that is absent is that
/// of the type's default.
#[macro_export]
macro_rules! fields {
    ($type:ident { $($field:ident),* $(,)? }) => {
        $crate::fields!(@ $type { $($field: $crate::Setting::absent()),* });
    };
    (default $type:ident { $($field:ident),* $(,)? }) => {
        $crate::fields!(@ $type { $($field: Some(Self::default().$field)),* });
    };
    (@ $type:ident { $($field:ident: $absent:expr),* }) => {
        impl $crate::Setting for $type {
            fn read(value: $crate::Value) -> $crate::Result<Self> {
                let mut fields = $crate::Fields::of(value)?;
                let read = ($(fields.take(stringify!($field), $absent),)*);
                fields.end()?;
                let ($(Some($field),)*) = read else { unreachable!("a missing value is wrong") };
                Ok(Self { $($field),* })
            }

            fn write(&self) -> $crate::Value {
                $crate::object(vec![$((stringify!($field), $crate::Setting::write(&self.$field))),*])
            }
        }
    };
}

/// `kinds!(Type by "tag" { "word" Variant { field, … }, … })`: an enum whose variant is the word under the tag, beside the
/// variant's fields.
#[macro_export]
macro_rules! kinds {
    ($type:ident by $tag:literal { $($word:literal $variant:ident { $($field:ident),* $(,)? }),* $(,)? }) => {
        impl $crate::Setting for $type {
            #[allow(irrefutable_let_patterns, reason = "a variant may have no fields")]
            fn read(value: $crate::Value) -> $crate::Result<Self> {
                let mut fields = $crate::Fields::of(value)?;
                let kind = fields.take($tag, None).unwrap_or($crate::Value::Null);
                match kind.as_str() {
                    $(Some($word) => {
                        let read = ($(fields.take(stringify!($field), $crate::Setting::absent()),)*);
                        fields.end()?;
                        let ($(Some($field),)*) = read else { unreachable!("a missing value is wrong") };
                        Ok(Self::$variant { $($field),* })
                    })*
                    _ => Err($crate::unknown(&kind, &[$($word),*])),
                }
            }

            fn write(&self) -> $crate::Value {
                match self {
                    $(Self::$variant { $($field),* } => $crate::object(vec![
                        ($tag, $crate::Value::from($word)),
                        $((stringify!($field), $crate::Setting::write($field))),*
                    ]),)*
                }
            }
        }
    };
}
