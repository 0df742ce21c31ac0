//! A itself with D̃ held, updated by Sherman–Morrison and Woodbury.

use nhgd_curvature::{Diagonal, Observation, Rows, Statistic, Wants};
use nhgd_kernels::memory::{Result as Fallible, copied, filled, grow, zeros};
use nhgd_kernels::vector::{axpy, dot};
use nhgd_kernels::{
    Cholesky, MatMut, MatRef, OutOfMemory, Scalar, SymmetricInverse, conjugate_gradients, matvec,
    mirror_lower, syrk,
};
use nhgd_settings::fields;

use crate::check::{self, Saved};
use crate::damping::{Damping, Start};
use crate::rows::RowKind;
use crate::smoothing::Smoothing;
use crate::wide::widen;
use crate::{Fisher, FisherError, SolveReport, State};

/// Rows gathered before S is written.
const BLOCK: usize = 32;

/// Conjugate-gradient steps before a solve reports what it has.
const MAX_STEPS: usize = 200;

/// Settings of `form: "dense"`: A and F themselves, d² numbers.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub struct DenseSettings {
    /// The labels at which the gradients are taken; default `empirical`.
    pub statistic: Statistic,
    /// What it sees of a batch; default `signed`.
    pub rows: RowKind,
    /// Forgetting over observations; default 0.99.
    pub smoothing: Smoothing,
    /// λ ≥ 0, more than 0 where D has a zero or the start decays; default 0.01.
    pub damping: f64,
    /// Whether λ is in units of tr(F)/d, the mean eigenvalue of F; not for a decaying start; default false.
    pub relative: bool,
    /// What becomes of D̃; default `held`.
    pub start: Start,
    /// Residual ‖b − (F + D̃)x‖/‖b‖ at which a solve stops, raised to what the scalar type can reach; not read by a
    /// decaying start; default 1e-10.
    pub tolerance: f64,
}

fields!(default DenseSettings { statistic, rows, smoothing, damping, relative, start, tolerance });

impl Default for DenseSettings {
    fn default() -> Self {
        Self {
            statistic: Statistic::Empirical,
            rows: RowKind::Signed,
            smoothing: Smoothing::default(),
            damping: 1e-2,
            relative: false,
            start: Start::Held,
            tolerance: 1e-10,
        }
    }
}

/// A ← A after F ← βF + γ Σ row rowᵀ; returns whether A stayed positive definite.
pub(super) fn update<T: Scalar>(
    inverse: &mut SymmetricInverse<T>,
    rows: &Rows<T>,
    beta: f64,
    gamma: f64,
) -> Fallible<bool> {
    let (beta, gamma) = (T::of(beta), T::of(gamma));
    Ok(match rows.count {
        1 => inverse.update(&rows.data, beta, gamma)?.is_ok(),
        count => inverse.update_many(&rows.data, beta, &filled(gamma, count)?)?.is_ok(),
    })
}

/// A as a state holds it.
pub(super) fn saved_inverse<T: Scalar>(state: &Saved, d: usize) -> Result<SymmetricInverse<T>, FisherError> {
    let parts: Vec<T> = state.scalars("inverse", &|_| true)?;
    SymmetricInverse::from_parts(d, &parts)?.ok_or_else(|| {
        let got = format!("{} values", parts.len());
        FisherError::range("state", "\"inverse\" of a Fisher of the same size", got)
    })
}

/// A = (S + D̃)⁻¹ with S the data terms alone, exactly: conjugate gradients on (S + D̃)x = b, preconditioned by the A
/// of the last factorisation and the updates since. These updates let D̃ decay, so A is factored anew once half of D̃ is
/// gone.
pub(crate) struct HeldDense<T: Scalar> {
    d: usize,
    wants: Wants,
    smoothing: Smoothing,
    tolerance: f64,
    damping: Damping<T>,
    /// S = scale · `data` + Σ weights[j] g_j g_jᵀ over the pending rows g_j.
    data: Vec<T>,
    scale: f64,
    pending: Vec<T>,
    weights: Vec<f64>,
    seen: f64,
    inverse: SymmetricInverse<T>,
    /// What is left of D̃ in A; 0 if A is to be factored anew.
    remains: f64,
    /// λ in force.
    level: f64,
}

