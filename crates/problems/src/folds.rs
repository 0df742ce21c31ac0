//! Cross-validation as one problem: folds share v, and each has a θ of its own.

use std::ops::Range;
use std::sync::Arc;

use nhgd_curvature::{LayerShape, Observation, Rows, Wants};
use nhgd_kernels::memory::{Result, append, grow, reserved, zeros};
use nhgd_kernels::threads::for_chunks;
use nhgd_kernels::{RowSet, Scalar, vector};

use crate::blocks::Penalty;
use crate::{Point, Prior, Problem};

/// θ is the θ_k of all folds, one after the other, g the sum of the folds' g_k and f the mean of their f_k. Samples are
/// those of all folds in the same order.
///
/// The Hessian is block-diagonal, and the hypergradient is the mean of the folds' own. Folds are independent, so `threads`
/// of them are computed at a time.
pub struct Folds<T: Scalar> {
    folds: Vec<Arc<dyn Problem<T>>>,
    penalty: Penalty<T>,
    threads: usize,
}

/// What is asked of one fold: at its own point, over its own rows, with its part of u; it adds to `own` or writes it.
type Ask<T> = fn(&dyn Problem<T>, Point<'_, T>, RowSet<'_>, &[T], &mut [T]) -> Result<f64>;

/// Samples of g or of f.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Inner,
    Outer,
}

/// Rows times parameters from which on threads are worth their start.
const LEAST_WORK: usize = 1 << 20;

impl<T: Scalar> Folds<T> {
    /// Folds of the same sizes of θ, v and signals, with the same blocks of hyperparameters.
    pub fn new(folds: Vec<Arc<dyn Problem<T>>>, threads: usize) -> Result<Self> {
        let penalty = folds[0].penalty().repeated(folds.len())?;
        Ok(Self { folds, penalty, threads })
    }

    fn d(&self) -> usize {
        self.folds[0].inner_len()
    }

    fn theta(&self, fold: usize) -> Range<usize> {
        fold * self.d()..(fold + 1) * self.d()
    }

    fn at<'a>(&self, point: Point<'a, T>, fold: usize) -> Point<'a, T> {
        let s = self.folds[0].signals_len();
        Point {
            inner: &point.inner[self.theta(fold)],
            signals: &point.signals[fold * s..(fold + 1) * s],
            ..point
        }
    }

    fn count(&self, side: Side, fold: usize) -> usize {
        let fold = &self.folds[fold];
        if side == Side::Inner { fold.samples() } else { fold.outer_samples() }
    }

    fn total(&self, side: Side) -> usize {
        (0..self.folds.len()).map(|k| self.count(side, k)).sum()
    }

    /// What makes a fold's sum over samples, once it is divided by the count of all, the fold's part of g or f.
    fn share(&self, side: Side, fold: usize) -> f64 {
        let own = self.total(side) as f64 / self.count(side, fold) as f64;
        if side == Side::Inner { own } else { own / self.folds.len() as f64 }
    }

    /// The positions of each fold, some of which may have none.
    fn parts(&self, side: Side, rows: RowSet<'_>) -> Result<Vec<Vec<u32>>> {
        let mut parts = vec![Vec::new(); self.folds.len()];
        for i in 0..rows.len() {
            let (mut fold, mut row) = (0, rows.get(i));
            while row >= self.count(side, fold) {
                row -= self.count(side, fold);
                fold += 1;
            }
            grow(&mut parts[fold], 1)?;
            parts[fold].push(row as u32);
        }
        Ok(parts)
    }

    /// Threads for so many rows.
    fn threads_for(&self, rows: usize) -> usize {
        if rows.saturating_mul(self.d()) < LEAST_WORK { 1 } else { self.threads }
    }

    /// Asks the folds that have rows, several at a time where that pays. out ← what they write times their shares, each
    /// at the place of its θ_k, or added up where it is of v's size. Returns the sum of what they return times the shares.
    #[inline(never)]
    fn ask(
        &self,
        side: Side,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        u: &[T],
        out: &mut [T],
        ask: Ask<T>,
    ) -> Result<f64> {
        let parts = self.parts(side, rows)?;
        let spread = out.len() == self.inner_len();
        let length = if spread { self.d() } else { out.len() };
        let all = for_chunks(parts.len(), 1, self.threads_for(rows.len()), |k, _| {
            let mut own = zeros(length)?;
            if parts[k].is_empty() {
                return Ok((own, 0.0));
            }
            let u = if u.is_empty() { u } else { &u[self.theta(k)] };
            let value = ask(&*self.folds[k], self.at(point, k), RowSet::Indices(&parts[k]), u, &mut own)?;
            Ok((own, value))
        })?;
        if spread {
            out.fill(T::zero());
        }
        let mut sum = 0.0;
        for (k, (own, value)) in all.iter().enumerate() {
            let share = self.share(side, k);
            let place = if spread { self.theta(k) } else { 0..length };
            vector::axpy(T::of(share), own, &mut out[place]);
            sum += share * value;
        }
        Ok(sum)
    }
}

