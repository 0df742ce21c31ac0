//! JSON as text.

use serde_json::Value;

use crate::Result;

/// What a text in JSON says.
pub fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A value as JSON.
pub fn text(value: &Value) -> String {
    let join = |values: Vec<String>| values.join(",");
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        // The exact digits of a number, from Rust's own formatter, which messages need in any case.
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            (_, number) => format!("{:?}", number.unwrap_or(f64::NAN)),
        },
        Value::String(text) => serde_json::to_string(text).unwrap_or_default(),
        Value::Array(values) => format!("[{}]", join(values.iter().map(text).collect())),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name:?}:{}", text(value));
            format!("{{{}}}", join(fields.iter().map(field).collect()))
        }
    }
}
