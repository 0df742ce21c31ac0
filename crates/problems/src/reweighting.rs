//! Weighing the samples of a training set so that the model fits a trusted one.

use nhgd_curvature::{Diagonal, Factors, LayerShape, Observation, Rows, Statistic, Wants};
use nhgd_kernels::{Features, RowSet, Scalar, vector};
use nhgd_models::{Batch, Labels, Model, Samples, Term, signs};

use crate::{Point, Problem, weighting::Weighting};

/// g = (1/n) Σ w_i(v) ℓ_i(θ) + reg‖θ‖², f = the mean loss on trusted samples (Franceschi et al. 2017;
/// Kong et al. 2026), and a quadratic prior on v if there is one.
///
/// The curvature of Σ w_i ℓ_i is Σ w_i ∇²ℓ_i, so per-sample gradients enter a Fisher as √w_i ∇ℓ_i; the regulariser's
/// part stays outside of it.
pub struct Reweighting<T: Scalar> {
    model: Box<dyn Model<T>>,
    train: Samples,
    trusted: Samples,
    weighting: Box<dyn Weighting<T>>,
    regularization: T,
    prior: Option<Prior<T>>,
}

/// What is thought of v beforehand: adds ½ Σ precision_j (v_j − mean_j)² to f.
#[derive(Clone, Debug)]
pub struct Prior<T> {
    /// Most likely v.
    pub mean: Vec<T>,
    /// Inverse variances, over the number of trusted samples that f is a mean of.
    pub precision: Vec<T>,
}

impl<T: Scalar> Prior<T> {
    /// Adds its gradient at v; returns its value there.
    fn add(&self, outer: &[T], gradient: &mut [T]) -> f64 {
        let mut value = 0.0;
        for (j, &v) in outer.iter().enumerate() {
            let pull = self.precision[j] * (v - self.mean[j]);
            gradient[j] += pull;
            value += 0.5 * (pull * (v - self.mean[j])).wide();
        }
        value
    }
}

impl<T: Scalar> Reweighting<T> {
    /// `regularization` is the factor reg of ‖θ‖².
    pub fn new(
        model: Box<dyn Model<T>>,
        train: Samples,
        trusted: Samples,
        weighting: Box<dyn Weighting<T>>,
        regularization: T,
        prior: Option<Prior<T>>,
    ) -> Self {
        Self { model, train, trusted, weighting, regularization, prior }
    }

