//! How an outer variable weighs samples: v ↦ w, and the pull-back of per-sample sensitivities to v.

mod anchored;
mod fixed;
mod margin;
mod per_sample;

pub use anchored::Anchored;
pub use fixed::Fixed;
pub use margin::Margin;
pub use per_sample::PerSample;

use nhgd_kernels::{RowSet, Scalar};

/// A map from the outer variable, and from signals that are held fixed, to the weights of the inner samples.
pub trait Weighting<T: Scalar>: Send + Sync {
    /// Entries of v.
    fn outer_len(&self) -> usize;

    /// Entries of the signals.
    fn signals_len(&self) -> usize {
        0
    }

    /// Writes w_i(v) of the samples in `rows`.
    fn weights(&self, outer: &[T], signals: &[T], rows: RowSet<'_>, out: &mut [T]);

    /// product ← product + scale · (∂w/∂v)ᵀ q, with one sensitivity q_i = ∇ℓ_iᵀu for each sample in `rows`.
    fn pull_back(&self, outer: &[T], signals: &[T], rows: RowSet<'_>, q: &[T], scale: T, product: &mut [T]);

    /// Writes the signals that follow from the model's class probabilities of all samples, n × C, at v.
    fn refresh(&self, _outer: &[T], _probabilities: &[T], _signals: &mut [T]) {}
}

/// σ(z) = 1 / (1 + e^(−z)).
pub(crate) fn sigmoid<T: Scalar>(z: T) -> T {
    T::one() / (T::one() + (-z).exp())
}
