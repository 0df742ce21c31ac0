//! The last rows themselves: the data terms of smoothed Sherman–Morrison without A.

use nhgd_curvature::{Diagonal, Observation, Rows, Statistic, Wants};
use nhgd_kernels::memory::{Result as Fallible, append, collected, copied, grow, reserved, zeros};
use nhgd_kernels::vector::{dot, scale};
use nhgd_kernels::{MatRef, Scalar};
use nhgd_settings::fields;

use super::decaying::decaying;
use crate::check::{self, Saved};
use crate::damping::{Damping, Start};
use crate::rows::RowKind;
use crate::smoothing::Smoothing;
use crate::wide::{gram, products, scaled, widen};
use crate::woodbury::Woodbury;
use crate::{Fisher, FisherError, SolveReport, State};

/// Settings of `form: "window"`: the last rows.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub struct WindowSettings {
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
    /// Rows held, at least 1; default 256.
    pub length: usize,
}

fields!(default WindowSettings { statistic, rows, smoothing, damping, relative, start, length });

impl Default for WindowSettings {
    fn default() -> Self {
        Self {
            statistic: Statistic::Empirical,
            rows: RowKind::Signed,
            smoothing: Smoothing::default(),
            damping: 1e-2,
            relative: false,
            start: Start::Held,
            length: 256,
        }
    }
}

/// F = Σ_j c_j g_j g_jᵀ over the last m rows, with c_j = (1−β) β^age, or c_j = 1/m for the average, which is that over the
/// window. Where an observation has more rows than the window holds, the last rows are scaled to stand for all of them. D̃
/// is exact, per parameter too; the Gram matrix is rebuilt when it changes.
pub(crate) struct Window<T> {
    d: usize,
    length: usize,
    wants: Wants,
    smoothing: Smoothing,
    start: Start,
    damping: Damping<T>,
    /// G, up to `length` × d: a ring whose oldest row is `next` once it is full.
    rows: Vec<T>,
    next: usize,
    /// c.
    weights: Vec<f64>,
    /// G M Gᵀ, length × length, both triangles.
    gram: Vec<f64>,
    /// M: 1 where D̃ is cI, else the entries of D̃⁻¹.
    metric: Vec<f64>,
    /// What is left of λI if the start decays, else 1.
    remains: f64,
    /// The inner system and its λ, until something changes.
    inner: Option<(Woodbury, f64)>,
}

impl<T: Scalar> Window<T> {
    pub fn new(settings: &WindowSettings, d: usize, regularizer: Diagonal<T>) -> Result<Self, FisherError> {
        let WindowSettings { damping, relative, start, length, .. } = *settings;
        check::at_least_one("length", length)?;
        Ok(Self {
            d,
            length,
            wants: settings.rows.wants(settings.statistic),
            smoothing: settings.smoothing.checked()?,
            start,
            damping: match start {
                Start::Held => Damping::new(damping, relative, regularizer, d)?,
                Start::Decaying => decaying(damping, relative, regularizer, d)?,
            },
            rows: Vec::new(),
            next: 0,
            weights: Vec::new(),
            gram: Vec::new(),
            metric: vec![1.0],
            remains: 1.0,
            inner: None,
        })
    }

    /// Rows held.
    fn held(&self) -> usize {
        self.weights.len()
    }

    /// Columns `slots` of G M Gᵀ, and the rows that mirror them.
    fn fill_gram(&mut self, slots: &[usize]) -> Fallible<()> {
        let (held, k, m, d) = (self.held(), slots.len(), self.length, self.d);
        let metric = (self.metric.len() > 1).then_some(&self.metric[..]);
        if k == held {
            let gram = gram(&self.rows, d, metric)?;
            for i in 0..held {
                for j in 0..=i {
                    self.gram[i * m + j] = gram[i * held + j];
                    self.gram[j * m + i] = gram[i * held + j];
                }
            }
            return Ok(());
        }
        let mut rows = reserved(k * d)?;
        slots.iter().for_each(|slot| rows.extend_from_slice(&self.rows[slot * d..][..d]));
        let scaled = scaled(&rows, metric)?;
        let products = products(&self.rows, d, MatRef::new(&scaled, k, d).t())?;
        for i in 0..held {
            for (j, &slot) in slots.iter().enumerate() {
                self.gram[i * m + slot] = products[i * k + j];
                self.gram[slot * m + i] = products[i * k + j];
            }
        }
        Ok(())
    }

