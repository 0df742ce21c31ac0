#![forbid(unsafe_code)]
//! What the inner variable θ is: loss, gradient, per-sample factors, R-operator, prediction.
//!
//! A model knows samples and weights, neither objective nor outer variable. Every sum over samples runs in fixed
//! chunks whose partial sums are added in order, so that results have the same bits whatever the number of threads.

mod batch;
mod jets;
mod linear;
mod loss;
mod network;
mod pool;
mod random;

pub use batch::{Batch, BatchTargets, Samples, Targets};
pub use jets::{JetNetwork, Jets};
pub use linear::Linear;
pub use loss::Loss;
pub use network::{Convolution, Image, Network, Pooling};
pub use random::{signs, uniform};

pub use nhgd_kernels::Activation;

use nhgd_curvature::{Factors, LayerShape, Outputs, Statistic};
use nhgd_kernels::memory::{self, Result};
use nhgd_kernels::{Features, RowSet, Scalar};

/// The labels, or continuous targets, at which a gradient is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// As given.
    Given,
    /// Drawn from the model, one per sample.
    Sampled {
        /// Seed of the draws.
        seed: u64,
    },
    /// All labels with random signs, so that the expected outer product is that over all labels.
    Expected {
        /// Seed of the signs.
        seed: u64,
    },
}

/// One weighted sum of sample gradients.
#[derive(Debug)]
pub struct Term<'a, T> {
    /// One factor per sample, of either sign.
    pub weights: &'a [T],
    /// Labels at which the gradients are taken.
    pub labels: Labels,
    /// Σ_i weights_i ∇ℓ_i is added to it; d entries.
    pub gradient: &'a mut [T],
}

/// Changes of single samples along a direction of θ.
#[derive(Debug)]
pub struct Along<'a, T> {
    /// Of the losses: ∇ℓ_iᵀ u, one per sample.
    pub losses: &'a mut [T],
    /// Of the scores: ż_i, samples × outputs; or empty, where they are not wanted.
    pub scores: &'a mut [T],
    /// Of w_i ∂ℓ_i/∂a_i, where a_i are a sample's features: samples × features; or empty.
    pub inputs: &'a mut [T],
}

impl<T: Scalar> Along<'_, T> {
    /// Takes what the chunks of a pass have of each, one after the other.
    pub(crate) fn fill(self, chunks: Vec<[Vec<T>; 3]>) {
        for (k, out) in [self.losses, self.scores, self.inputs].into_iter().enumerate() {
            let mut rest = out;
            for chunk in &chunks {
                let (head, tail) = rest.split_at_mut(chunk[k].len());
                head.copy_from_slice(&chunk[k]);
                rest = tail;
            }
        }
    }
}

/// A parametric model θ ↦ loss ℓ_i(θ) of each sample. Oracles return sums over the samples, not means. They fail where
/// there is no memory, and may then have written a part of what they write.
pub trait Model<T: Scalar>: Send + Sync {
    /// Number of parameters d.
    fn parameters(&self) -> usize;

    /// Number of features of a sample.
    fn features(&self) -> usize;

    /// Number of classes C; for a regression, of outputs.
    fn classes(&self) -> usize;

    /// The loss, which decides what targets the model takes ([`Loss::misfit`]).
    fn loss(&self) -> Loss;

    /// Threads that a pass over many samples may use.
    fn threads(&self) -> usize;

    /// Shapes of the layers, in the order of their parameters.
    fn layers(&self) -> Vec<LayerShape>;

    /// θ at which a run starts, the same for the same seed: zeros, unless the model's symmetries forbid them.
    fn initial(&self, _seed: u64) -> Result<Vec<T>> {
        memory::zeros(self.parameters())
    }

    /// `"hessian"` or `"gauss-newton"`: the matrix that [`Model::curvature_product`] multiplies by.
    fn curvature(&self) -> &'static str {
        "hessian"
    }

    /// Adds each term's Σ w_i ∇ℓ_i to its gradient and writes the losses ℓ_i at the given labels.
    fn gradients(
        &self,
        theta: &[T],
        batch: Batch<'_>,
        terms: &mut [Term<'_, T>],
        losses: &mut [T],
    ) -> Result<()>;

    /// Writes the losses ℓ_i.
    fn losses(&self, theta: &[T], batch: Batch<'_>, losses: &mut [T]) -> Result<()> {
        self.gradients(theta, batch, &mut [], losses)
    }

    /// product += Σ w_i G_i u: G_i is the Hessian of ℓ_i for linear models, the Gauss–Newton matrix for networks.
    fn curvature_product(
        &self,
        theta: &[T],
        batch: Batch<'_>,
        weights: &[T],
        u: &[T],
        product: &mut [T],
    ) -> Result<()>;

    /// product += Σ w_i ∇²ℓ_i u with the true Hessian, which may be indefinite for networks.
    fn hessian_product(
        &self,
        theta: &[T],
        batch: Batch<'_>,
        weights: &[T],
        u: &[T],
        product: &mut [T],
    ) -> Result<()> {
        self.curvature_product(theta, batch, weights, u, product)
    }

    /// Writes how what belongs to single samples changes along u, by the R-operator (Pearlmutter 1994). The weights w_i are
    /// read where the inputs are wanted.
    fn along(&self, theta: &[T], batch: Batch<'_>, weights: &[T], u: &[T], out: Along<'_, T>) -> Result<()>;

    /// Directions per sample in the factors of a statistic, and entries of all layers per sample.
    fn factor_sizes(&self, statistic: Statistic) -> (usize, usize) {
        let layers = self.layers();
        let last = layers.last().map_or(0, |layer| layer.outputs);
        let directions = self.loss().directions(statistic, last);
        let entries = layers.iter().map(|layer| layer.inputs + directions * layer.outputs).sum::<usize>();
        let compact = self.loss().form(statistic) == Outputs::Softmax;
        (directions, if compact { entries - directions * last + last } else { entries })
    }

    /// Per-sample factors of ∇ℓ_i (unweighted: the caller fills `weights`).
    fn factors(&self, theta: &[T], batch: Batch<'_>, statistic: Statistic, seed: u64) -> Result<Factors<T>>;

    /// Writes predictions, rows × C: the probabilities of the classes, or the outputs of a regression.
    fn probabilities(&self, theta: &[T], features: &Features, rows: RowSet<'_>, out: &mut [T]) -> Result<()>;
}
