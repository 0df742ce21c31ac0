//! Settings of a representation.

use nhgd_kernels::Scalar;

use crate::damping::Damping;
use crate::dense::{DecayingDense, HeldDense};
use crate::diagonal::DiagonalFisher;
use crate::eigenkronecker::EigenKronecker;
use crate::kronecker::Kronecker;
use crate::samples::Samples;
use crate::sketch::Sketch;
use crate::smoothing::Smoothing;
use crate::window::Window;
use crate::{Fisher, FisherError};
use nhgd_curvature::{Diagonal, LayerShape, Statistic, Wants};

/// The representations of A = (F + D̃)⁻¹.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A and F themselves: exact, d² numbers.
    Dense,
    /// The last `size` rows.
    Window,
    /// The factors of the last `size` per-sample gradients.
    Samples,
    /// Kronecker factors of each layer.
    Kronecker,
    /// Kronecker factors' eigenbases with second moments of their own.
    EigenKronecker,
    /// The diagonal of F.
    Diagonal,
    /// `size` directions by frequent directions.
    Sketch,
}

/// Which rows the forms that take [`crate::Rows`] ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// The mean gradient of the batch; it takes the labels as given, whatever the statistic.
    Mean,
    /// One random-sign sum.
    Signed,
    /// One row a sample.
    PerSample,
}

/// What F + D̃ starts from and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// D̃ stays: A = (S + D̃)⁻¹ with S the data terms alone.
    Held,
    /// λI decays with the smoothing, as the method is printed (arXiv 2602.10905); the regulariser is ignored.
    /// For `Dense` and `Window`.
    Decaying,
}

/// How damping enters a Kronecker product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KroneckerDamping {
    /// (ρ Ā ⊗ S̄ + cI)⁻¹, exactly.
    Joint,
    /// (ρĀ + π√c I)⁻¹ ⊗ (S̄ + π⁻¹√c I)⁻¹.
    Split,
}

/// All settings; each form reads those that concern it.
#[derive(Clone, Debug, PartialEq)]
pub struct FisherConfig {
    /// The representation.
    pub form: Form,
    /// Whose labels the gradients are taken at.
    pub statistic: Statistic,
    /// Rows of the forms that take rows.
    pub rows: RowKind,
    /// Forgetting over observations; `Samples` averages over what it holds.
    pub smoothing: Smoothing,
    /// λ ≥ 0; more than 0 where D has a zero or the start decays.
    pub damping: f64,
    /// Adaptive damping: λ in units of tr(F)/d, the mean eigenvalue of F; not for a decaying start.
    pub relative: bool,
    /// What becomes of D̃.
    pub start: Start,
    /// Rows of the window, samples held, or directions of the sketch; at least 1.
    pub size: usize,
    /// Damping of `Kronecker`.
    pub kronecker_damping: KroneckerDamping,
    /// Share of the old Kronecker factors at a refresh, in [0, 1).
    pub keep: f64,
    /// `EigenKronecker`: observations from one eigenbasis to the next; a refresh takes a new one in any case.
    pub basis_every: usize,
    /// Residual ‖b − (F + D̃)x‖/‖b‖ at which forms that iterate stop; not below what the scalar type can reach.
    pub tolerance: f64,
}

impl Default for FisherConfig {
    fn default() -> Self {
        Self {
            form: Form::Window,
            statistic: Statistic::Empirical,
            rows: RowKind::Signed,
            smoothing: Smoothing::Forget(0.99),
            damping: 1e-2,
            relative: false,
            start: Start::Held,
            size: 256,
            kronecker_damping: KroneckerDamping::Joint,
            keep: 0.5,
            basis_every: 10,
            tolerance: 1e-10,
        }
    }
}

impl FisherConfig {
    /// What the rows-fed forms want.
    fn wanted_rows(&self) -> Wants {
        match self.rows {
            RowKind::Mean => Wants::Mean,
            RowKind::Signed => Wants::Signed(self.statistic),
            RowKind::PerSample => Wants::Rows(self.statistic),
        }
    }

