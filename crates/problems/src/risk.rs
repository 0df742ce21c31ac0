//! Problems over data: a model that fits weighed samples inside, and trusted ones outside.

use std::ops::Range;

use nhgd_curvature::{Factors, LayerShape, Observation, Rows, Statistic, Wants};
use nhgd_kernels::memory::{Result, collected, copied, filled, reserved, zeros};
use nhgd_kernels::{RowSet, Scalar};
use nhgd_models::{Along, Batch, Labels, Model, Samples, Targets, Term, signs};

use crate::blocks::{Groups, LearnedInputs, LearnedTargets, Penalty, Power, Weights};
use crate::{Point, Prior, Problem};

/// g = (1/n) Σ w_i(v) ℓ_i(θ) + R(v, θ), f = (1/m) Σ ℓ'_j(θ) + ρ(v) + the blocks' own terms, where v is the concatenation
/// of blocks (Franceschi et al. 2017; Kong et al. 2026).
///
/// A block may also stand for the features of the samples that the model fits, or for their targets.
///
/// The weights of several blocks multiply, w_i = Π_b w_i^b, and are pulled back by the product rule. The curvature of
/// Σ w_i ℓ_i is Σ w_i ∇²ℓ_i, so per-sample gradients enter a Fisher as √w_i ∇ℓ_i; that of R stays outside of it.
pub struct Risk<T: Scalar> {
    model: Box<dyn Model<T>>,
    train: Samples,
    validation: Samples,
    slices: Vec<Slice<T>>,
    penalty: Penalty<T>,
    prior: Option<Prior<T>>,
    outer_len: usize,
    signals_len: usize,
}

/// A block of hyperparameters.
pub enum Block<T> {
    /// One factor of the samples' weights.
    Weights(Box<dyn Weights<T>>),
    /// One term of R, with a strength per group.
    Penalty(Groups, Power),
    /// The samples' features; at most one block.
    Inputs(LearnedInputs),
    /// The samples' targets; at most one block.
    Targets(LearnedTargets),
}

impl<T: Scalar> Block<T> {
    /// Entries of its slice of v.
    pub fn outer_len(&self) -> usize {
        match self {
            Self::Weights(weights) => weights.outer_len(),
            Self::Penalty(groups, power) => groups.len() + power.len(),
            Self::Inputs(inputs) => inputs.outer_len(),
            Self::Targets(targets) => targets.outer_len(),
        }
    }
}

/// A block with its places in v and in the signals.
struct Slice<T> {
    outer: Range<usize>,
    signals: Range<usize>,
    block: Block<T>,
}

impl<T: Scalar> Slice<T> {
    fn weights(&self) -> Option<&dyn Weights<T>> {
        if let Block::Weights(weights) = &self.block { Some(&**weights) } else { None }
    }

    fn write(&self, point: Point<'_, T>, rows: RowSet<'_>, out: &mut [T]) -> Result<()> {
        let Some(weights) = self.weights() else { return Ok(()) };
        let (outer, signals) = (&point.outer[self.outer.clone()], &point.signals[self.signals.clone()]);
        weights.weights(outer, signals, rows, out)
    }
}

impl<T: Scalar> Risk<T> {
    /// `regularization` is the factor reg of ‖θ‖²; v is made of the blocks in the given order.
    pub fn new(
        model: Box<dyn Model<T>>,
        train: Samples,
        validation: Samples,
        blocks: Vec<Block<T>>,
        regularization: T,
        prior: Option<Prior<T>>,
    ) -> Result<Self> {
        let (mut slices, mut penalties) = (Vec::new(), Vec::new());
        let (mut outer_len, mut signals_len) = (0, 0);
        for block in blocks {
            if let Block::Penalty(groups, power) = &block {
                penalties.push((outer_len, groups.copied()?, *power));
            }
            let (p, s) = match &block {
                Block::Weights(weights) => (weights.outer_len(), weights.signals_len()),
                block => (block.outer_len(), 0),
            };
            slices.push(Slice {
                outer: outer_len..outer_len + p,
                signals: signals_len..signals_len + s,
                block,
            });
            outer_len += p;
            signals_len += s;
        }
        let penalty = Penalty::new(regularization, penalties);
        Ok(Self { model, train, validation, slices, penalty, prior, outer_len, signals_len })
    }

    fn weighing(&self) -> impl Iterator<Item = &Slice<T>> {
        self.slices.iter().filter(|slice| slice.weights().is_some())
    }