impl<T: Scalar> Problem<T> for Folds<T> {
    fn inner_len(&self) -> usize {
        self.folds.len() * self.d()
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn outer_len(&self) -> usize {
        self.folds[0].outer_len()
    }

    fn samples(&self) -> usize {
        self.total(Side::Inner)
    }

    fn outer_samples(&self) -> usize {
        self.total(Side::Outer)
    }

    /// None: a layer's factors are of samples that all pass through it.
    fn layers(&self) -> Vec<LayerShape> {
        Vec::new()
    }

    fn initial(&self, seed: u64) -> Result<Vec<T>> {
        let mut all = reserved(self.inner_len())?;
        for fold in &self.folds {
            all.extend_from_slice(&fold.initial(seed)?);
        }
        Ok(all)
    }

    fn penalty(&self) -> &Penalty<T> {
        &self.penalty
    }

    fn prior(&self) -> Option<&Prior<T>> {
        self.folds[0].prior()
    }

    fn direct(&self, outer: &[T], gradient: &mut [T]) -> Result<f64> {
        let share = 1.0 / self.folds.len() as f64;
        let mut all: Vec<T> = zeros(gradient.len())?;
        let sum = self.folds.iter().map(|fold| fold.direct(outer, &mut all)).sum::<Result<f64>>()?;
        vector::axpy(T::of(share), &all, gradient);
        Ok(sum * share)
    }

    fn inner_sums(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Option<(Wants, u64)>,
        gradient: &mut [T],
    ) -> Result<(f64, Option<Observation<T>>)> {
        let sum = self.ask(Side::Inner, point, rows, &[], gradient, |fold, at, rows, _, own| {
            Ok(fold.inner_sums(at, rows, None, own)?.0)
        })?;
        let observed = wants.map(|(wants, seed)| self.observation(point, rows, wants, seed));
        Ok((sum, observed.transpose()?))
    }

    fn observation_len(&self, samples: usize, wants: Wants) -> usize {
        match wants {
            Wants::Rows(statistic) | Wants::Factors(statistic) => self.folds[0]
                .observation_len(samples, Wants::Rows(statistic))
                .saturating_mul(self.folds.len()),
            Wants::Mean | Wants::Signed(_) => self.inner_len(),
        }
    }

    /// Rows of the folds, with zeros for the θ of the others. A signed sum or a mean is one row.
    fn observation(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Wants,
        seed: u64,
    ) -> Result<Observation<T>> {
        let (wants, one) = match wants {
            Wants::Factors(statistic) | Wants::Rows(statistic) => (Wants::Rows(statistic), false),
            other => (other, true),
        };
        let all = self.inner_len();
        let mut data = zeros(if one { all } else { 0 })?;
        for (k, part) in
            self.parts(Side::Inner, rows)?.iter().enumerate().filter(|(_, part)| !part.is_empty())
        {
            let at = self.at(point, k);
            let Observation::Rows(own) =
                self.folds[k].observation(at, RowSet::Indices(part), wants, seed ^ k as u64)?
            else {
                continue;
            };
            let share = self.share(Side::Inner, k);
            // Means over the fold's part of the batch become sums over it, divided by the size of the batch.
            let batch = part.len() as f64 / rows.len() as f64;
            let factor = match wants {
                Wants::Mean => share * batch,
                Wants::Signed(_) => (share * batch).sqrt(),
                _ => share.sqrt(),
            };
            for own in own.data.chunks_exact(self.d()) {
                let row = if one { 0 } else { data.len() };
                let more = row + all - data.len();
                grow(&mut data, more)?;
                data.resize(row + all, T::zero());
                vector::axpy(T::of(factor), own, &mut data[row..][self.theta(k)]);
            }
        }
        let count = data.len() / all;
        Ok(Observation::Rows(Rows { data, count }))
    }

    fn inner_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64> {
        self.ask(Side::Inner, point, rows, &[], &mut [], |fold, at, rows, _, _| fold.inner_losses(at, rows))
    }

    fn outer_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64> {
        self.ask(Side::Outer, point, rows, &[], &mut [], |fold, at, rows, _, _| fold.outer_losses(at, rows))
    }

    fn outer_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, target: &mut [T]) -> Result<f64> {
        self.ask(Side::Outer, point, rows, &[], target, |fold, at, rows, _, own| {
            fold.outer_sums(at, rows, own)
        })
    }