    fn check(&self, layers: &[LayerShape], d: usize) -> Result<(), FisherError> {
        if let Smoothing::Forget(beta) = self.smoothing
            && !(beta > 0.0 && beta < 1.0)
        {
            return Err(FisherError::range(
                "smoothing",
                "a number between 0 and 1, both excluded, or the average",
                beta,
            ));
        }
        if self.start == Start::Decaying {
            if !matches!(self.form, Form::Dense | Form::Window) {
                return Err(FisherError::range(
                    "start",
                    "held for a form other than dense and window",
                    "decaying",
                ));
            }
            if self.damping <= 0.0 {
                return Err(FisherError::range("damping", "more than 0 for a decaying start", self.damping));
            }
            if self.relative {
                return Err(FisherError::range("relative", "false for a decaying start", true));
            }
        }
        if self.size == 0 {
            return Err(FisherError::range("size", "at least 1", 0));
        }
        if !(self.keep >= 0.0 && self.keep < 1.0) {
            return Err(FisherError::range("keep", "a number from 0 to 1, 1 excluded", self.keep));
        }
        if self.basis_every == 0 {
            return Err(FisherError::range("basisEvery", "at least 1", 0));
        }
        if !(self.tolerance > 0.0 && self.tolerance < 1.0) {
            return Err(FisherError::range(
                "tolerance",
                "a number between 0 and 1, both excluded",
                self.tolerance,
            ));
        }
        if d == 0 {
            return Err(FisherError::range("parameters", "at least 1", 0));
        }
        if matches!(self.form, Form::Samples | Form::Kronecker | Form::EigenKronecker) {
            if layers.is_empty() {
                return Err(FisherError::range(
                    "form",
                    "dense, window, sketch or diagonal for a problem without layers",
                    format!("{:?}", self.form).to_lowercase(),
                ));
            }
            let covered: usize = layers.iter().map(|layer| layer.inputs * layer.outputs).sum();
            if covered != d || layers.iter().any(|layer| layer.inputs * layer.outputs == 0) {
                let expected = format!("layers of all {d} parameters, none of them empty");
                return Err(FisherError::range(
                    "layers",
                    expected,
                    format!("{} with {covered}", layers.len()),
                ));
            }
        }
        Ok(())
    }
}

/// The representation that `config` describes, of `d` parameters with Hessian D = `regularizer` of the quadratic part.
///
/// `layers` are the model's, in the order of its parameters; forms that are fed with rows don't read them.
/// Fails with [`FisherError::Range`] or [`FisherError::NotFinite`] if a setting is out of range: damping negative, or 0
/// where D has a zero; smoothing outside of (0, 1); a size of 0; layers that don't cover the parameters.
pub fn build<T: Scalar>(
    config: &FisherConfig,
    layers: &[LayerShape],
    d: usize,
    regularizer: Diagonal<T>,
) -> Result<Box<dyn Fisher<T>>, FisherError> {
    config.check(layers, d)?;
    let damping = Damping::new(config.damping, config.relative, regularizer, d)?;
    let FisherConfig { statistic, smoothing, start, size, keep, .. } = *config;
    let rows = config.wanted_rows();
    let tolerance = config.tolerance.max(8.0 * T::epsilon().wide());
    Ok(match (config.form, start) {
        (Form::Dense, Start::Held) => Box::new(HeldDense::new(d, damping, rows, smoothing, tolerance)),
        (Form::Dense, Start::Decaying) => Box::new(DecayingDense::new(d, config.damping, rows, smoothing)),
        (Form::Window, _) => Box::new(Window::new(d, size, damping, rows, smoothing, start)),
        (Form::Samples, _) => Box::new(Samples::new(layers, size, damping, statistic, tolerance)),
        (Form::Kronecker, _) => {
            let kind = config.kronecker_damping;
            Box::new(Kronecker::new(layers, damping, statistic, smoothing, kind, keep))
        }
        (Form::EigenKronecker, _) => {
            let every = config.basis_every;
            Box::new(EigenKronecker::new(layers, damping, statistic, smoothing, keep, every))
        }
        (Form::Diagonal, _) => Box::new(DiagonalFisher::new(d, damping, rows, smoothing)),
        (Form::Sketch, _) => Box::new(Sketch::new(d, size, damping, rows, smoothing)),
    })
}