    /// The blocks of learned inputs and of learned targets, each with its place in v.
    #[allow(clippy::type_complexity, reason = "two pairs")]
    fn learned(&self) -> (Option<(LearnedInputs, Range<usize>)>, Option<(LearnedTargets, Range<usize>)>) {
        let (mut inputs, mut targets) = (None, None);
        for slice in &self.slices {
            match slice.block {
                Block::Inputs(block) => inputs = Some((block, slice.outer.clone())),
                Block::Targets(block) => targets = Some((block, slice.outer.clone())),
                _ => {}
            }
        }
        (inputs, targets)
    }

    /// Calls `body` with the inner samples in `rows`, whose features and targets may be entries of v.
    fn with<R>(&self, outer: &[T], rows: RowSet<'_>, body: impl FnOnce(Batch<'_>) -> Result<R>) -> Result<R> {
        let (inputs, targets) = self.learned();
        if inputs.is_none() && targets.is_none() {
            return self.train.with(rows, body);
        }
        let features = inputs.map(|(inputs, at)| inputs.features(&outer[at], rows)).transpose()?;
        let targets = targets.map(|(targets, at)| {
            let values = targets.targets(&outer[at], rows)?;
            let columns = values.len() / rows.len();
            Ok(Targets::Values(values, columns))
        });
        let replaced = self.train.replaced(rows, features, targets.transpose()?)?;
        replaced.with(RowSet::all(rows.len()), |batch| body(Batch { positions: rows, ..batch }))
    }

    /// Π_b w_i^b over all blocks but `left_out`.
    fn batch_weights(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        left_out: Option<usize>,
    ) -> Result<Vec<T>> {
        let mut all = filled(T::one(), rows.len())?;
        let mut own = zeros(rows.len())?;
        for (_, slice) in self.weighing().enumerate().filter(|(b, _)| Some(*b) != left_out) {
            slice.write(point, rows, &mut own)?;
            all.iter_mut().zip(&own).for_each(|(all, &own)| *all *= own);
        }
        Ok(all)
    }

    fn factors(
        &self,
        inner: &[T],
        batch: Batch<'_>,
        weights: Vec<T>,
        statistic: Statistic,
        seed: u64,
    ) -> Result<Factors<T>> {
        Ok(Factors { weights, ..self.model.factors(inner, batch, statistic, seed)? })
    }
}

/// The labels that a statistic takes gradients at, in a signed sum.
fn labels(statistic: Statistic, seed: u64) -> Labels {
    match statistic {
        Statistic::Empirical => Labels::Given,
        Statistic::Sampled => Labels::Sampled { seed },
        Statistic::Expected => Labels::Expected { seed },
    }
}

impl<T: Scalar> Problem<T> for Risk<T> {
    fn inner_len(&self) -> usize {
        self.model.parameters()
    }

    fn threads(&self) -> usize {
        self.model.threads()
    }

    fn outer_len(&self) -> usize {
        self.outer_len
    }

    fn signals_len(&self) -> usize {
        self.signals_len
    }

    fn samples(&self) -> usize {
        self.train.len()
    }

    fn outer_samples(&self) -> usize {
        self.validation.len()
    }

    fn layers(&self) -> Vec<LayerShape> {
        self.model.layers()
    }

    fn initial(&self, seed: u64) -> Result<Vec<T>> {
        self.model.initial(seed)
    }

    fn penalty(&self) -> &Penalty<T> {
        &self.penalty
    }

    fn prior(&self) -> Option<&Prior<T>> {
        self.prior.as_ref()
    }

    fn direct(&self, outer: &[T], gradient: &mut [T]) -> Result<f64> {
        let own = |slice: &Slice<T>| {
            let range = slice.outer.clone();
            slice.weights().map_or(Ok(0.0), |w| w.direct(&outer[range.clone()], &mut gradient[range]))
        };
        self.slices.iter().map(own).sum()
    }

    fn inner_sums(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Option<(Wants, u64)>,
        gradient: &mut [T],
    ) -> Result<(f64, Option<Observation<T>>)> {
        let weights = self.batch_weights(point, rows, None)?;
        let mut losses = zeros(rows.len())?;
        gradient.fill(T::zero());
        let observation = self.with(point.outer, rows, |batch| {
            let mut terms = vec![Term { weights: &weights, labels: Labels::Given, gradient: &mut *gradient }];
            if let Some((Wants::Signed(statistic), seed)) = wants {
                let signed = signed_weights(&weights, rows, seed)?;
                let mut row = zeros(point.inner.len())?;
                terms.push(Term { weights: &signed, labels: labels(statistic, seed), gradient: &mut row });
                self.model.gradients(point.inner, batch, &mut terms, &mut losses)?;
                return Ok(Some(Observation::Rows(Rows { data: row, count: 1 })));
            }
            self.model.gradients(point.inner, batch, &mut terms, &mut losses)?;
            let observed = wants.map(|(wants, seed)| match wants {
                Wants::Mean => {
                    let size = T::of(rows.len() as f64);
                    let data = collected(gradient.iter().map(|&g| g / size))?;
                    Ok(Observation::Rows(Rows { data, count: 1 }))
                }
                _ => self.observation(point, rows, wants, seed),
            });
            observed.transpose()
        })?;
        Ok((weighted(&losses, &weights), observation))
    }