    fn cross_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) -> Result<()> {
        self.ask(Side::Inner, point, rows, u, product, |fold, at, rows, u, own| {
            fold.cross_sums(at, rows, u, own).map(|()| 0.0)
        })
        .map(drop)
    }

    fn curvature_sums(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        u: &[T],
        product: &mut [T],
    ) -> Result<()> {
        self.ask(Side::Inner, point, rows, u, product, |fold, at, rows, u, own| {
            fold.curvature_sums(at, rows, u, own).map(|()| 0.0)
        })
        .map(drop)
    }

    fn hessian_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) -> Result<()> {
        self.ask(Side::Inner, point, rows, u, product, |fold, at, rows, u, own| {
            fold.hessian_sums(at, rows, u, own).map(|()| 0.0)
        })
        .map(drop)
    }

    fn curvature(&self) -> &'static str {
        self.folds[0].curvature()
    }

    fn signals_len(&self) -> usize {
        self.folds.len() * self.folds[0].signals_len()
    }

    fn refresh(&self, inner: &[T], outer: &[T], signals: &mut [T]) -> Result<()> {
        let s = self.folds[0].signals_len();
        for (k, fold) in self.folds.iter().enumerate() {
            fold.refresh(&inner[self.theta(k)], outer, &mut signals[k * s..(k + 1) * s])?;
        }
        Ok(())
    }

    fn blocks(&self) -> Vec<usize> {
        self.folds[0].blocks()
    }

    /// A weight per sample of each fold, one fold after the other, or what is the same in all folds.
    fn natural(&self, block: usize, point: Point<'_, T>) -> Result<Option<Vec<T>>> {
        let shared = self.penalty.owns(self.blocks().iter().take(block).sum());
        let mut all = Vec::new();
        for (k, fold) in self.folds.iter().enumerate().take(if shared { 1 } else { usize::MAX }) {
            let Some(own) = fold.natural(block, self.at(point, k))? else { return Ok(None) };
            append(&mut all, &own)?;
        }
        Ok(Some(all))
    }

    fn folds(&self) -> &[Arc<dyn Problem<T>>] {
        &self.folds
    }

    fn bytes(&self) -> usize {
        self.folds.iter().map(|fold| fold.bytes()).sum()
    }
}
