//! Errors with stable codes.

use std::fmt;

use nhgd_fisher::FisherError;

/// Stable codes, spelled `ERR_…` outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Lengths or shapes do not fit together.
    Shape,
    /// Another scalar type was expected.
    Dtype,
    /// A value lies outside of its range.
    Range,
    /// NaN or infinite.
    NotFinite,
    /// A computation broke down on good input.
    Numeric,
    /// Saved state does not fit.
    Checkpoint,
    /// The object is gone.
    Disposed,
    /// A defect of this library; the object that raised it is dead.
    Internal,
}

impl Code {
    /// The code's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shape => "ERR_SHAPE",
            Self::Dtype => "ERR_DTYPE",
            Self::Range => "ERR_RANGE",
            Self::NotFinite => "ERR_NOT_FINITE",
            Self::Numeric => "ERR_NUMERIC",
            Self::Checkpoint => "ERR_CHECKPOINT",
            Self::Disposed => "ERR_DISPOSED",
            Self::Internal => "ERR_INTERNAL",
        }
    }
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// What went wrong: names the argument, what was expected, what came.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// Stable code.
    pub code: Code,
    /// Text for people.
    pub message: String,
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// `"name" expected …, got …`.
    pub fn expected(code: Code, name: &str, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self { code, message: format!("\"{name}\" expected {expected}, got {got}") }
    }

    /// Settings that could not be read.
    pub fn settings(error: serde_json::Error) -> Self {
        Self {
            code: Code::Range,
            message: format!("\"settings\" expected known names and values, got {error}"),
        }
    }

    /// A panic inside of the library.
    pub fn internal(what: &str) -> Self {
        Self {
            code: Code::Internal,
            message: format!("internal error in {what}; this object can no longer be used"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<FisherError> for Error {
    fn from(error: FisherError) -> Self {
        let code = match error {
            FisherError::Shape { .. } => Code::Shape,
            FisherError::Range { .. } => Code::Range,
            FisherError::NotFinite { .. } => Code::NotFinite,
            FisherError::NotPositiveDefinite { .. } => Code::Numeric,
        };
        Self { code, message: error.to_string() }
    }
}

/// `Ok` if `got == expected`, else a shape error.
pub(crate) fn length(name: &str, expected: usize, got: usize) -> Result<()> {
    if got == expected {
        Ok(())
    } else {
        Err(Error::expected(Code::Shape, name, format!("length {expected}"), got))
    }
}

/// A whole number from 1 on, or a range error.
pub(crate) fn count(name: &str, value: f64) -> Result<usize> {
    if value.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&value) {
        Ok(value as usize)
    } else {
        Err(Error::expected(Code::Range, name, "a whole number from 1", value))
    }
}

/// The report of a promise, or its error, as JSON `{"report": …}` or `{"error": {"code", "message"}}`: a promise that
/// is rejected by a binding has no code of its own.
pub fn envelope(report: Result<String>) -> String {
    match report {
        Ok(report) => format!("{{\"report\":{report}}}"),
        Err(e) => {
            serde_json::json!({ "error": { "code": e.code.as_str(), "message": e.message } }).to_string()
        }
    }
}
