#![forbid(unsafe_code)]
//! Inner and outer objectives over a model and data: one trait of oracles, one file per kind.
//!
//! | symbol | name | meaning |
//! |---|---|---|
//! | v | outer | outer variable, p entries |
//! | θ | inner | inner variable, d entries |
//! | g(v, θ) | inner objective | what the inner loop minimises |
//! | f(v, θ) | outer objective | what the outer loop minimises at θ*(v) |
//! | L | cross derivative | ∇²_θv g, d × p, never stored |

pub mod blocks;
mod folds;
mod physics;
mod point;
mod prior;
mod quadratic;
mod risk;
mod transition;

pub use folds::Folds;
pub use physics::{Equations, Physics};
pub use point::Point;
pub use prior::Prior;
pub use quadratic::Quadratic;
pub use risk::{Block, Risk};
pub use transition::Transition;

use std::sync::Arc;

use nhgd_curvature::{Factors, LayerShape, Observation, Wants};
use nhgd_kernels::memory::Result;
use nhgd_kernels::{RowSet, Scalar};

use blocks::Penalty;

/// The oracles of a bilevel problem: g is a mean over inner samples plus a penalty R(v, θ), f a mean over outer samples
/// plus a prior ρ(v). Sizes and ranges were checked at the edge of the library.
///
/// Oracles over `rows` return sums over them. The engine's `reduce.rs` adds the sums up, divides by the count and adds R
/// and ρ. Only observations are means over `rows`, see [`Wants`]. Oracles fail where there is no memory, and may then have
/// written a part of what they write.
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
    fn initial(&self, seed: u64) -> Result<Vec<T>>;

    /// Threads that a pass over many samples may use.
    fn threads(&self) -> usize {
        1
    }

    /// R.
    fn penalty(&self) -> &Penalty<T>;

    /// ρ, where there is one.
    fn prior(&self) -> Option<&Prior<T>> {
        None
    }

    /// gradient ← gradient + ∇_v of what f has beside the outer losses and ρ, a function of v alone; returns it.
    fn direct(&self, _outer: &[T], _gradient: &mut [T]) -> Result<f64> {
        Ok(0.0)
    }

    /// gradient ← Σ ∇_θ of the rows' losses, and in the same pass what a Fisher wants of them (with the seed of its random
    /// numbers); returns the sum of the losses.
    fn inner_sums(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Option<(Wants, u64)>,
        gradient: &mut [T],
    ) -> Result<(f64, Option<Observation<T>>)>;

    /// Entries of what a Fisher wants of that many samples, so that a lack of memory is found before anything is computed.
    fn observation_len(&self, _samples: usize, _wants: Wants) -> usize {
        self.inner_len()
    }

    /// What a Fisher wants of the rows, without the gradient.
    fn observation(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Wants,
        seed: u64,
    ) -> Result<Observation<T>>;

    /// The sum of the inner losses.
    fn inner_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64>;

    /// The sum of the outer losses.
    fn outer_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64>;

    /// target ← Σ ∇_θ of the outer losses; returns their sum.
    fn outer_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, target: &mut [T]) -> Result<f64>;

    /// product ← product + Σ (∇²_θv of the rows' losses)ᵀ u.
    fn cross_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) -> Result<()>;

    /// product ← Σ C_i u: C_i is the Hessian of a row's loss for linear models and for quadratics, the Gauss–Newton matrix
    /// for networks.
    fn curvature_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T])
    -> Result<()>;

    /// product ← Σ H_i u with the true Hessians H_i, which may be indefinite for networks.
    fn hessian_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) -> Result<()> {
        self.curvature_sums(point, rows, u, product)
    }

    /// `"hessian"` or `"gauss-newton"`: what [`Problem::curvature_sums`] multiplies by.
    fn curvature(&self) -> &'static str;

    /// Factors of ∇ℓ_i of the rows, without their weights; nothing where a problem has no such factors.
    fn gradients(&self, _point: Point<'_, T>, _rows: RowSet<'_>) -> Result<Option<Factors<T>>> {
        Ok(None)
    }

    /// Entries of [`Point::signals`].
    fn signals_len(&self) -> usize {
        0
    }

    /// signals ← what the problem derives from θ and v without a gradient (margins).
    fn refresh(&self, _inner: &[T], _outer: &[T], _signals: &mut [T]) -> Result<()> {
        Ok(())
    }

    /// Weights w_i(v) of all inner samples, where the problem has such.
    fn weights(&self, _point: Point<'_, T>) -> Result<Option<Vec<T>>> {
        Ok(None)
    }

    /// Entries of v that each block of hyperparameters owns; none where v is not made of blocks.
    fn blocks(&self) -> Vec<usize> {
        Vec::new()
    }

    /// What a block of hyperparameters stands for: a weight per inner sample, or exp v; nothing if there is no such block.
    fn natural(&self, _block: usize, _point: Point<'_, T>) -> Result<Option<Vec<T>>> {
        Ok(None)
    }

    /// The folds that it is made of, each with a θ and samples of its own; none for most problems.
    fn folds(&self) -> &[Arc<dyn Problem<T>>] {
        &[]
    }

    /// Bytes held, data sets included.
    fn bytes(&self) -> usize;
}
