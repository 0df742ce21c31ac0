#![forbid(unsafe_code)]
//! Inverse-Fisher representations A = (F + D̃)⁻¹: one trait, one file per form.
//!
//! A representation is fed with [`Observation`]s and asked for `A b`. It knows no model and no problem: gradients
//! arrive as [`Rows`](nhgd_curvature::Rows), per-sample gradients of layers as
//! [`Factors`](nhgd_curvature::Factors), the regulariser as a [`Diagonal`].
//!
//! | symbol | name | meaning |
//! |---|---|---|
//! | F | Fisher | curvature of the data part of the inner objective, d × d |
//! | D | regularizer | Hessian of the quadratic part, diagonal |
//! | λ | damping | added to D; D̃ = D + λI |
//! | β | smoothing | forgetting factor of F, 0 < β < 1, or the running average |

mod basis;
mod check;
mod damping;
mod error;
mod forms;
mod moments;
mod rows;
mod settings;
mod smoothing;
mod wide;
mod woodbury;

pub use damping::Start;
pub use error::{FisherError, SolveReport};
pub use forms::{
    DenseSettings, DiagonalSettings, EigenKroneckerSettings, KroneckerDamping, KroneckerSettings,
    SamplesSettings, SketchSettings, WindowSettings,
};
pub use moments::Sharing;
pub use rows::RowKind;
pub use settings::{FisherSettings, build, condensed};
pub use smoothing::Smoothing;

use nhgd_curvature::{Diagonal, Observation, Wants};
use nhgd_kernels::Scalar;
use nhgd_kernels::memory::Result as Fallible;

/// Values under their names.
pub type State = Vec<(&'static str, Vec<f64>)>;

/// A representation of the inverse Fisher (F + D̃)⁻¹ of `d` parameters.
///
/// The order of the calls alone decides the result. A failed call leaves everything as it was, but for the count of
/// fallbacks.
pub trait Fisher<T: Scalar>: Send {
    /// Number of parameters d.
    fn parameters(&self) -> usize;

    /// What it needs from the samples of a step.
    fn wants(&self) -> Wants;

    /// D, before damping. Kronecker forms take what they can't hold exactly as its mean per layer, and say so in the
    /// report. Fails where D̃ = D + λI would have an entry that isn't positive.
    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError>;

    /// One update of F with the samples of a step: F ← βF + (1−β)·(the observation's term).
    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError>;

    /// F anew from one large set of samples; representations that average over refreshes blend it in.
    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError>;

    /// x ← (F + D̃)⁻¹ b, with F of all that was observed before.
    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError>;

    /// Forgets every observation; regulariser and settings stay.
    fn reset(&mut self);

    /// All that a copy of the same shape and settings needs to go on with the same bits, the regulariser included.
    fn state(&self) -> Fallible<State>;

    /// Takes back what [`Fisher::state`] gave, from a representation of the same shape and settings.
    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError>;

    /// Bytes held.
    fn bytes(&self) -> usize;
}
