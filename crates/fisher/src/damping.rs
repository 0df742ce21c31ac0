//! D̃ = D + λI, and more of λ where a factorisation fails.

use nhgd_curvature::{Diagonal, LayerShape};
use nhgd_kernels::Scalar;
use nhgd_kernels::memory::{Result as Fallible, collected};
use nhgd_settings::words;

use crate::check::Saved;
use crate::wide::widen;
use crate::{FisherError, State};

/// Factorisations tried before giving up.
const TRIES: usize = 4;

/// What becomes of D̃, from which F + D̃ starts: it is held, or decays with the smoothing as the method is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub enum Start {
    /// D̃ stays: A = (S + D̃)⁻¹ with S the data terms alone.
    Held,
    /// λI decays with the smoothing, as the method is printed (arXiv 2602.10905); the regulariser is ignored.
    Decaying,
}

words!(Start { "held" Held, "decaying" Decaying });

/// The regulariser D, the damping λ and how often it had to be raised.
#[derive(Debug)]
pub(crate) struct Damping<T> {
    setting: f64,
    relative: bool,
    regularizer: Diagonal<T>,
    size: usize,
    pub fallbacks: u32,
    /// Those of the last factorisation.
    latest: u32,
}

/// D̃ of one layer, as far as a Kronecker product can hold it.
#[derive(Debug, PartialEq)]
pub(crate) enum LayerDamping {
    /// cI.
    Constant(f64),
    /// diag(r) ⊗ diag(c), such as a penalty per input: r has an entry per input, c one per output.
    Product(Vec<f64>, Vec<f64>),
    /// The mean of something else.
    Mean(f64),
}

impl LayerDamping {
    fn of<T: Scalar>(tilde: &[T], shape: LayerShape) -> Fallible<Self> {
        let mean = tilde.iter().map(|d| d.wide()).sum::<f64>() / tilde.len() as f64;
        if tilde.iter().all(|d| *d == tilde[0]) {
            return Ok(Self::Constant(tilde[0].wide()));
        }
        let inputs = collected(tilde.chunks_exact(shape.outputs).map(|row| row[0].wide()))?;
        let outputs = collected(tilde[..shape.outputs].iter().map(|d| d.wide() / inputs[0]))?;
        let rounding = 8.0 * T::epsilon().wide();
        let is_product = tilde.iter().enumerate().all(|(at, d)| {
            let product = inputs[at / shape.outputs] * outputs[at % shape.outputs];
            (d.wide() - product).abs() <= rounding * product
        });
        Ok(if is_product { Self::Product(inputs, outputs) } else { Self::Mean(mean) })
    }

    pub fn is_product(&self) -> bool {
        matches!(self, Self::Product(..))
    }

    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    pub fn mean(&self) -> f64 {
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        match self {
            Self::Constant(c) | Self::Mean(c) => *c,
            Self::Product(inputs, outputs) => mean(inputs) * mean(outputs),
        }
    }
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

    /// The same in memory of its own.
    pub fn copied(&self) -> Fallible<Self> {
        Ok(Self { regularizer: self.regularizer.copied()?, ..*self })
    }

    /// Damping alone: D̃ = λI.
    pub fn ignore_regularizer(&mut self) {
        self.regularizer = Diagonal::Scalar(T::zero());
    }

    /// Whether the entries of D differ.
    pub fn is_vector(&self) -> bool {
        matches!(self.regularizer, Diagonal::Vector(_))
    }

