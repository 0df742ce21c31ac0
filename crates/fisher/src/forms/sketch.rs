//! A few directions by frequent directions (Ghashami et al. 2016).

use nhgd_curvature::{Diagonal, Observation, Rows, Statistic, Wants};
use nhgd_kernels::memory::{Result as Fallible, collected, copied, filled, grow, reserved, zeros};
use nhgd_kernels::vector::{dot, scale};
use nhgd_kernels::{MatMut, MatRef, Scalar, symmetric_eigen, syrk};
use nhgd_settings::fields;

use crate::basis::product;
use crate::check::{self, Saved};
use crate::damping::Damping;
use crate::rows::RowKind;
use crate::smoothing::Smoothing;
use crate::wide::{self, widen};
use crate::woodbury::Woodbury;
use crate::{Fisher, FisherError, SolveReport, State};

/// Settings of `form: "sketch"`: a few directions by frequent directions.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub struct SketchSettings {
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
    /// Directions k that are kept, at least 1; up to 2k rows are held; default 256.
    pub rank: usize,
}

fields!(default SketchSettings { statistic, rows, smoothing, damping, relative, rank });

impl Default for SketchSettings {
    fn default() -> Self {
        Self {
            statistic: Statistic::Empirical,
            rows: RowKind::Signed,
            smoothing: Smoothing::default(),
            damping: 1e-2,
            relative: false,
            rank: 256,
        }
    }
}

/// F ≈ c BᵀB with at most 2k rows in B. When there is no room for another row, B is rotated to its principal directions,
/// and the squares of their lengths are lowered by the (k+1)-th, so that k are left. So c BᵀB never exceeds F, and falls
/// short of it by no more than the tail of F's spectrum. D̃ is exact, per parameter too.
pub(crate) struct Sketch<T> {
    d: usize,
    rank: usize,
    wants: Wants,
    smoothing: Smoothing,
    damping: Damping<T>,
    /// B, row-major.
    rows: Vec<T>,
    /// c, so that forgetting doesn't pass over B.
    factor: f64,
    seen: f64,
    /// The inner system with its λ, until something changes.
    inner: Option<(Woodbury, f64)>,
}

/// Lower triangle of the Gram matrix of rows.
fn gram<T: Scalar>(rows: &[T], d: usize) -> Fallible<Vec<T>> {
    let k = rows.len() / d;
    let mut gram = zeros(k * k)?;
    syrk(MatMut::new(&mut gram, k, k), T::zero(), T::one(), MatRef::new(rows, k, d))?;
    Ok(gram)
}

impl<T: Scalar> Sketch<T> {
    pub fn new(settings: &SketchSettings, d: usize, regularizer: Diagonal<T>) -> Result<Self, FisherError> {
        check::at_least_one("rank", settings.rank)?;
        Ok(Self {
            d,
            rank: settings.rank,
            wants: settings.rows.wants(settings.statistic),
            smoothing: settings.smoothing.checked()?,
            damping: Damping::new(settings.damping, settings.relative, regularizer, d)?,
            rows: Vec::new(),
            factor: 1.0,
            seen: 0.0,
            inner: None,
        })
    }

    fn held(&self) -> usize {
        self.rows.len() / self.d
    }

    /// B ← √c B, c ← 1.
    fn fold(&mut self) {
        scale(T::of(self.factor.sqrt()), &mut self.rows);
        self.factor = 1.0;
    }

    /// Leaves at most k rows.
    fn shrink(&mut self) -> Result<(), FisherError> {
        self.fold();
        let held = self.held();
        let eigen = symmetric_eigen(held, gram(&self.rows, self.d)?)?;
        let eigen = eigen.map_err(|_| FisherError::NotFinite { name: "observation" })?;
        let cut = eigen.values[held - self.rank - 1].max(T::zero());
        let floor = eigen.values[held - 1] * T::epsilon() * T::of(held as f64);
        let kept = (held - self.rank..held).filter(|&j| eigen.values[j] > cut.max(floor));
        let count = kept.clone().count();
        let mut rotation = reserved(count * held)?;
        for j in kept {
            let shorter = ((eigen.values[j] - cut) / eigen.values[j]).sqrt();
            rotation.extend((0..held).map(|i| shorter * eigen.vectors[i * held + j]));
        }
        self.rows = product(MatRef::new(&rotation, count, held), MatRef::new(&self.rows, held, self.d))?;
        Ok(())
    }