impl<T: Scalar> HeldDense<T> {
    pub fn new(settings: &DenseSettings, d: usize, regularizer: Diagonal<T>) -> Result<Self, FisherError> {
        let damping = Damping::new(settings.damping, settings.relative, regularizer, d)?;
        Ok(Self {
            d,
            wants: settings.rows.wants(settings.statistic),
            smoothing: settings.smoothing.checked()?,
            tolerance: check::tolerance::<T>(settings.tolerance)?,
            level: damping.level(0.0),
            damping,
            data: zeros(d * d)?,
            scale: 1.0,
            pending: Vec::new(),
            weights: Vec::new(),
            seen: 0.0,
            inverse: SymmetricInverse::identity(d, T::one())?,
            remains: 0.0,
        })
    }

    /// Writes scale · `data` and the pending rows to the lower triangle of `data`, which may be a copy.
    fn sum(&self, data: &mut [T]) -> Fallible<()> {
        let k = self.weights.len();
        if k == 0 && self.scale == 1.0 {
            return Ok(());
        }
        let mut rows = copied(&self.pending)?;
        for (row, c) in rows.chunks_exact_mut(self.d).zip(&self.weights) {
            nhgd_kernels::vector::scale(T::of(c.sqrt()), row);
        }
        let rows = MatRef::new(&rows, k, self.d).t();
        syrk(MatMut::new(data, self.d, self.d), T::of(self.scale), T::one(), rows)
    }

    /// Writes the pending rows into S.
    fn flush(&mut self) -> Fallible<()> {
        let mut data = std::mem::take(&mut self.data);
        let summed = self.sum(&mut data);
        self.data = data;
        summed?;
        mirror_lower(MatMut::new(&mut self.data, self.d, self.d));
        self.scale = 1.0;
        self.pending.clear();
        self.weights.clear();
        Ok(())
    }

    fn mean(&self) -> f64 {
        let data: f64 = self.data.iter().step_by(self.d + 1).map(|s| s.wide()).sum();
        let pending = self.pending.chunks_exact(self.d).zip(&self.weights).map(|(g, c)| dot(g, g).wide() * c);
        (data * self.scale + pending.sum::<f64>()) / self.d as f64
    }

    /// A by Cholesky. On an error A stays as it is.
    fn refactor(&mut self) -> Result<(), FisherError> {
        let (d, mean) = (self.d, self.mean());
        let mut damping = self.damping.copied()?;
        let inverse = damping.raise(mean, |damping, level| {
            let tilde = damping.diagonal(level)?;
            let mut damped = copied(&self.data)?;
            self.sum(&mut damped)?;
            damped.iter_mut().step_by(d + 1).enumerate().for_each(|(i, s)| *s += tilde.at(i));
            Cholesky::factor(d, damped)?.ok().map(Cholesky::inverse).transpose()
        });
        self.damping = damping;
        let (inverse, level) = inverse?;
        self.inverse = SymmetricInverse::from_full(d, &inverse)?;
        (self.level, self.remains) = (level, 1.0);
        Ok(())
    }

    fn absorb(&mut self, observation: &Observation<T>, anew: bool) -> Result<(), FisherError> {
        let rows = check::rows(observation, self.d)?;
        let (beta, gamma) = if anew { (0.0, 1.0) } else { self.smoothing.weights(self.seen, rows.count) };
        let mut weights = Vec::with_capacity(BLOCK);
        weights.extend(self.weights.iter().map(|c| c * beta));
        grow(&mut weights, rows.count)?;
        grow(&mut self.pending, rows.data.len())?;
        let remains = self.remains * beta;
        let followed = remains >= 0.5 && update(&mut self.inverse, rows, beta, gamma)?;

        weights.extend(std::iter::repeat_n(gamma, rows.count));
        let before = (self.scale, std::mem::replace(&mut self.weights, weights), self.pending.len());
        self.scale *= beta;
        self.pending.extend_from_slice(&rows.data);
        if self.weights.len() >= BLOCK
            && let Err(error) = self.flush()
        {
            self.pending.truncate(before.2);
            (self.scale, self.weights, self.remains) = (before.0, before.1, 0.0);
            return Err(error.into());
        }
        self.seen = rows.count as f64 + if anew { 0.0 } else { self.seen };
        self.remains = if followed { remains } else { 0.0 };
        Ok(())
    }

