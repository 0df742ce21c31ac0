//! How much an update forgets.

use nhgd_settings::{Setting, Value, text};

use crate::FisherError;

/// Weights (β, γ) of an update F ← βF + γ·(the observation's term). In JSON it is β, 0 < β < 1, or
/// `"average"` over all samples seen.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(type = "number | \"average\""))]
pub enum Smoothing {
    /// γ = 1 − β with a constant 0 < β < 1.
    Forget(f64),
    /// The average over all samples seen: β = t/(t+m), γ = m/(t+m) for m samples after t. How they are split into
    /// batches doesn't matter.
    Average,
}

impl Setting for Smoothing {
    fn read(value: Value) -> nhgd_settings::Result<Self> {
        match (value.as_f64(), value.as_str()) {
            (Some(beta), _) => Ok(Self::Forget(beta)),
            (_, Some("average")) => Ok(Self::Average),
            _ => Err(format!("{} where a number or \"average\" is expected", text(&value))),
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Forget(beta) => (*beta).into(),
            Self::Average => "average".into(),
        }
    }
}

impl Default for Smoothing {
    fn default() -> Self {
        Self::Forget(0.99)
    }
}

impl Smoothing {
    /// The smoothing itself if β is in range.
    pub(crate) fn checked(self) -> Result<Self, FisherError> {
        match self {
            Self::Forget(beta) if !(beta > 0.0 && beta < 1.0) => {
                let expected = "a number between 0 and 1, both excluded, or the average";
                Err(FisherError::range("smoothing", expected, beta))
            }
            smoothing => Ok(smoothing),
        }
    }

    /// (β, γ) for `fresh` samples after `seen`.
    pub fn weights(self, seen: f64, fresh: usize) -> (f64, f64) {
        match self {
            Self::Forget(beta) => (beta, 1.0 - beta),
            Self::Average => {
                let total = seen + fresh as f64;
                (seen / total, fresh as f64 / total)
            }
        }
    }
}