    fn batch_weights(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Vec<T> {
        let mut weights = vec![T::zero(); rows.len()];
        self.weighting.weights(point.outer, point.signals, rows, &mut weights);
        weights
    }

    /// product ← D u + the model's product with u, of weights over the number of samples.
    fn product(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        u: &[T],
        product: &mut [T],
        of_model: impl FnOnce(Batch<'_>, &[T], &mut [T]),
    ) {
        let mut weights = self.batch_weights(point, rows);
        vector::scale(T::one() / T::of(rows.len() as f64), &mut weights);
        product.fill(T::zero());
        self.train.with(rows, |batch| of_model(batch, &weights, product));
        vector::axpy(self.double_reg(), u, product);
    }

    fn double_reg(&self) -> T {
        self.regularization + self.regularization
    }

    /// reg‖θ‖².
    fn penalty(&self, inner: &[T]) -> f64 {
        self.regularization.wide() * vector::dot(inner, inner).wide()
    }

    fn mean_loss(&self, inner: &[T], samples: &Samples) -> f64 {
        let mut losses = vec![T::zero(); samples.len()];
        samples.with(RowSet::all(samples.len()), |batch| self.model.losses(inner, batch, &mut losses));
        losses.iter().map(|l| l.wide()).sum::<f64>() / samples.len() as f64
    }

    fn factors(
        &self,
        inner: &[T],
        batch: Batch<'_>,
        weights: Vec<T>,
        statistic: Statistic,
        seed: u64,
    ) -> Factors<T> {
        let mut factors = self.model.factors(inner, batch, statistic, seed);
        factors.weights = weights;
        factors
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

impl<T: Scalar> Problem<T> for Reweighting<T> {
    fn inner_len(&self) -> usize {
        self.model.parameters()
    }

    fn outer_len(&self) -> usize {
        self.weighting.outer_len()
    }

    fn samples(&self) -> usize {
        self.train.len()
    }

    fn outer_samples(&self) -> usize {
        self.trusted.len()
    }

    fn layers(&self) -> Vec<LayerShape> {
        self.model.layers()
    }

    fn initial(&self, seed: u64) -> Vec<T> {
        self.model.initial(seed)
    }

    fn regularizer(&self, _point: Point<'_, T>) -> Diagonal<T> {
        Diagonal::Scalar(self.double_reg())
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

    fn inner_step(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Option<(Wants, u64)>,
        gradient: &mut [T],
    ) -> (f64, Option<Observation<T>>) {
        let weights = self.batch_weights(point, rows);
        let size = T::of(rows.len() as f64);
        let mean: Vec<T> = weights.iter().map(|&w| w / size).collect();
        let mut losses = vec![T::zero(); rows.len()];
        gradient.fill(T::zero());
        let observation = self.train.with(rows, |batch| {
            let mut terms = vec![Term { weights: &mean, labels: Labels::Given, gradient: &mut *gradient }];
            if let Some((Wants::Signed(statistic), seed)) = wants {
                let signed: Vec<T> = signed_weights(&weights, seed);
                let mut row = vec![T::zero(); point.inner.len()];
                terms.push(Term { weights: &signed, labels: labels(statistic, seed), gradient: &mut row });
                self.model.gradients(point.inner, batch, &mut terms, &mut losses);
                return Some(Observation::Rows(Rows { data: row, count: 1 }));
            }
            self.model.gradients(point.inner, batch, &mut terms, &mut losses);
            wants.map(|(wants, seed)| match wants {
                Wants::Mean => Observation::Rows(Rows { data: gradient.to_vec(), count: 1 }),
                _ => self.observation(point, rows, wants, seed),
            })
        });
        vector::axpy(self.double_reg(), point.inner, gradient);
        let loss = losses.iter().zip(&mean).map(|(l, w)| l.wide() * w.wide()).sum::<f64>();
        (loss + self.penalty(point.inner), observation)
    }

    fn observation(&self, point: Point<'_, T>, rows: RowSet<'_>, wants: Wants, seed: u64) -> Observation<T> {
        let weights = self.batch_weights(point, rows);
        self.train.with(rows, |batch| {
            let (signed, labels) = match wants {
                Wants::Rows(statistic) => {
                    let factors = self.factors(point.inner, batch, weights, statistic, seed);
                    return Observation::Rows(factors.rows(&self.model.layers()));
                }
                Wants::Factors(statistic) => {
                    return Observation::Factors(self.factors(point.inner, batch, weights, statistic, seed));
                }
                Wants::Mean => {
                    let size = T::of(rows.len() as f64);
                    (weights.iter().map(|&w| w / size).collect(), Labels::Given)
                }
                Wants::Signed(statistic) => (signed_weights(&weights, seed), labels(statistic, seed)),
            };
            let (mut row, mut losses) = (vec![T::zero(); point.inner.len()], vec![T::zero(); rows.len()]);
            let term = Term { weights: &signed, labels, gradient: &mut row };
            self.model.gradients(point.inner, batch, &mut [term], &mut losses);
            Observation::Rows(Rows { data: row, count: 1 })
        })
    }

    fn inner_loss(&self, point: Point<'_, T>) -> f64 {
        let all = RowSet::all(self.train.len());
        let weights = self.batch_weights(point, all);
        let mut losses = vec![T::zero(); weights.len()];
        self.train.with(all, |batch| self.model.losses(point.inner, batch, &mut losses));
        let total: f64 = losses.iter().zip(&weights).map(|(l, w)| l.wide() * w.wide()).sum();
        total / weights.len() as f64 + self.penalty(point.inner)
    }

    fn outer_loss(&self, point: Point<'_, T>) -> f64 {
        let prior = self
            .prior
            .as_ref()
            .map_or(0.0, |prior| prior.add(point.outer, &mut vec![T::zero(); point.outer.len()]));
        self.mean_loss(point.inner, &self.trusted) + prior
    }

    fn outer_gradient(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        direct: &mut [T],
        target: &mut [T],
    ) -> f64 {
        let n = rows.len();
        let weights = vec![T::one() / T::of(n as f64); n];
        let mut losses = vec![T::zero(); n];
        direct.fill(T::zero());
        target.fill(T::zero());
        let term = Term { weights: &weights, labels: Labels::Given, gradient: target };
        self.trusted.with(rows, |batch| {
            self.model.gradients(point.inner, batch, &mut [term], &mut losses);
        });
        let prior = self.prior.as_ref().map_or(0.0, |prior| prior.add(point.outer, direct));
        losses.iter().map(|l| l.wide()).sum::<f64>() / n as f64 + prior
    }

    fn cross_product(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], scale: T, product: &mut [T]) {
        let mut q = vec![T::zero(); rows.len()];
        self.train.with(rows, |batch| self.model.sensitivities(point.inner, batch, u, &mut q));
        self.weighting.pull_back(
            point.outer,
            point.signals,
            rows,
            &q,
            scale / T::of(rows.len() as f64),
            product,
        );
    }

    fn curvature_product(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) {
        self.product(point, rows, u, product, |batch, weights, product| {
            self.model.curvature_product(point.inner, batch, weights, u, product);
        });
    }

    fn hessian_product(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) {
        self.product(point, rows, u, product, |batch, weights, product| {
            self.model.hessian_product(point.inner, batch, weights, u, product);
        });
    }

    fn curvature(&self) -> &'static str {
        self.model.curvature()
    }

    fn signals_len(&self) -> usize {
        self.weighting.signals_len()
    }

    fn refresh(&self, inner: &[T], outer: &[T], signals: &mut [T]) {
        if signals.is_empty() {
            return;
        }
        let all = RowSet::all(self.train.len());
        let mut p = vec![T::zero(); self.train.len() * self.model.classes()];
        self.train.with(all, |batch| self.model.probabilities(inner, batch.features, batch.rows, &mut p));
        self.weighting.refresh(outer, &p, signals);
    }

    fn weights(&self, point: Point<'_, T>) -> Option<Vec<T>> {
        Some(self.batch_weights(point, RowSet::all(self.train.len())))
    }

    fn probabilities(&self, inner: &[T], features: &Features, rows: RowSet<'_>) -> Option<Vec<T>> {
        let mut out = vec![T::zero(); rows.len() * self.model.classes()];
        self.model.probabilities(inner, features, rows, &mut out);
        Some(out)
    }

    fn bytes(&self) -> usize {
        self.train.features().bytes() + self.trusted.features().bytes()
    }
}

/// ε_i √w_i / √B.
fn signed_weights<T: Scalar>(weights: &[T], seed: u64) -> Vec<T> {
    let size = T::of(weights.len() as f64);
    // Signs come from a seed of their own: with the seed of the labels both would be the same draws.
    weights
        .iter()
        .zip(signs(!seed, weights.len()))
        .map(|(&w, sign)| T::of(sign) * (w / size).sqrt())
        .collect()
}