    /// c BᵀB ← β c BᵀB + γ Σ row rowᵀ.
    fn append(&mut self, rows: &Rows<T>, beta: f64, gamma: f64) -> Result<(), FisherError> {
        if beta == 0.0 {
            self.rows.clear();
            self.factor = 1.0;
        } else {
            self.factor *= beta;
        }
        // Rows divided by a vanishing √c would overflow.
        if self.factor < 1e-12 {
            self.fold();
        }
        for row in rows.data.chunks_exact(self.d) {
            if self.held() >= 2 * self.rank {
                self.shrink()?;
            }
            let root = T::of((gamma / self.factor).sqrt());
            grow(&mut self.rows, self.d)?;
            self.rows.extend(row.iter().map(|&g| root * g));
        }
        Ok(())
    }

    fn absorb(&mut self, observation: &Observation<T>, anew: bool) -> Result<(), FisherError> {
        let rows = check::rows(observation, self.d)?;
        let (beta, gamma) = if anew { (0.0, 1.0) } else { self.smoothing.weights(self.seen, rows.count) };
        // With the room that is made here, only a rotation can fail.
        let rotates = self.held() + rows.count > 2 * self.rank;
        let before = if rotates { Some((copied(&self.rows)?, self.factor)) } else { None };
        if !rotates {
            grow(&mut self.rows, rows.data.len())?;
        }
        if let Err(error) = self.append(rows, beta, gamma) {
            if let Some(before) = before {
                (self.rows, self.factor) = before;
            }
            return Err(error);
        }
        self.seen = rows.count as f64 + if anew { 0.0 } else { self.seen };
        self.inner = None;
        Ok(())
    }

    /// Factors the inner system unless that is done.
    fn factor(&mut self) -> Result<(), FisherError> {
        if self.inner.is_some() {
            return Ok(());
        }
        let mean = self.factor * dot(&self.rows, &self.rows).wide() / self.d as f64;
        let roots = filled(self.factor.sqrt(), self.held())?;
        let inner = self.damping.raise(mean, |damping, level| {
            let (gram, scale) = match damping.diagonal(level)? {
                Diagonal::Scalar(c) => (wide::gram(&self.rows, self.d, None)?, c.wide()),
                Diagonal::Vector(tilde) => {
                    let metric: Vec<f64> = collected(tilde.iter().map(|d| 1.0 / d.wide()))?;
                    (wide::gram(&self.rows, self.d, Some(&metric))?, 1.0)
                }
            };
            let gram = MatRef::new(&gram, roots.len(), roots.len());
            Ok(Woodbury::factor(gram, copied(&roots)?, scale)?.map(|inner| (inner, level)))
        });
        self.inner = Some(inner?.0);
        Ok(())
    }
}

impl<T: Scalar> Fisher<T> for Sketch<T> {
    fn parameters(&self) -> usize {
        self.d
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        if self.damping.set_regularizer(regularizer)? {
            self.inner = None;
        }
        Ok(())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, false)
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, true)
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.d)?;
        self.factor()?;
        let Some((inner, level)) = &self.inner else { unreachable!("factored above") };
        let residual = inner.solve(&self.rows, &self.damping.diagonal(*level)?, b, x)?;
        check::solution(x)?;
        let fallbacks = self.damping.fallbacks;
        Ok(SolveReport { residual, damping: *level, fallbacks, ..SolveReport::default() })
    }

    fn reset(&mut self) {
        self.rows.clear();
        (self.factor, self.seen, self.inner) = (1.0, 0.0, None);
    }

    fn state(&self) -> Fallible<State> {
        let mut state = self.damping.state(self.inner.is_some())?;
        state.extend([
            ("rows", widen(&self.rows)?),
            ("factor", vec![self.factor]),
            ("seen", vec![self.seen]),
        ]);
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = Saved(state);
        let rows = state.scalars("rows", &|n| n % self.d == 0 && n <= 2 * self.rank * self.d)?;
        let (factor, seen) = (state.number("factor")?, state.number("seen")?);
        self.damping = self.damping.restored(&state)?;
        (self.rows, self.factor, self.seen, self.inner) = (rows, factor, seen, None);
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.rows[..]) + self.inner.as_ref().map_or(0, |(inner, _)| inner.bytes())
    }
}
