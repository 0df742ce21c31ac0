//! Errors with stable codes.

use std::fmt;

use nhgd_fisher::FisherError;
use nhgd_kernels::OutOfMemory;
use nhgd_kernels::memory::{self, Number};

/// Defines [`Code`]: every code with its name, the one list of both languages (ts/backend/settings.ts).
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident $name:literal),* $(,)?) => {
        /// Stable codes of errors.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(rename = "ErrorCode"))]
        pub enum Code {
            $($(#[$doc])* #[cfg_attr(test, ts(rename = $name))] $code,)*
        }

        impl Code {
            /// The code's name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }
        }
    };
}

codes! {
    /// Lengths or shapes do not fit together.
    Shape "ERR_SHAPE",
    /// Another type was expected.
    Dtype "ERR_DTYPE",
    /// A value lies outside of its range.
    Range "ERR_RANGE",
    /// A number is NaN or infinite.
    NotFinite "ERR_NOT_FINITE",
    /// A file does not hold what it should; TypeScript raises it.
    Data "ERR_DATA",
    /// A computation broke down on good input.
    Numeric "ERR_NUMERIC",
    /// An iteration diverged; TypeScript raises it.
    Diverged "ERR_DIVERGED",
    /// There is not enough memory.
    Memory "ERR_MEMORY",
    /// No backend loads, or not the one that was asked for; TypeScript raises it.
    Backend "ERR_BACKEND",
    /// Saved state does not fit.
    Checkpoint "ERR_CHECKPOINT",
    /// A function of the user's failed, or gave what it may not; TypeScript raises it.
    Callback "ERR_CALLBACK",
    /// The ranks of a job could not talk to each other, or drifted apart; TypeScript raises it.
    Rank "ERR_RANK",
    /// The object is gone.
    Disposed "ERR_DISPOSED",
    /// A defect of this library; the object that raised it is dead.
    Internal "ERR_INTERNAL",
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
        Self::told(code, name, &expected, &got)
    }

    fn told(code: Code, name: &str, expected: &dyn fmt::Display, got: &dyn fmt::Display) -> Self {
        Self { code, message: format!("\"{name}\" expected {expected}, got {got}") }
    }

    /// Settings that could not be read.
    pub fn settings(error: String) -> Self {
        Self {
            code: Code::Range,
            message: format!("\"settings\" expected known names and values, got {error}"),
        }
    }

    /// An argument whose memory was freed.
    pub fn disposed(name: &str) -> Self {
        Self::expected(Code::Disposed, name, "what was not disposed of", "what was")
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
            FisherError::Memory { .. } => Code::Memory,
        };
        Self { code, message: error.to_string() }
    }
}

impl From<OutOfMemory> for Error {
    fn from(error: OutOfMemory) -> Self {
        Self { code: Code::Memory, message: error.to_string() }
    }
}

/// The memory error of an argument.
fn full(name: &str) -> impl Fn(OutOfMemory) -> Error {
    move |full| Error::expected(Code::Memory, name, "a size that memory has room for", full.in_words())
}

/// `Ok` if `got == expected`, else a shape error.
pub(crate) fn length(name: &str, expected: usize, got: usize) -> Result<()> {
    if got == expected {
        Ok(())
    } else {
        Err(Error::expected(Code::Shape, name, format!("length {expected}"), got))
    }
}

/// `Ok` for a number from 1 on, else a range error.
pub(crate) fn count(name: &str, value: usize) -> Result<()> {
    if value > 0 { Ok(()) } else { Err(Error::expected(Code::Range, name, "a whole number from 1", value)) }
}

/// `length` zeros, or a memory error that names what they are for and says how many bytes that is.
pub fn room<T: Number>(name: &str, length: usize) -> Result<Vec<T>> {
    memory::zeros(length).map_err(full(name))
}

/// A copy of `entries`, or a memory error.
pub fn taken<T: Copy>(name: &str, entries: &[T]) -> Result<Vec<T>> {
    memory::copied(entries).map_err(full(name))
}

/// An empty vector that has room for `length` entries.
pub(crate) fn reserved<T>(name: &str, length: usize) -> Result<Vec<T>> {
    memory::reserved(length).map_err(full(name))
}