    /// Takes another D; tells whether it differs from the one before.
    pub fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<bool, FisherError> {
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
            let expected = "more than 0 where the regulariser has a zero, as it has at a free intercept";
            return Err(FisherError::range("damping", expected, self.setting));
        }
        // Equal entries are cI, which some forms invert faster and Kronecker forms exactly.
        let regularizer = match entries {
            [first, rest @ ..] if rest.iter().all(|d| d == first) => Diagonal::Scalar(*first),
            _ => regularizer.copied()?,
        };
        let changed = regularizer != self.regularizer;
        self.regularizer = regularizer;
        Ok(changed)
    }

    /// Entries of [`crate::Fisher::state`]. A restored copy repeats the last factorisation if `factored`, and counts its
    /// fallbacks again; so the saved count leaves them out.
    pub fn state(&self, factored: bool) -> Fallible<State> {
        let regularizer = match &self.regularizer {
            Diagonal::Scalar(c) => vec![c.wide()],
            Diagonal::Vector(d) => widen(d)?,
        };
        let fallbacks = self.fallbacks - if factored { self.latest } else { 0 };
        Ok(vec![("regularizer", regularizer), ("fallbacks", vec![fallbacks.into()])])
    }

    /// A copy that holds what [`Damping::state`] gave.
    pub fn restored(&self, state: &Saved) -> Result<Self, FisherError> {
        let entries: Vec<T> = state.scalars("regularizer", &|n| n == 1 || n == self.size)?;
        let fallbacks = state.number("fallbacks")? as u32;
        let mut damping = Self { regularizer: self.regularizer.copied()?, fallbacks, latest: 0, ..*self };
        damping.set_regularizer(&match entries[..] {
            [c] => Diagonal::Scalar(c),
            _ => Diagonal::Vector(entries),
        })?;
        Ok(damping)
    }

    /// D̃ of each layer.
    pub fn of_layers(&self, level: f64, shapes: &[LayerShape]) -> Fallible<Vec<LayerDamping>> {
        let tilde = self.diagonal(level)?;
        let mut start = 0;
        let layer = |shape: &LayerShape| match &tilde {
            Diagonal::Scalar(c) => Ok(LayerDamping::Constant(c.wide())),
            Diagonal::Vector(tilde) => {
                let size = shape.inputs * shape.outputs;
                start += size;
                LayerDamping::of(&tilde[start - size..start], *shape)
            }
        };
        shapes.iter().map(layer).collect()
    }

    /// λ for a Fisher with tr(F)/d = `mean`. Relative damping of a Fisher that is (nearly) zero is the setting itself
    /// where D̃ would have a zero otherwise.
    pub fn level(&self, mean: f64) -> f64 {
        let level = if self.relative { self.setting * mean } else { self.setting };
        let usable = T::of(level) + self.regularizer.min() > T::zero();
        if usable { level } else { self.setting }
    }

    /// D̃ = D + λI.
    pub fn diagonal(&self, level: f64) -> Fallible<Diagonal<T>> {
        let level = T::of(level);
        Ok(match &self.regularizer {
            Diagonal::Scalar(c) => Diagonal::Scalar(*c + level),
            Diagonal::Vector(d) => Diagonal::Vector(collected(d.iter().map(|&d| d + level))?),
        })
    }

    /// Calls `factor` with λ; as long as it gives nothing, tells it ten times max(λ, ε·tr(F)/d). Returns what it gave
    /// and the λ that it took.
    pub fn raise<R>(
        &mut self,
        mean: f64,
        mut factor: impl FnMut(&Self, f64) -> Fallible<Option<R>>,
    ) -> Result<(R, f64), FisherError> {
        let mut level = self.level(mean);
        self.latest = 0;
        for attempt in 0..TRIES {
            if let Some(result) = factor(self, level)? {
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
            damping.raise(1.0, |_, level| Ok((level > 0.05).then_some("factor"))).expect("two are enough");
        assert_eq!((found, damping.fallbacks), ("factor", 2));
        assert!((level - 0.1).abs() < 1e-15);
    }

    #[test]
    fn starts_from_rounding_where_there_is_no_damping() {
        let mut damping = Damping::<f64>::new(0.0, false, Diagonal::Scalar(1e-30), 2).expect("good settings");
        let (_, level) =
            damping.raise(4.0, |_, level| Ok((level > 0.0).then_some(()))).expect("one is enough");
        assert_eq!(level, 40.0 * f64::EPSILON);
    }

    #[test]
    fn gives_up_after_four() {
        let mut damping = Damping::<f64>::new(1.0, false, Diagonal::Scalar(0.0), 2).expect("good settings");
        let mut tried = Vec::new();
        let error = damping.raise(1.0, |_, level| {
            tried.push(level);
            Ok(None::<()>)
        });
        assert_eq!(tried, [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(error.err(), Some(FisherError::NotPositiveDefinite { damping: 1000.0 }));
        assert_eq!(damping.fallbacks, 4);
    }
}
