//! A itself with a start that decays, updated by Sherman–Morrison and Woodbury.

use nhgd_curvature::{Diagonal, Observation, Wants};
use nhgd_kernels::memory::Result as Fallible;
use nhgd_kernels::{Scalar, SymmetricInverse};

use super::dense::{DenseSettings, saved_inverse, update};
use crate::check::{self, Saved};
use crate::damping::Damping;
use crate::smoothing::Smoothing;
use crate::wide::widen;
use crate::{Fisher, FisherError, SolveReport, State};

/// The damping of a start that decays: λ alone, more than 0 and absolute. D is checked and then ignored.
pub(super) fn decaying<T: Scalar>(
    level: f64,
    relative: bool,
    regularizer: Diagonal<T>,
    d: usize,
) -> Result<Damping<T>, FisherError> {
    if level <= 0.0 {
        return Err(FisherError::range("damping", "more than 0 for a decaying start", level));
    }
    if relative {
        return Err(FisherError::range("relative", "false for a decaying start", true));
    }
    let mut damping = Damping::new(level, false, regularizer, d)?;
    damping.ignore_regularizer();
    Ok(damping)
}

/// The method as printed (arXiv 2602.10905): A from (1/λ)I on, which decays with everything else, and x = A b. The
/// regulariser is ignored. Directions that no gradient visits grow like β^−t, so it has to be reset now and then.
pub(crate) struct DecayingDense<T: Scalar> {
    wants: Wants,
    smoothing: Smoothing,
    damping: Damping<T>,
    /// λ before it decays.
    level: f64,
    inverse: SymmetricInverse<T>,
    /// Observations, the start among them.
    seen: f64,
    /// What is left of λI.
    remains: f64,
}

impl<T: Scalar> DecayingDense<T> {
    pub fn new(settings: &DenseSettings, d: usize, regularizer: Diagonal<T>) -> Result<Self, FisherError> {
        let damping = decaying(settings.damping, settings.relative, regularizer, d)?;
        check::tolerance::<T>(settings.tolerance)?;
        Ok(Self {
            wants: settings.rows.wants(settings.statistic),
            smoothing: settings.smoothing.checked()?,
            inverse: SymmetricInverse::identity(d, T::of(1.0 / settings.damping))?,
            damping,
            level: settings.damping,
            seen: 1.0,
            remains: 1.0,
        })
    }
}

impl<T: Scalar> Fisher<T> for DecayingDense<T> {
    fn parameters(&self) -> usize {
        self.inverse.dim()
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        self.damping.copied()?.set_regularizer(regularizer).map(|_| ())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        let rows = check::rows(observation, self.parameters())?;
        let (beta, gamma) = self.smoothing.weights(self.seen, rows.count);
        // An update by many rows can fail halfway.
        let before = (rows.count > 1).then(|| self.inverse.copied()).transpose()?;
        let updated = update(&mut self.inverse, rows, beta, gamma);
        if updated != Ok(true) {
            if let Some(before) = before {
                self.inverse = before;
            }
            updated?;
            return Err(FisherError::NotPositiveDefinite { damping: self.level * self.remains });
        }
        self.seen += rows.count as f64;
        self.remains *= beta;
        Ok(())
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        let before = (self.inverse.copied()?, self.seen, self.remains);
        self.reset();
        let result = self.observe(observation);
        if result.is_err() {
            (self.inverse, self.seen, self.remains) = before;
        }
        result
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.parameters())?;
        self.inverse.multiply(b, x)?;
        check::solution(x)?;
        let damping = self.level * self.remains;
        Ok(SolveReport { damping, ..SolveReport::default() })
    }

    fn reset(&mut self) {
        self.inverse.reset(T::of(1.0 / self.level));
        (self.seen, self.remains) = (1.0, 1.0);
    }

    fn state(&self) -> Fallible<State> {
        Ok(vec![
            ("inverse", widen(&self.inverse.parts()?)?),
            ("seen", vec![self.seen]),
            ("remains", vec![self.remains]),
        ])
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let (state, d) = (Saved(state), self.parameters());
        let inverse = saved_inverse(&state, d)?;
        (self.seen, self.remains) = (state.number("seen")?, state.number("remains")?);
        self.inverse = inverse;
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of::<T>() * self.parameters() * (self.parameters() + 1) / 2
    }
}
