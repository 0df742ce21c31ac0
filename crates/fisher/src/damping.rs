//! D̃ = D + λI, and more of λ where a factorisation fails.

use nhgd_kernels::Scalar;

use crate::FisherError;
use nhgd_curvature::Diagonal;

/// Factorisations tried before giving up.
const TRIES: usize = 4;

/// The regulariser D, the damping λ and how often it had to be raised.
#[derive(Clone, Debug)]
pub(crate) struct Damping<T> {
    setting: f64,
    relative: bool,
    regularizer: Diagonal<T>,
    size: usize,
    pub fallbacks: u32,
    /// Those of the last factorisation.
    latest: u32,
}

impl<T: Scalar> Damping<T> {
    /// `setting` is λ, or λ in units of tr(F)/d if `relative`.
    pub fn new(
        setting: f64,
        relative: bool,
        regularizer: Diagonal<T>,
        size: usize,
    ) -> Result<Self, FisherError> {
        let mut damping = Self {
            setting,
            relative,
            regularizer: Diagonal::Scalar(T::one()),
            size,
            fallbacks: 0,
            latest: 0,
        };
        if !(setting >= 0.0 && T::of(setting).is_finite()) {
            return Err(FisherError::range("damping", "a finite number of at least 0", setting));
        }
        damping.set_regularizer(&regularizer)?;
        Ok(damping)
    }

    pub fn regularizer(&self) -> &Diagonal<T> {
        &self.regularizer
    }

    /// Number of parameters d.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Damping alone: D̃ = λI.
    pub fn ignore_regularizer(&mut self) {
        self.regularizer = Diagonal::Scalar(T::zero());
    }

    /// Whether D is one number a parameter.
    pub fn is_vector(&self) -> bool {
        matches!(self.regularizer, Diagonal::Vector(_))
    }

    pub fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        let entries = match regularizer {
            Diagonal::Scalar(c) => std::slice::from_ref(c),
            Diagonal::Vector(d) if d.len() != self.size => {
                return Err(FisherError::range("regularizer", format!("{} entries", self.size), d.len()));
            }
            Diagonal::Vector(d) => d,
        };
        if entries.iter().any(|d| !d.is_finite()) {
            return Err(FisherError::NotFinite { name: "regularizer" });
        }
        let least = regularizer.min();
        if least < T::zero() {
            return Err(FisherError::range("regularizer", "entries of at least 0", least));
        }
        if T::of(self.setting) + least <= T::zero() {
            return Err(FisherError::range(
                "damping",
                "more than 0 where the regulariser has a zero",
                self.setting,
            ));
        }
        self.regularizer = regularizer.clone();
        Ok(())
    }

    /// Raises to be saved by a form that saves no factorisation: a copy of one that is `factored` counts its raises as
    /// it factors anew.
    pub fn fallbacks_to_save(&self, factored: bool) -> f64 {
        f64::from(self.fallbacks - if factored { self.latest } else { 0 })
    }

    /// λ for a Fisher with tr(F)/d = `mean`. Relative damping of a Fisher that is (nearly) zero is the setting itself
    /// where D̃ would have a zero otherwise.
    pub fn level(&self, mean: f64) -> f64 {
        let level = if self.relative { self.setting * mean } else { self.setting };
        let usable = T::of(level) + self.regularizer.min() > T::zero();
        if usable { level } else { self.setting }
    }

    /// D̃ = D + λI.
    pub fn diagonal(&self, level: f64) -> Diagonal<T> {
        let level = T::of(level);
        match &self.regularizer {
            Diagonal::Scalar(c) => Diagonal::Scalar(*c + level),
            Diagonal::Vector(d) => Diagonal::Vector(d.iter().map(|&d| d + level).collect()),
        }
    }

    /// Calls `factor` with λ; as long as it gives nothing, tells it ten times max(λ, ε·tr(F)/d). Returns what it gave
    /// and the λ that it took.
    pub fn raise<R>(
        &mut self,
        mean: f64,
        mut factor: impl FnMut(&Self, f64) -> Option<R>,
    ) -> Result<(R, f64), FisherError> {
        let mut level = self.level(mean);
        self.latest = 0;
        for attempt in 0..TRIES {
            if let Some(result) = factor(self, level) {
                return Ok((result, level));
            }
            self.fallbacks += 1;
            self.latest += 1;
            if attempt + 1 < TRIES {
                level = 10.0 * level.max(T::epsilon().wide() * mean);
            }
        }
        Err(FisherError::NotPositiveDefinite { damping: level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raises_damping_tenfold_until_a_factorisation_works() {
        let mut damping = Damping::<f64>::new(1e-3, false, Diagonal::Scalar(0.0), 2).expect("good settings");
        let (found, level) =
            damping.raise(1.0, |_, level| (level > 0.05).then_some("factor")).expect("two are enough");
        assert_eq!((found, damping.fallbacks), ("factor", 2));
        assert!((level - 0.1).abs() < 1e-15);
    }

    #[test]
    fn starts_from_rounding_where_there_is_no_damping() {
        let mut damping = Damping::<f64>::new(0.0, false, Diagonal::Scalar(1e-30), 2).expect("good settings");
        let (_, level) = damping.raise(4.0, |_, level| (level > 0.0).then_some(())).expect("one is enough");
        assert_eq!(level, 40.0 * f64::EPSILON);
    }

    #[test]
    fn gives_up_after_four() {
        let mut damping = Damping::<f64>::new(1.0, false, Diagonal::Scalar(0.0), 2).expect("good settings");
        let mut tried = Vec::new();
        let error = damping.raise(1.0, |_, level| {
            tried.push(level);
            None::<()>
        });
        assert_eq!(tried, [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(error.err(), Some(FisherError::NotPositiveDefinite { damping: 1000.0 }));
        assert_eq!(damping.fallbacks, 4);
    }
}
