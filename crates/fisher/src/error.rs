//! How an update or a solve ends.

use std::fmt;

use nhgd_kernels::OutOfMemory;

/// Why an update or a solve did not happen; the representation is as it was before the call.
#[derive(Clone, Debug, PartialEq)]
pub enum FisherError {
    /// The observation is of another kind or size than [`crate::Fisher::wants`] asked for.
    Shape {
        /// What was wanted.
        expected: String,
        /// What came.
        got: String,
    },
    /// A setting or a value lies outside of its range.
    Range {
        /// Its name.
        name: &'static str,
        /// What it has to be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// An entry is NaN or infinite.
    NotFinite {
        /// The argument that holds it.
        name: &'static str,
    },
    /// A factorisation failed even after damping was raised.
    NotPositiveDefinite {
        /// Damping in force when it was given up.
        damping: f64,
    },
    /// There is no room for what the form holds or computes.
    Memory {
        /// Bytes that it takes.
        bytes: f64,
    },
}

impl FisherError {
    /// A value out of range.
    pub(crate) fn range(name: &'static str, expected: impl Into<String>, got: impl fmt::Display) -> Self {
        Self::Range { name, expected: expected.into(), got: got.to_string() }
    }
}

impl fmt::Display for FisherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { expected, got } => write!(f, "\"observation\" expected {expected}, got {got}"),
            Self::Range { name, expected, got } => write!(f, "\"{name}\" expected {expected}, got {got}"),
            Self::NotFinite { name } => write!(f, "\"{name}\" expected finite numbers, got NaN or infinity"),
            Self::Memory { bytes } => {
                write!(f, "\"fisher\" expected a size that memory has room for, got {bytes} bytes")
            }
            Self::NotPositiveDefinite { damping } => write!(
                f,
                "the Fisher is not positive definite with damping {damping:e}: raise \"damping\" or check the gradients"
            ),
        }
    }
}

impl std::error::Error for FisherError {}

impl From<OutOfMemory> for FisherError {
    fn from(full: OutOfMemory) -> Self {
        Self::Memory { bytes: full.bytes() as f64 }
    }
}

/// How a solve went.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct SolveReport {
    /// ‖b − (F + D̃)x‖ / ‖b‖ of the x that is returned, where the solve computed it: conjugate gradients always do, and
    /// Woodbury's formula does where rounding could spoil the solution.
    pub residual: Option<f64>,
    /// λ in force, above the setting where a factorisation needed more.
    pub damping: f64,
    /// Factorisations that failed since the start; each was repeated with more damping.
    pub fallbacks: u32,
    /// Conjugate-gradient steps that the solve took, 0 for direct forms.
    pub steps: u32,
    /// Whether D̃ entered some layer as its mean.
    pub mean_regularizer: bool,
}
