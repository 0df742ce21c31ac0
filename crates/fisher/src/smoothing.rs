//! How much an update forgets.

use serde::{Deserialize, Serialize};

use crate::FisherError;

/// Weights (β, γ) of an update F ← βF + γ·(the observation's term). In JSON it is β, 0 < β < 1, or
/// `"average"` over all samples seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Spelling", into = "Spelling")]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(type = "number | \"average\""))]
pub enum Smoothing {
    /// γ = 1 − β with a constant 0 < β < 1.
    Forget(f64),
    /// The average over all samples seen: β = t/(t+m), γ = m/(t+m) for m samples after t. How they are split into
    /// batches doesn't matter.
    Average,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected `smoothing` to be a number between 0 and 1, or \"average\"")]
enum Spelling {
    Factor(f64),
    Word(Word),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Word {
    Average,
}

impl From<Spelling> for Smoothing {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Factor(beta) => Self::Forget(beta),
            Spelling::Word(Word::Average) => Self::Average,
        }
    }
}

impl From<Smoothing> for Spelling {
    fn from(smoothing: Smoothing) -> Self {
        match smoothing {
            Smoothing::Forget(beta) => Self::Factor(beta),
            Smoothing::Average => Self::Word(Word::Average),
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
