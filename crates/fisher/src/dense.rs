//! A itself, updated by Sherman–Morrison and Woodbury.

use std::convert::Infallible;

use nhgd_kernels::vector::{axpy, dot};
use nhgd_kernels::{
    Cholesky, MatMut, MatRef, Scalar, SymmetricInverse, conjugate_gradients, matvec, mirror_lower, syrk,
};

use crate::check::{self, State, widen};
use crate::damping::Damping;
use crate::smoothing::Smoothing;
use crate::{Fisher, FisherError, SolveReport};
use nhgd_curvature::{Diagonal, Observation, Rows, Wants};

/// Rows gathered before S is written.
const BLOCK: usize = 32;

/// Conjugate-gradient steps before a solve reports what it has.
const MAX_STEPS: usize = 200;

/// A ← A after F ← βF + γ Σ row rowᵀ.
fn update<T: Scalar>(inverse: &mut SymmetricInverse<T>, rows: &Rows<T>, beta: f64, gamma: f64) -> bool {
    let (beta, gamma) = (T::of(beta), T::of(gamma));
    match rows.count {
        1 => inverse.update(&rows.data, beta, gamma).is_ok(),
        count => inverse.update_many(&rows.data, beta, &vec![gamma; count]).is_ok(),
    }
}

/// A as a state holds it.
fn saved_inverse<T: Scalar>(state: &State, d: usize) -> Result<SymmetricInverse<T>, FisherError> {
    let parts: Vec<T> = state.scalars("inverse", |_| true)?;
    SymmetricInverse::from_parts(d, &parts).ok_or_else(|| {
        let got = format!("{} values", parts.len());
        FisherError::range("state", "\"inverse\" of a Fisher of the same size", got)
    })
}

/// The method as printed (arXiv 2602.10905): A from (1/λ)I on, which decays with everything else, and x = A b. The
/// regulariser is ignored. Directions that no gradient visits grow like β^−t: reset it every so often.
pub(crate) struct DecayingDense<T: Scalar> {
    wants: Wants,
    smoothing: Smoothing,
    damping: f64,
    inverse: SymmetricInverse<T>,
    /// Observations, the start among them.
    seen: f64,
    /// What is left of λI.
    remains: f64,
}

impl<T: Scalar> DecayingDense<T> {
    pub fn new(d: usize, damping: f64, wants: Wants, smoothing: Smoothing) -> Self {
        let inverse = SymmetricInverse::identity(d, T::of(1.0 / damping));
        Self { wants, smoothing, damping, inverse, seen: 1.0, remains: 1.0 }
    }
}

impl<T: Scalar> Fisher<T> for DecayingDense<T> {
    fn size(&self) -> usize {
        self.inverse.dim()
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        Damping::new(self.damping, false, regularizer.clone(), self.size()).map(|_| ())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        let rows = check::rows(observation, self.size())?;
        let (beta, gamma) = self.smoothing.weights(self.seen, rows.count);
        // An update by many rows can fail halfway.
        let before = (rows.count > 1).then(|| self.inverse.clone());
        if !update(&mut self.inverse, rows, beta, gamma) {
            if let Some(before) = before {
                self.inverse = before;
            }
            return Err(FisherError::NotPositiveDefinite { damping: self.damping * self.remains });
        }
        self.seen += rows.count as f64;
        self.remains *= beta;
        Ok(())
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        check::rows(observation, self.size())?;
        self.reset();
        self.observe(observation)
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.size())?;
        self.inverse.multiply(b, x);
        check::solution(x)?;
        let damping = self.damping * self.remains;
        Ok(SolveReport { residual: f64::NAN, damping, ..SolveReport::default() })
    }

    fn reset(&mut self) {
        self.inverse = SymmetricInverse::identity(self.size(), T::of(1.0 / self.damping));
        (self.seen, self.remains) = (1.0, 1.0);
    }

    fn state(&self) -> Vec<(&'static str, Vec<f64>)> {
        vec![
            ("inverse", widen(&self.inverse.parts())),
            ("seen", vec![self.seen]),
            ("remains", vec![self.remains]),
        ]
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let (state, d) = (State(state), self.size());
        let inverse = saved_inverse(&state, d)?;
        (self.seen, self.remains) = (state.number("seen")?, state.number("remains")?);
        self.inverse = inverse;
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of::<T>() * self.size() * (self.size() + 1) / 2
    }
}

