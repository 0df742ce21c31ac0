//! Hyperparameters as blocks: each owns a slice of v, maps it to what it stands for, and pulls sensitivities back.
//!
//! The weights of several weight blocks multiply; penalties add; learned inputs and targets stand for the samples' own.

mod anchored;
mod fixed_weights;
mod learned_inputs;
mod learned_targets;
mod margin_weights;
mod penalty;
mod sample_weights;
mod weight_network;

pub use anchored::Anchored;
pub use fixed_weights::FixedWeights;
pub use learned_inputs::LearnedInputs;
pub use learned_targets::LearnedTargets;
pub use margin_weights::MarginWeights;
pub use penalty::{FREE, Groups, Penalty, Per, Power};
pub use sample_weights::SampleWeights;
pub use weight_network::WeightNetwork;

use nhgd_kernels::memory::Result;
use nhgd_kernels::{RowSet, Scalar};

/// A map from a slice of v, and from signals that are held fixed, to one weight per inner sample.
pub trait Weights<T: Scalar>: Send + Sync {
    /// Entries of its slice of v.
    fn outer_len(&self) -> usize;

    /// Entries of its slice of the signals.
    fn signals_len(&self) -> usize {
        0
    }

    /// Writes w_i(v) of the samples in `rows`.
    fn weights(&self, outer: &[T], signals: &[T], rows: RowSet<'_>, out: &mut [T]) -> Result<()>;

    /// product ← product + scale · (∂w/∂v)ᵀ q, with one sensitivity q_i = ∇ℓ_iᵀu per sample in `rows`.
    fn pull_back(
        &self,
        outer: &[T],
        signals: &[T],
        rows: RowSet<'_>,
        q: &[T],
        scale: T,
        product: &mut [T],
    ) -> Result<()>;

    /// gradient ← gradient + ∇ of a term of f in v alone; returns the term.
    fn direct(&self, _outer: &[T], _gradient: &mut [T]) -> Result<f64> {
        Ok(0.0)
    }

    /// Writes the signals that follow from the model's class probabilities of all samples, n × C, at v. They stay as they
    /// are where there is no memory.
    fn refresh(&self, _outer: &[T], _probabilities: &[T], _signals: &mut [T]) -> Result<()> {
        Ok(())
    }
}

/// σ(z) = 1 / (1 + e^(−z)).
pub(crate) fn sigmoid<T: Scalar>(z: T) -> T {
    T::one() / (T::one() + (-z).exp())
}