    fn observation_len(&self, samples: usize, wants: Wants) -> usize {
        match wants {
            Wants::Mean | Wants::Signed(_) => self.inner_len(),
            Wants::Rows(statistic) => {
                let (directions, _) = self.model.factor_sizes(statistic);
                samples.saturating_mul(directions).saturating_mul(self.inner_len())
            }
            Wants::Factors(statistic) => samples.saturating_mul(self.model.factor_sizes(statistic).1),
        }
    }

    fn observation(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Wants,
        seed: u64,
    ) -> Result<Observation<T>> {
        let weights = self.batch_weights(point, rows, None)?;
        self.with(point.outer, rows, |batch| {
            let (signed, labels) = match wants {
                Wants::Rows(statistic) => {
                    let factors = self.factors(point.inner, batch, weights, statistic, seed)?;
                    return Ok(Observation::Rows(factors.rows(&self.model.layers())?));
                }
                Wants::Factors(statistic) => {
                    let factors = self.factors(point.inner, batch, weights, statistic, seed)?;
                    return Ok(Observation::Factors(factors));
                }
                Wants::Mean => {
                    let size = T::of(rows.len() as f64);
                    (collected(weights.iter().map(|&w| w / size))?, Labels::Given)
                }
                Wants::Signed(statistic) => (signed_weights(&weights, rows, seed)?, labels(statistic, seed)),
            };
            let (mut row, mut losses) = (zeros(point.inner.len())?, zeros(rows.len())?);
            let term = Term { weights: &signed, labels, gradient: &mut row };
            self.model.gradients(point.inner, batch, &mut [term], &mut losses)?;
            Ok(Observation::Rows(Rows { data: row, count: 1 }))
        })
    }

    fn inner_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64> {
        let weights = self.batch_weights(point, rows, None)?;
        let mut losses = zeros(weights.len())?;
        self.with(point.outer, rows, |batch| self.model.losses(point.inner, batch, &mut losses))?;
        Ok(weighted(&losses, &weights))
    }

    fn outer_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64> {
        let mut losses = zeros(rows.len())?;
        self.validation.with(rows, |batch| self.model.losses(point.inner, batch, &mut losses))?;
        Ok(sum(&losses))
    }