    /// Takes the metric of λ, and the Gram matrix with it.
    fn set_metric(&mut self, level: f64) -> Fallible<()> {
        let metric = match self.damping.diagonal(level)? {
            Diagonal::Scalar(_) => vec![1.0],
            Diagonal::Vector(tilde) => collected(tilde.into_iter().map(|d| 1.0 / d.wide()))?,
        };
        if metric != self.metric {
            let before = std::mem::replace(&mut self.metric, metric);
            let filled = collected(0..self.held()).and_then(|all| self.fill_gram(&all));
            if filled.is_err() {
                self.metric = before;
            }
            return filled;
        }
        Ok(())
    }

    fn trace(&self) -> f64 {
        let squares = self.rows.chunks_exact(self.d).map(|row| dot(row, row).wide());
        squares.zip(&self.weights).map(|(square, c)| square * c).sum()
    }

    fn absorb(&mut self, observation: &Observation<T>, anew: bool) -> Result<(), FisherError> {
        let rows = check::rows(observation, self.d)?;
        if self.gram.is_empty() {
            self.gram = zeros(self.length * self.length)?;
        }
        let kept = rows.count.min(self.length);
        let (held, weights) = (self.held(), copied(&self.weights)?);
        let replaced = if anew { std::mem::take(&mut self.rows) } else { self.replaced(kept)? };
        let before = (self.next, self.remains);
        if anew {
            self.weights.clear();
            (self.next, self.remains) = (0, 1.0);
        }
        match self.take(rows, kept, anew) {
            Ok(()) => self.inner = None,
            Err(error) => {
                (self.next, self.remains) = before;
                self.weights = weights;
                if anew {
                    self.rows = replaced;
                } else {
                    self.rows.truncate(held * self.d);
                    for (slot, row) in
                        self.slots(kept).filter(|&slot| slot < held).zip(replaced.chunks_exact(self.d))
                    {
                        self.rows[slot * self.d..][..self.d].copy_from_slice(row);
                    }
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// The places of so many rows to come.
    fn slots(&self, count: usize) -> impl ExactSizeIterator<Item = usize> + use<T> {
        let (next, length) = (self.next, self.length);
        (0..count).map(move |j| (next + j) % length)
    }

    /// The rows that so many to come take the places of.
    fn replaced(&self, count: usize) -> Fallible<Vec<T>> {
        let mut rows = Vec::new();
        for slot in self.slots(count).filter(|&slot| slot < self.held()) {
            append(&mut rows, &self.rows[slot * self.d..][..self.d])?;
        }
        Ok(rows)
    }

    /// Takes the last `kept` rows, which are scaled to stand for all of them: only `length` have a place. Where there is
    /// no room, the Gram matrix stays as it is.
    fn take(&mut self, rows: &Rows<T>, kept: usize, anew: bool) -> Fallible<()> {
        let share = T::of((rows.count as f64 / kept as f64).sqrt());
        let dropped = (self.held() + kept).saturating_sub(self.length);
        let pseudo = if self.start == Start::Decaying { 1.0 } else { 0.0 };
        let seen = self.held() as f64 + pseudo;
        let left = seen - dropped as f64;
        let (beta, gamma) = match self.smoothing {
            Smoothing::Forget(_) if anew && self.start == Start::Held => (0.0, 1.0),
            // The weights of the rows that stay grow as others leave the average.
            Smoothing::Average if left > 0.0 => {
                let (beta, gamma) = self.smoothing.weights(left, kept);
                (beta * seen / left, gamma)
            }
            _ => self.smoothing.weights(left, kept),
        };
        self.weights.iter_mut().for_each(|c| *c *= beta);
        self.remains *= if self.start == Start::Decaying { beta } else { 1.0 };

        let slots = collected(self.slots(kept))?;
        let more = kept - dropped;
        grow(&mut self.rows, more * self.d)?;
        grow(&mut self.weights, more)?;
        let first = (rows.count - kept) * self.d;
        for (&slot, row) in slots.iter().zip(rows.data[first..].chunks_exact(self.d)) {
            if slot == self.held() {
                self.rows.extend_from_slice(row);
                self.weights.push(gamma);
            } else {
                self.rows[slot * self.d..][..self.d].copy_from_slice(row);
                self.weights[slot] = gamma;
            }
            if share != T::one() {
                scale(share, &mut self.rows[slot * self.d..][..self.d]);
            }
        }
        self.next = (self.next + kept) % self.length;
        self.fill_gram(&slots)
    }

    /// Factors the inner system unless that is done.
    fn factor(&mut self) -> Result<(), FisherError> {
        if self.inner.is_some() {
            return Ok(());
        }
        let mean = self.trace() / self.d as f64;
        let roots: Vec<f64> = collected(self.weights.iter().map(|c| c.sqrt()))?;
        let mut damping = self.damping.copied()?;
        let before =
            if damping.is_vector() { Some((copied(&self.metric)?, copied(&self.gram)?)) } else { None };
        let inner = damping.raise(mean, |damping, level| {
            let level = level * self.remains;
            self.set_metric(level)?;
            let scale = match damping.diagonal(level)? {
                Diagonal::Scalar(c) => c.wide(),
                Diagonal::Vector(_) => 1.0,
            };
            let gram = MatRef::strided(&self.gram, roots.len(), roots.len(), self.length, 1);
            Ok(Woodbury::factor(gram, copied(&roots)?, scale)?.map(|inner| (inner, level)))
        });
        self.damping = damping;
        if let (Err(_), Some(before)) = (&inner, before) {
            (self.metric, self.gram) = before;
        }
        self.inner = Some(inner?.0);
        Ok(())
    }
}

impl<T: Scalar> Fisher<T> for Window<T> {
    fn parameters(&self) -> usize {
        self.d
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        let mut damping = self.damping.copied()?;
        if damping.set_regularizer(regularizer)? && self.start == Start::Held {
            self.damping = damping;
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
        self.weights.clear();
        self.next = 0;
        self.remains = 1.0;
        self.inner = None;
    }

    fn state(&self) -> Fallible<State> {
        let held = self.held();
        let gram = collected((0..held * held).map(|k| self.gram[k / held * self.length + k % held]))?;
        let mut state = self.damping.state(self.inner.is_some())?;
        state.extend([
            ("rows", widen(&self.rows)?),
            ("weights", copied(&self.weights)?),
            ("next", vec![self.next as f64]),
            ("gram", gram),
            ("metric", copied(&self.metric)?),
            ("remains", vec![self.remains]),
        ]);
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = Saved(state);
        let weights = copied(state.values("weights", &|n| n <= self.length)?)?;
        let held = weights.len();
        let rows = state.scalars("rows", &|n| n == held * self.d)?;
        let saved = state.values("gram", &|n| n == held * held)?;
        let metric = copied(state.values("metric", &|n| n == 1 || n == self.d)?)?;
        let (next, remains) = (state.place("next", held, self.length)?, state.number("remains")?);
        let mut gram: Vec<f64> = zeros(self.length * self.length)?;
        for (row, into) in saved.chunks_exact(held.max(1)).zip(gram.chunks_exact_mut(self.length)) {
            into[..held].copy_from_slice(row);
        }
        self.damping = self.damping.restored(&state)?;
        self.gram = gram;
        (self.rows, self.weights, self.next, self.remains) = (rows, weights, next, remains);
        (self.metric, self.inner) = (metric, None);
        Ok(())
    }

    fn bytes(&self) -> usize {
        let inner = self.inner.as_ref().map_or(0, |(inner, _)| inner.bytes());
        size_of_val(&self.rows[..]) + size_of_val(&self.gram[..]) + inner
    }
}
