//! The diagonal of F.

use nhgd_kernels::Scalar;

use crate::check::{self, State, widen};
use crate::damping::Damping;
use crate::smoothing::Smoothing;
use crate::{Fisher, FisherError, SolveReport};
use nhgd_curvature::{Diagonal, Observation, Wants};

/// F ≈ diag(f) with f the smoothed squares of the gradients' entries.
pub(crate) struct DiagonalFisher<T> {
    wants: Wants,
    smoothing: Smoothing,
    damping: Damping<T>,
    squares: Vec<T>,
    seen: f64,
}

impl<T: Scalar> DiagonalFisher<T> {
    pub fn new(d: usize, damping: Damping<T>, wants: Wants, smoothing: Smoothing) -> Self {
        Self { wants, smoothing, damping, squares: vec![T::zero(); d], seen: 0.0 }
    }

    /// F ← βF + γ Σ row rowᵀ, anew (β = 0, γ = 1) or smoothed.
    fn absorb(&mut self, observation: &Observation<T>, anew: bool) -> Result<(), FisherError> {
        let rows = check::rows(observation, self.size())?;
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
    fn size(&self) -> usize {
        self.squares.len()
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        self.damping.set_regularizer(regularizer)
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, false)
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, true)
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.size())?;
        let trace: f64 = self.squares.iter().map(|f| f.wide()).sum();
        let level = self.damping.level(trace / self.size() as f64);
        let tilde = self.damping.diagonal(level);
        for (i, x) in x.iter_mut().enumerate() {
            *x = b[i] / (self.squares[i] + tilde.at(i));
        }
        check::solution(x)?;
        Ok(SolveReport { residual: f64::NAN, damping: level, ..SolveReport::default() })
    }

    fn reset(&mut self) {
        self.squares.fill(T::zero());
        self.seen = 0.0;
    }

    fn state(&self) -> Vec<(&'static str, Vec<f64>)> {
        vec![("squares", widen(&self.squares)), ("seen", vec![self.seen])]
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = State(state);
        let squares = state.scalars("squares", |n| n == self.squares.len())?;
        self.seen = state.number("seen")?;
        self.squares = squares;
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.squares[..])
    }
}
