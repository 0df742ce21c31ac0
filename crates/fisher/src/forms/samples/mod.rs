//! The factors of the last per-sample gradients: their exact Fisher, without forming a gradient.

mod gram;
mod held;
mod precondition;
mod product;

use nhgd_curvature::{Diagonal, LayerShape, Observation, Statistic, Wants};
use nhgd_kernels::memory::Result as Fallible;
use nhgd_kernels::{Scalar, conjugate_gradients};
use nhgd_settings::fields;

use crate::check::{self, Saved};
use crate::damping::Damping;
use crate::woodbury::Woodbury;
use crate::{Fisher, FisherError, SolveReport, State};
use held::Held;
use precondition::{Bases, bases, precondition};

/// Samples up to which their Gram matrix is formed and factored; conjugate gradients cost less beyond.
const GRAM_SAMPLES: usize = 1024;

/// Conjugate-gradient steps before a solve reports what it has.
const MAX_STEPS: usize = 1000;

/// Settings of `form: "samples"`: the factors of the last per-sample gradients, over which it averages.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub struct SamplesSettings {
    /// The labels at which the gradients are taken; default `empirical`.
    pub statistic: Statistic,
    /// λ ≥ 0, more than 0 where D has a zero; default 0.01.
    pub damping: f64,
    /// Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false.
    pub relative: bool,
    /// Samples held, at least 1; default 256.
    pub samples: usize,
    /// Residual ‖b − (F + D̃)x‖/‖b‖ at which a solve by conjugate gradients stops, raised to what the scalar type can
    /// reach; default 1e-10.
    pub tolerance: f64,
}

fields!(default SamplesSettings { statistic, damping, relative, samples, tolerance });

impl Default for SamplesSettings {
    fn default() -> Self {
        let statistic = Statistic::Empirical;
        Self { statistic, damping: 1e-2, relative: false, samples: 256, tolerance: 1e-10 }
    }
}

/// F = (1/n) Σ_i w_i Σ_k g_ik g_ikᵀ over the n samples held, with g_ik = vec(a_i s_ikᵀ) layer by layer.
///
/// For one layer without weight sharing, one direction per sample and D̃ = cI, it solves by Woodbury's formula
/// with the Gram matrix (EEᵀ) ∘ (XXᵀ). Otherwise it solves by conjugate gradients on the implicit operator and
/// reports the residual. They are preconditioned by the Kronecker factors of the samples where D̃ = cI and
/// these are cheap, else by the diagonal.
pub(crate) struct Samples<T> {
    statistic: Statistic,
    tolerance: f64,
    damping: Damping<T>,
    held: Held<T>,
    /// What the solves need of F, until the samples change.
    prepared: Option<Prepared<T>>,
    /// The inner system of the Gram matrix with its λ, until something changes.
    inner: Option<(Woodbury, f64)>,
}

struct Prepared<T> {
    /// diag F.
    diagonal: Vec<T>,
    /// tr F / d.
    mean: f64,
    /// Once a solve has asked for them.
    bases: Option<Bases<T>>,
}

impl<T: Scalar> Samples<T> {
    pub fn new(
        settings: &SamplesSettings,
        layers: &[LayerShape],
        regularizer: Diagonal<T>,
    ) -> Result<Self, FisherError> {
        check::at_least_one("samples", settings.samples)?;
        let held = Held::new(layers, settings.samples);
        Ok(Self {
            statistic: settings.statistic,
            tolerance: check::tolerance::<T>(settings.tolerance)?,
            damping: Damping::new(settings.damping, settings.relative, regularizer, held.parameters())?,
            held,
            prepared: None,
            inner: None,
        })
    }

    fn prepare(&mut self) -> Fallible<Prepared<T>> {
        self.prepared.take().map_or_else(
            || {
                let diagonal = self.held.diagonal()?;
                let trace: f64 = diagonal.iter().map(|f| f.wide()).sum();
                let mean = trace / diagonal.len() as f64;
                Ok(Prepared { diagonal, mean, bases: None })
            },
            Ok,
        )
    }

    fn solve_by_gram(&mut self, mean: f64, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        if self.inner.is_none() {
            let gram = gram::samples_gram(&self.held)?;
            let inner = self.damping.raise(mean, |damping, level| {
                let inner = gram::factor(&self.held, &gram, damping.diagonal(level)?.mean())?;
                Ok(inner.map(|inner| (inner, level)))
            });
            self.inner = Some(inner?.0);
        }
        let Some((inner, level)) = &self.inner else { unreachable!("factored above") };
        let c = self.damping.diagonal(*level)?.mean();
        let residual = gram::solve(&self.held, inner, c, b, x)?;
        Ok(SolveReport { residual, damping: *level, ..SolveReport::default() })
    }

    fn solve_by_steps(&self, prepared: &Prepared<T>, b: &[T], x: &mut [T]) -> Fallible<SolveReport> {
        let level = self.damping.level(prepared.mean);
        let tilde = self.damping.diagonal(level)?;
        let spans = self.held.spans();
        let mut apply = |p: &[T], out: &mut [T]| {
            self.held.apply(p, out)?;
            out.iter_mut().zip(p).enumerate().for_each(|(i, (out, &p))| *out += tilde.at(i) * p);
            Fallible::Ok(())
        };
        let mut precondition = |r: &[T], out: &mut [T]| {
            precondition(prepared.bases.as_ref(), &prepared.diagonal, &tilde, &spans, r, out)
        };
        x.fill(T::zero());
        let outcome = conjugate_gradients(&mut apply, &mut precondition, b, x, self.tolerance, MAX_STEPS)?;
        let (residual, steps) = (Some(outcome.residual), outcome.steps as u32);
        Ok(SolveReport { residual, damping: level, steps, ..SolveReport::default() })
    }
}

impl<T: Scalar> Fisher<T> for Samples<T> {
    fn parameters(&self) -> usize {
        self.held.parameters()
    }

    fn wants(&self) -> Wants {
        Wants::Factors(self.statistic)
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        if self.damping.set_regularizer(regularizer)? {
            self.inner = None;
        }
        Ok(())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.held.take(check::factors(observation, &self.held.shapes)?)?;
        (self.prepared, self.inner) = (None, None);
        Ok(())
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        let factors = check::factors(observation, &self.held.shapes)?;
        let mut held = self.held.empty();
        held.take(factors)?;
        (self.held, self.prepared, self.inner) = (held, None, None);
        Ok(())
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.parameters())?;
        let mut prepared = self.prepare()?;
        let report =
            if self.held.has_columns() && !self.damping.is_vector() && self.held.len() <= GRAM_SAMPLES {
                self.solve_by_gram(prepared.mean, b, x)
            } else {
                if prepared.bases.is_none() && !self.damping.is_vector() {
                    prepared.bases = bases(&self.held)?;
                }
                Ok(self.solve_by_steps(&prepared, b, x)?)
            };
        self.prepared = Some(prepared);
        let report = report?;
        check::solution(x)?;
        Ok(SolveReport { fallbacks: self.damping.fallbacks, ..report })
    }

    fn reset(&mut self) {
        self.held = self.held.empty();
        (self.prepared, self.inner) = (None, None);
    }

    fn state(&self) -> Fallible<State> {
        let mut state = self.damping.state(self.inner.is_some())?;
        state.extend(self.held.state()?);
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = Saved(state);
        let (held, damping) = (self.held.restored(&state)?, self.damping.restored(&state)?);
        (self.held, self.damping, self.prepared, self.inner) = (held, damping, None, None);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.held.bytes() + self.inner.as_ref().map_or(0, |(inner, _)| inner.bytes())
    }
}