/// A = (S + D̃)⁻¹ with S the data terms alone, exactly: conjugate gradients on (S + D̃)x = b, preconditioned by the A
/// of the last factorisation and the updates since. Those let D̃ decay, so A is factored anew once that is by half.
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
    pub fn new(d: usize, damping: Damping<T>, wants: Wants, smoothing: Smoothing, tolerance: f64) -> Self {
        Self {
            d,
            wants,
            smoothing,
            tolerance,
            level: damping.level(0.0),
            damping,
            data: vec![T::zero(); d * d],
            scale: 1.0,
            pending: Vec::new(),
            weights: Vec::new(),
            seen: 0.0,
            inverse: SymmetricInverse::identity(d, T::one()),
            remains: 0.0,
        }
    }

    /// Writes the pending rows into S.
    fn flush(&mut self) {
        let (d, k) = (self.d, self.weights.len());
        if k == 0 && self.scale == 1.0 {
            return;
        }
        for (row, c) in self.pending.chunks_exact_mut(d).zip(&self.weights) {
            nhgd_kernels::vector::scale(T::of(c.sqrt()), row);
        }
        let rows = MatRef::new(&self.pending, k, d).t();
        syrk(MatMut::new(&mut self.data, d, d), T::of(self.scale), T::one(), rows);
        mirror_lower(MatMut::new(&mut self.data, d, d));
        self.scale = 1.0;
        self.pending.clear();
        self.weights.clear();
    }

    fn mean(&self) -> f64 {
        let data: f64 = self.data.iter().step_by(self.d + 1).map(|s| s.wide()).sum();
        let pending = self.pending.chunks_exact(self.d).zip(&self.weights).map(|(g, c)| dot(g, g).wide() * c);
        (data * self.scale + pending.sum::<f64>()) / self.d as f64
    }

    /// A by Cholesky. On an error A stays as it is.
    fn refactor(&mut self) -> Result<(), FisherError> {
        self.flush();
        let (d, mean) = (self.d, self.mean());
        let (inverse, level) = self.damping.raise(mean, |damping, level| {
            let tilde = damping.diagonal(level);
            let mut damped = self.data.clone();
            damped.iter_mut().step_by(d + 1).enumerate().for_each(|(i, s)| *s += tilde.at(i));
            Some(Cholesky::factor(d, damped).ok()?.inverse())
        })?;
        self.inverse = SymmetricInverse::from_full(d, &inverse);
        (self.level, self.remains) = (level, 1.0);
        Ok(())
    }

    fn absorb(&mut self, observation: &Observation<T>, anew: bool) -> Result<(), FisherError> {
        let rows = check::rows(observation, self.d)?;
        let (beta, gamma) = if anew { (0.0, 1.0) } else { self.smoothing.weights(self.seen, rows.count) };
        self.seen = rows.count as f64 + if anew { 0.0 } else { self.seen };
        self.scale *= beta;
        self.weights.iter_mut().for_each(|c| *c *= beta);
        self.pending.extend_from_slice(&rows.data);
        self.weights.extend(std::iter::repeat_n(gamma, rows.count));
        if self.weights.len() >= BLOCK {
            self.flush();
        }
        let remains = self.remains * beta;
        if remains >= 0.5 && update(&mut self.inverse, rows, beta, gamma) {
            self.remains = remains;
        } else {
            self.remains = 0.0;
        }
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
    fn size(&self) -> usize {
        self.d
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        let changed = regularizer != self.damping.regularizer();
        self.damping.set_regularizer(regularizer)?;
        if changed {
            self.remains = 0.0;
        }
        Ok(())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, false)
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, true)?;
        self.refactor()
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.d)?;
        if self.remains == 0.0 {
            self.refactor()?;
        }
        let tilde = self.damping.diagonal(self.level);
        let mut apply = |p: &[T], out: &mut [T]| {
            self.apply(&tilde, p, out);
            Ok::<(), Infallible>(())
        };
        let mut precondition = |r: &[T], out: &mut [T]| {
            self.inverse.multiply(r, out);
            Ok::<(), Infallible>(())
        };
        x.fill(T::zero());
        let Ok(outcome) = conjugate_gradients(&mut apply, &mut precondition, b, x, self.tolerance, MAX_STEPS);
        // Rounding in the updates of A can spoil it as a preconditioner.
        if outcome.residual > self.tolerance.sqrt() && self.remains < 1.0 {
            self.remains = 0.0;
            return self.solve(b, x);
        }
        check::solution(x)?;
        Ok(SolveReport {
            residual: outcome.residual,
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

    fn state(&self) -> Vec<(&'static str, Vec<f64>)> {
        vec![
            ("data", widen(&self.data)),
            ("scale", vec![self.scale]),
            ("pending", widen(&self.pending)),
            ("weights", self.weights.clone()),
            ("seen", vec![self.seen]),
            ("inverse", widen(&self.inverse.parts())),
            ("remains", vec![self.remains]),
            ("level", vec![self.level]),
            ("fallbacks", vec![self.damping.fallbacks.into()]),
        ]
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let (state, d) = (State(state), self.d);
        let data = state.scalars("data", |n| n == d * d)?;
        let weights = state.values("weights", |n| n < BLOCK)?.to_vec();
        let pending = state.scalars("pending", |n| n == weights.len() * d)?;
        let inverse = saved_inverse(&state, d)?;
        let (scale, seen) = (state.number("scale")?, state.number("seen")?);
        let (remains, level) = (state.number("remains")?, state.number("level")?);
        self.damping.fallbacks = state.number("fallbacks")? as u32;
        self.inverse = inverse;
        (self.data, self.weights, self.pending) = (data, weights, pending);
        (self.scale, self.seen, self.remains, self.level) = (scale, seen, remains, level);
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of::<T>() * (self.d * self.d + self.d * (self.d + 1) / 2 + self.pending.len())
    }
}
