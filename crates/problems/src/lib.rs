#![forbid(unsafe_code)]
//! Inner and outer objectives over a model and data: one trait of oracles, one file each.
//!
//! | symbol | name | meaning |
//! |---|---|---|
//! | v | outer | outer variable, p entries |
//! | θ | inner | inner variable, d entries |
//! | g(v, θ) | inner objective | what the inner loop minimises |
//! | f(v, θ) | outer objective | what the outer loop minimises at θ*(v) |
//! | L | cross derivative | ∇²_θv g, d × p, never stored |

mod point;
mod quadratic;
mod reweighting;
pub mod weighting;

pub use point::Point;
pub use quadratic::Quadratic;
pub use reweighting::{Prior, Reweighting};

use nhgd_curvature::{Diagonal, LayerShape, Observation, Wants};
use nhgd_kernels::{Features, RowSet, Scalar};

/// The oracles of a bilevel problem. Sizes and ranges were checked at the edge of the library.
///
/// An oracle over a batch estimates its full sum without bias: sums over `rows` are scaled by 1/|rows|.
pub trait Problem<T: Scalar>: Send + Sync {
    /// d.
    fn inner_len(&self) -> usize;

    /// p.
    fn outer_len(&self) -> usize;

    /// Inner samples n.
    fn samples(&self) -> usize;

    /// Outer samples m, which f is a mean over.
    fn outer_samples(&self) -> usize;

    /// Layers that θ consists of.
    fn layers(&self) -> Vec<LayerShape>;

    /// θ to start from, the same for the same seed.
    fn initial(&self, seed: u64) -> Vec<T>;

    /// D: the Hessian of the quadratic part of g.
    fn regularizer(&self, point: Point<'_, T>) -> Diagonal<T>;

    /// gradient ← ∇_θ g on a batch; returns g there.
    fn inner_gradient(&self, point: Point<'_, T>, rows: RowSet<'_>, gradient: &mut [T]) -> f64 {
        self.inner_step(point, rows, None, gradient).0
    }

    /// The same, and in the same pass what a Fisher wants of the batch (with the seed of its random numbers).
    fn inner_step(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Option<(Wants, u64)>,
        gradient: &mut [T],
    ) -> (f64, Option<Observation<T>>);

    /// Entries of what a Fisher wants of so many samples, so that a lack of memory is told before anything is computed.
    fn observation_len(&self, _samples: usize, _wants: Wants) -> usize {
        self.inner_len()
    }

    /// What a Fisher wants of a batch, without the gradient.
    fn observation(&self, point: Point<'_, T>, rows: RowSet<'_>, wants: Wants, seed: u64) -> Observation<T>;

    /// g over all samples.
    fn inner_loss(&self, point: Point<'_, T>) -> f64;

    /// f.
    fn outer_loss(&self, point: Point<'_, T>) -> f64;

    /// direct ← ∇_v f, target ← ∇_θ f on a batch of the outer samples; returns f there.
    fn outer_gradient(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        direct: &mut [T],
        target: &mut [T],
    ) -> f64;

    /// product ← product + scale · Lᵀu, L estimated on a batch.
    fn cross_product(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], scale: T, product: &mut [T]);

    /// product ← Cu on a batch, D included: C is the Hessian of g for linear models and for quadratics, the
    /// Gauss–Newton matrix for networks.
    fn curvature_product(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]);

    /// product ← Hu on a batch with the true Hessian H of g, D included; H may be indefinite for networks.
    fn hessian_product(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) {
        self.curvature_product(point, rows, u, product);
    }

    /// `"hessian"` or `"gauss-newton"`: what [`Problem::curvature_product`] multiplies by.
    fn curvature(&self) -> &'static str;

    /// Entries of [`Point::signals`].
    fn signals_len(&self) -> usize {
        0
    }

    /// signals ← what the problem derives from θ and v without a gradient (margins).
    fn refresh(&self, _inner: &[T], _outer: &[T], _signals: &mut [T]) {}

    /// Weights w_i(v) of all inner samples, where the problem has such.
    fn weights(&self, _point: Point<'_, T>) -> Option<Vec<T>> {
        None
    }

    /// Class probabilities of further samples, rows × C, where the problem is about a classifier.
    fn probabilities(&self, _inner: &[T], _features: &Features, _rows: RowSet<'_>) -> Option<Vec<T>> {
        None
    }

    /// Bytes held, data sets included.
    fn bytes(&self) -> usize;
}
