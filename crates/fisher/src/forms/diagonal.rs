//! The diagonal of F.

use nhgd_curvature::{Diagonal, Observation, Statistic, Wants};
use nhgd_kernels::Scalar;
use nhgd_kernels::memory::{Result as Fallible, zeros};
use nhgd_settings::fields;

use crate::check::{self, Saved};
use crate::damping::Damping;
use crate::rows::RowKind;
use crate::smoothing::Smoothing;
use crate::wide::widen;
use crate::{Fisher, FisherError, SolveReport, State};

/// Settings of `form: "diagonal"`: the diagonal of F.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub struct DiagonalSettings {
    /// The labels at which the gradients are taken; default `empirical`.
    pub statistic: Statistic,
    /// What it sees of a batch; default `signed`.
    pub rows: RowKind,
    /// Forgetting over observations; default 0.99.
    pub smoothing: Smoothing,
    /// λ ≥ 0, more than 0 where D has a zero; default 0.01.
    pub damping: f64,
    /// Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false.
    pub relative: bool,
}

fields!(default DiagonalSettings { statistic, rows, smoothing, damping, relative });

impl Default for DiagonalSettings {
    fn default() -> Self {
        Self {
            statistic: Statistic::Empirical,
            rows: RowKind::Signed,
            smoothing: Smoothing::default(),
            damping: 1e-2,
            relative: false,
        }
    }
}

/// F ≈ diag(f) with f the smoothed squares of the gradients' entries.
pub(crate) struct DiagonalFisher<T> {
    wants: Wants,
    smoothing: Smoothing,
    damping: Damping<T>,
    squares: Vec<T>,
    seen: f64,
}

impl<T: Scalar> DiagonalFisher<T> {
    pub fn new(settings: &DiagonalSettings, d: usize, regularizer: Diagonal<T>) -> Result<Self, FisherError> {
        Ok(Self {
            wants: settings.rows.wants(settings.statistic),
            smoothing: settings.smoothing.checked()?,
            damping: Damping::new(settings.damping, settings.relative, regularizer, d)?,
            squares: zeros(d)?,
            seen: 0.0,
        })
    }

    /// F ← βF + γ Σ row rowᵀ, anew (β = 0, γ = 1) or smoothed.
    fn absorb(&mut self, observation: &Observation<T>, anew: bool) -> Result<(), FisherError> {
        let rows = check::rows(observation, self.parameters())?;
        let (beta, gamma) = if anew { (0.0, 1.0) } else { self.smoothing.weights(self.seen, rows.count) };
        let (beta, gamma) = (T::of(beta), T::of(gamma));
        self.squares.iter_mut().for_each(|f| *f *= beta);
        for row in rows.data.chunks_exact(self.squares.len()) {
            self.squares.iter_mut().zip(row).for_each(|(f, &g)| *f += gamma * g * g);
        }
        self.seen = rows.count as f64 + if anew { 0.0 } else { self.seen };
        Ok(())
    }
}

impl<T: Scalar> Fisher<T> for DiagonalFisher<T> {
    fn parameters(&self) -> usize {
        self.squares.len()
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        self.damping.set_regularizer(regularizer).map(|_| ())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, false)
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, true)
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.parameters())?;
        let trace: f64 = self.squares.iter().map(|f| f.wide()).sum();
        let level = self.damping.level(trace / self.parameters() as f64);
        let tilde = self.damping.diagonal(level)?;
        for (i, x) in x.iter_mut().enumerate() {
            *x = b[i] / (self.squares[i] + tilde.at(i));
        }
        check::solution(x)?;
        Ok(SolveReport { damping: level, ..SolveReport::default() })
    }

    fn reset(&mut self) {
        self.squares.fill(T::zero());
        self.seen = 0.0;
    }

    fn state(&self) -> Fallible<State> {
        let mut state = self.damping.state(false)?;
        state.extend([("squares", widen(&self.squares)?), ("seen", vec![self.seen])]);
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = Saved(state);
        let squares = state.scalars("squares", &|n| n == self.squares.len())?;
        let (seen, damping) = (state.number("seen")?, self.damping.restored(&state)?);
        (self.squares, self.seen, self.damping) = (squares, seen, damping);
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.squares[..])
    }
}