    /// y ← (S + D̃) x.
    fn apply(&self, tilde: &Diagonal<T>, x: &[T], y: &mut [T]) {
        matvec(y, T::zero(), T::of(self.scale), MatRef::new(&self.data, self.d, self.d), x);
        for (row, c) in self.pending.chunks_exact(self.d).zip(&self.weights) {
            axpy(T::of(*c) * dot(row, x), row, y);
        }
        y.iter_mut().zip(x).enumerate().for_each(|(i, (y, &x))| *y += tilde.at(i) * x);
    }
}

impl<T: Scalar> Fisher<T> for HeldDense<T> {
    fn parameters(&self) -> usize {
        self.d
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        if self.damping.set_regularizer(regularizer)? {
            self.remains = 0.0;
        }
        Ok(())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, false)
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, true)?;
        // In the background, so that the next solve finds it done. Where it fails, that solve tries again and says so.
        let fallbacks = self.damping.fallbacks;
        if self.refactor().is_err() {
            self.damping.fallbacks = fallbacks;
        }
        Ok(())
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.d)?;
        if self.remains == 0.0 {
            self.refactor()?;
        }
        let tilde = self.damping.diagonal(self.level)?;
        let mut apply = |p: &[T], out: &mut [T]| {
            self.apply(&tilde, p, out);
            Ok::<(), OutOfMemory>(())
        };
        let mut precondition = |r: &[T], out: &mut [T]| self.inverse.multiply(r, out);
        x.fill(T::zero());
        let outcome = conjugate_gradients(&mut apply, &mut precondition, b, x, self.tolerance, MAX_STEPS)?;
        // Rounding in the updates of A can spoil it as a preconditioner.
        if outcome.residual > self.tolerance.sqrt() && self.remains < 1.0 {
            self.remains = 0.0;
            return self.solve(b, x);
        }
        check::solution(x)?;
        Ok(SolveReport {
            residual: Some(outcome.residual),
            damping: self.level,
            fallbacks: self.damping.fallbacks,
            steps: outcome.steps as u32,
            mean_regularizer: false,
        })
    }

    fn reset(&mut self) {
        self.data.fill(T::zero());
        self.pending.clear();
        self.weights.clear();
        (self.scale, self.seen, self.remains) = (1.0, 0.0, 0.0);
    }

    fn state(&self) -> Fallible<State> {
        let mut state = self.damping.state(false)?;
        state.extend([
            ("data", widen(&self.data)?),
            ("scale", vec![self.scale]),
            ("pending", widen(&self.pending)?),
            ("weights", copied(&self.weights)?),
            ("seen", vec![self.seen]),
            ("inverse", widen(&self.inverse.parts()?)?),
            ("remains", vec![self.remains]),
            ("level", vec![self.level]),
        ]);
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let (state, d) = (Saved(state), self.d);
        let data = state.scalars("data", &|n| n == d * d)?;
        let weights = copied(state.values("weights", &|n| n < BLOCK)?)?;
        let pending = state.scalars("pending", &|n| n == weights.len() * d)?;
        let inverse = saved_inverse(&state, d)?;
        let (scale, seen) = (state.number("scale")?, state.number("seen")?);
        let (remains, level) = (state.number("remains")?, state.number("level")?);
        self.damping = self.damping.restored(&state)?;
        self.inverse = inverse;
        (self.data, self.weights, self.pending) = (data, weights, pending);
        (self.scale, self.seen, self.remains, self.level) = (scale, seen, remains, level);
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of::<T>() * (self.d * self.d + self.d * (self.d + 1) / 2 + self.pending.len())
    }
}
