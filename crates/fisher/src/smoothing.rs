//! How much an update forgets.

/// Weights (β, γ) of an update F ← βF + γ·(the observation's term).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Smoothing {
    /// γ = 1 − β with a constant 0 < β < 1.
    Forget(f64),
    /// The average over all samples seen: β = t/(t+m), γ = m/(t+m) for m samples after t. How they are split into
    /// batches doesn't matter.
    Average,
}

impl Smoothing {
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