    fn outer_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, target: &mut [T]) -> Result<f64> {
        let weights = filled(T::one(), rows.len())?;
        let mut losses = zeros(rows.len())?;
        target.fill(T::zero());
        let term = Term { weights: &weights, labels: Labels::Given, gradient: target };
        self.validation
            .with(rows, |batch| self.model.gradients(point.inner, batch, &mut [term], &mut losses))?;
        Ok(sum(&losses))
    }

    fn cross_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) -> Result<()> {
        // Penalties alone: no sample moves, and no weight.
        let moves = |slice: &Slice<T>| !slice.outer.is_empty() && !matches!(slice.block, Block::Penalty(..));
        if !self.slices.iter().any(moves) {
            return Ok(());
        }
        let (inputs, targets) = self.learned();
        let outputs = self.layers().last().map_or(0, |layer| layer.outputs);
        let room = |wanted: bool, columns: usize| zeros(if wanted { rows.len() * columns } else { 0 });
        let mut q: Vec<T> = room(true, 1)?;
        let mut scores: Vec<T> = room(targets.is_some(), outputs)?;
        let mut changes: Vec<T> = room(inputs.is_some(), self.model.features())?;
        let learned = inputs.is_some() || targets.is_some();
        let weights = if learned { self.batch_weights(point, rows, None)? } else { Vec::new() };
        self.with(point.outer, rows, |batch| {
            let out = Along { losses: &mut q, scores: &mut scores, inputs: &mut changes };
            self.model.along(point.inner, batch, &weights, u, out)
        })?;
        if let Some((inputs, at)) = inputs {
            inputs.pull_back(rows, &changes, &mut product[at]);
        }
        if let Some((targets, at)) = targets {
            targets.pull_back(&point.outer[at.clone()], rows, &weights, &scores, &mut product[at])?;
        }
        for (b, slice) in self.weighing().enumerate() {
            let (Some(weights), outer) = (slice.weights(), slice.outer.clone()) else { continue };
            // The product rule: the other blocks' weights are factors.
            let mut own = self.batch_weights(point, rows, Some(b))?;
            own.iter_mut().zip(&q).for_each(|(w, &q)| *w *= q);
            let signals = &point.signals[slice.signals.clone()];
            let (v, product) = (&point.outer[outer.clone()], &mut product[outer]);
            weights.pull_back(v, signals, rows, &own, T::one(), product)?;
        }
        Ok(())
    }

    fn curvature_sums(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        u: &[T],
        product: &mut [T],
    ) -> Result<()> {
        let weights = self.batch_weights(point, rows, None)?;
        product.fill(T::zero());
        self.with(point.outer, rows, |batch| {
            self.model.curvature_product(point.inner, batch, &weights, u, product)
        })
    }

    fn hessian_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) -> Result<()> {
        let weights = self.batch_weights(point, rows, None)?;
        product.fill(T::zero());
        self.with(point.outer, rows, |batch| {
            self.model.hessian_product(point.inner, batch, &weights, u, product)
        })
    }

    fn gradients(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<Option<Factors<T>>> {
        let of = |batch: Batch<'_>| self.model.factors(point.inner, batch, Statistic::Empirical, 0);
        self.with(point.outer, rows, of).map(Some)
    }

    fn curvature(&self) -> &'static str {
        self.model.curvature()
    }

    fn refresh(&self, inner: &[T], outer: &[T], signals: &mut [T]) -> Result<()> {
        if signals.is_empty() {
            return Ok(());
        }
        let all = RowSet::all(self.train.len());
        let mut p = zeros(self.train.len() * self.model.classes())?;
        self.with(outer, all, |batch| self.model.probabilities(inner, batch.features, batch.rows, &mut p))?;
        for slice in self.weighing() {
            if let Some(weights) = slice.weights() {
                weights.refresh(&outer[slice.outer.clone()], &p, &mut signals[slice.signals.clone()])?;
            }
        }
        Ok(())
    }

    fn weights(&self, point: Point<'_, T>) -> Result<Option<Vec<T>>> {
        self.batch_weights(point, RowSet::all(self.train.len()), None).map(Some)
    }

    fn blocks(&self) -> Vec<usize> {
        self.slices.iter().map(|slice| slice.outer.len()).collect()
    }

    fn natural(&self, block: usize, point: Point<'_, T>) -> Result<Option<Vec<T>>> {
        let Some(slice) = self.slices.get(block) else { return Ok(None) };
        let (all, outer) = (RowSet::all(self.train.len()), &point.outer[slice.outer.clone()]);
        Ok(Some(match slice.block {
            Block::Penalty(..) => self.penalty.natural(slice.outer.start, point.outer)?,
            Block::Inputs(_) => copied(outer)?,
            Block::Targets(targets) => collected(targets.targets(outer, all)?.into_iter().map(T::of))?,
            Block::Weights(_) => {
                let mut weights = filled(T::one(), self.train.len())?;
                slice.write(point, all, &mut weights)?;
                weights
            }
        }))
    }

    fn bytes(&self) -> usize {
        self.train.features().bytes() + self.validation.features().bytes()
    }
}

/// Σ ℓ_i.
fn sum<T: Scalar>(losses: &[T]) -> f64 {
    losses.iter().map(|l| l.wide()).sum()
}

/// Σ w_i ℓ_i.
fn weighted<T: Scalar>(losses: &[T], weights: &[T]) -> f64 {
    losses.iter().zip(weights).map(|(l, w)| l.wide() * w.wide()).sum()
}

/// ε_i √w_i / √B, with the sign of a sample the same in each batch that holds it.
fn signed_weights<T: Scalar>(weights: &[T], rows: RowSet<'_>, seed: u64) -> Result<Vec<T>> {
    let size = T::of(weights.len() as f64);
    // Signs come from a seed of their own: with the seed of the labels both would be the same draws.
    let mut signed = reserved(weights.len())?;
    for (i, &w) in weights.iter().enumerate() {
        signed.extend(signs(!seed, rows.get(i)..rows.get(i) + 1).map(|sign| T::of(sign) * (w / size).sqrt()));
    }
    Ok(signed)
}
