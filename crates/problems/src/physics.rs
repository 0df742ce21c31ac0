//! Differential equations whose solution is a network, with controls or coefficients as the outer variable.

use std::ops::Range;

use nhgd_curvature::{Factors, LayerShape, Observation, Rows, Statistic, Wants};
use nhgd_kernels::memory::{Result, collected, copied, filled, reserved, zeros};
use nhgd_kernels::{RowSet, Scalar, for_chunks, vector};
use nhgd_models::{JetNetwork, Jets, signs};

use crate::blocks::Penalty;
use crate::{Point, Prior, Problem};

/// Points per chunk, the unit that threads share.
const CHUNK: usize = 128;

/// Linear equations at points, which the jet of y meets up to a residual:
///
/// r_i = Σ_c (a_ic + Σ_j v_j A_icj) (channel c of y's jet at x_i) − s_i − Σ_j v_j B_ij.
///
/// The channels are y, its first and its second derivatives by each coordinate. An equation may be that of the interior,
/// of the boundary, or an observation.
#[derive(Debug)]
pub struct Equations<T> {
    /// One row per equation: x (D), its weight w ≥ 0, s, a (C), B (p), A (C × p, or nothing where no operator depends on
    /// v), one after the other.
    pub rows: Vec<T>,
    /// Entries of v that the equations depend on: p, or 0.
    pub controls: usize,
    /// Whether the rows have an A.
    pub variable: bool,
}

/// One row of [`Equations`].
struct Equation<'a, T> {
    x: &'a [T],
    weight: T,
    source: T,
    coefficients: &'a [T],
    loads: &'a [T],
    terms: &'a [T],
}

/// g is the mean of ½ w_i r_i² over the inner equations plus a penalty, f that over the outer ones plus a prior. θ is a
/// network y of tanh units ([`JetNetwork`]): a physics-informed network (Raissi, Perdikaris & Karniadakis 2019), in the
/// bilevel form of Hao et al. (ICLR 2023).
#[derive(Debug)]
pub struct Physics<T> {
    network: JetNetwork,
    inner: Equations<T>,
    outer: Equations<T>,
    penalty: Penalty<T>,
    prior: Prior<T>,
    threads: usize,
}

/// What a sum makes of a chunk of the rows: its part of the sum.
type Body<'a, T> = dyn Fn(&Pass<'_, T>, &mut [T]) -> Result<()> + Sync + 'a;

/// Some equations at a point (v, θ).
struct Pass<'a, T> {
    /// Place of the first of them among the rows that are summed.
    first: usize,
    equations: Vec<Equation<'a, T>>,
    /// a + Σ_j v_j A_j, C × points.
    operators: Vec<T>,
    residuals: Vec<T>,
    jets: Jets<T>,
}

impl<T: Scalar> Equations<T> {
    /// Entries of a row, for points of `dimensions` coordinates.
    pub fn width(&self, dimensions: usize) -> usize {
        let channels = 1 + 2 * dimensions;
        dimensions + 2 + channels + self.controls * if self.variable { 1 + channels } else { 1 }
    }

    fn at(&self, i: usize, dimensions: usize) -> Equation<'_, T> {
        let width = self.width(dimensions);
        let (x, rest) = self.rows[i * width..][..width].split_at(dimensions);
        let (coefficients, rest) = rest[2..].split_at(1 + 2 * dimensions);
        let (loads, terms) = rest.split_at(self.controls);
        let head = &self.rows[i * width + dimensions..];
        Equation { x, weight: head[0], source: head[1], coefficients, loads, terms }
    }
}

impl<T: Scalar> Equation<'_, T> {
    /// Σ_j v_j A_cj.
    fn term(&self, c: usize, v: &[T]) -> T {
        let p = self.loads.len();
        if self.terms.is_empty() { T::zero() } else { vector::dot(&self.terms[c * p..][..p], v) }
    }
}

impl<T: Scalar> Pass<'_, T> {
    /// The equations' operators on jets, C × points.
    fn apply(&self, jets: &[T]) -> Result<Vec<T>> {
        let mut sums: Vec<T> = zeros(self.equations.len())?;
        for (k, (&a, &y)) in self.operators.iter().zip(jets).enumerate() {
            let i = k % self.equations.len();
            sums[i] += a * y;
        }
        Ok(sums)
    }

    /// ∂/∂(jets of y) of Σ_i factors_i r_i, C × points.
    fn seeds(&self, factors: &[T]) -> Result<Vec<T>> {
        let mut seeds = copied(&self.operators)?;
        seeds.chunks_exact_mut(factors.len()).for_each(|seeds| vector::mul_into(factors, seeds));
        Ok(seeds)
    }

    /// w_i x_i.
    fn weighed(&self, x: &[T]) -> Result<Vec<T>> {
        collected(self.equations.iter().zip(x).map(|(equation, &x)| equation.weight * x))
    }

    /// Σ ½ w_i r_i².
    fn loss(&self) -> f64 {
        let each = |(equation, &r): (&Equation<'_, T>, &T)| 0.5 * (equation.weight * r * r).wide();
        self.equations.iter().zip(&self.residuals).map(each).sum()
    }
}

impl<T: Scalar> Physics<T> {
    /// The equations are those of g and of f; `threads` is the most that a pass over many of them may use.
    pub fn new(
        network: JetNetwork,
        [inner, outer]: [Equations<T>; 2],
        regularization: T,
        prior: Prior<T>,
        threads: usize,
    ) -> Self {
        Self { network, inner, outer, penalty: Penalty::new(regularization, Vec::new()), prior, threads }
    }

    fn dimensions(&self) -> usize {
        self.network.dimensions()
    }

    fn count(&self, equations: &Equations<T>) -> usize {
        equations.rows.len() / equations.width(self.dimensions())
    }

    /// The equations at a range of `rows`.
    fn pass<'a>(
        &self,
        all: &'a Equations<T>,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        range: Range<usize>,
    ) -> Result<Pass<'a, T>> {
        let (first, points) = (range.start, range.len());
        let mut equations = reserved(points)?;
        let mut x = reserved(points * self.dimensions())?;
        let mut operators = zeros(points * self.network.channels())?;
        let mut residuals = zeros(points)?;
        for i in 0..points {
            let e = all.at(rows.get(first + i), self.dimensions());
            x.extend_from_slice(e.x);
            for c in 0..e.coefficients.len() {
                operators[c * points + i] = e.coefficients[c] + e.term(c, point.outer);
            }
            residuals[i] = -e.source - vector::dot(e.loads, &point.outer[..e.loads.len()]);
            equations.push(e);
        }
        let jets = self.network.forward(point.inner, &x)?;
        let mut pass = Pass { first, equations, operators, residuals, jets };
        let applied = pass.apply(&pass.jets.outputs)?;
        vector::axpy(T::one(), &applied, &mut pass.residuals);
        Ok(pass)
    }

    /// sum ← Σ of what `body` makes of each chunk of the rows; returns the loss. Functions are called by reference here, so
    /// that the WebAssembly module holds this one once.
    fn sum(
        &self,
        equations: &Equations<T>,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        sum: &mut [T],
        body: &Body<'_, T>,
    ) -> Result<f64> {
        let len = sum.len();
        let parts = for_chunks(rows.len(), CHUNK, self.threads, |_, range| {
            let pass = self.pass(equations, point, rows, range)?;
            let mut part = zeros(len)?;
            body(&pass, &mut part)?;
            Ok((pass.loss(), part))
        })?;
        sum.fill(T::zero());
        parts.iter().for_each(|(_, part)| vector::axpy(T::one(), part, sum));
        Ok(parts.iter().map(|(loss, _)| loss).sum())
    }

    /// sum ← Σ ∇_θ of Σ_i factors_i r_i with `factors` of each chunk; returns the loss.
    fn gradient(
        &self,
        equations: &Equations<T>,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        sum: &mut [T],
        factors: &(dyn Fn(&Pass<'_, T>) -> Result<Vec<T>> + Sync),
    ) -> Result<f64> {
        self.sum(equations, point, rows, sum, &|pass, part| {
            let deltas = self.network.backward(point.inner, &pass.jets, pass.seeds(&factors(pass)?)?)?;
            self.network.add_gradient(&pass.jets, &deltas, true, part)
        })
    }

    /// What stands for the residual in the gradients of a statistic: r_i, or 1. Residuals are thought to be normal with
    /// variance 1, so that a sampled gradient is ±1 times that of the residual, and the sign plays no part in F.
    fn roots(pass: &Pass<'_, T>, statistic: Statistic) -> Result<Vec<T>> {
        match statistic {
            Statistic::Empirical => copied(&pass.residuals),
            _ => filled(T::one(), pass.residuals.len()),
        }
    }

    fn factors(&self, point: Point<'_, T>, rows: RowSet<'_>, statistic: Statistic) -> Result<Factors<T>> {
        let pass = self.pass(&self.inner, point, rows, 0..rows.len())?;
        let seeds = pass.seeds(&Self::roots(&pass, statistic)?)?;
        let deltas = self.network.backward(point.inner, &pass.jets, seeds)?;
        let weights = collected(pass.equations.iter().map(|equation| equation.weight))?;
        Ok(Factors { weights, directions: 1, layers: self.network.factors(&pass.jets, &deltas)? })
    }
}

impl<T: Scalar> Problem<T> for Physics<T> {
    fn inner_len(&self) -> usize {
        self.network.layers().iter().map(|layer| layer.inputs * layer.outputs).sum()
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn outer_len(&self) -> usize {
        self.prior.mean.len()
    }

    fn samples(&self) -> usize {
        self.count(&self.inner)
    }

    fn outer_samples(&self) -> usize {
        self.count(&self.outer)
    }

    fn layers(&self) -> Vec<LayerShape> {
        self.network.layers().to_vec()
    }

    fn initial(&self, seed: u64) -> Result<Vec<T>> {
        self.network.initial(seed)
    }

    fn penalty(&self) -> &Penalty<T> {
        &self.penalty
    }

    fn prior(&self) -> Option<&Prior<T>> {
        Some(&self.prior)
    }

    fn inner_sums(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Option<(Wants, u64)>,
        gradient: &mut [T],
    ) -> Result<(f64, Option<Observation<T>>)> {
        let loss =
            self.gradient(&self.inner, point, rows, gradient, &|pass| pass.weighed(&pass.residuals))?;
        let observed = wants.map(|(wants, seed)| self.observation(point, rows, wants, seed));
        Ok((loss, observed.transpose()?))
    }

    fn observation_len(&self, samples: usize, wants: Wants) -> usize {
        match wants {
            Wants::Mean | Wants::Signed(_) => self.inner_len(),
            _ => samples.saturating_mul(self.inner_len()),
        }
    }

    fn observation(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Wants,
        seed: u64,
    ) -> Result<Observation<T>> {
        let size = T::of(rows.len() as f64);
        let mut row = zeros(self.inner_len())?;
        match wants {
            Wants::Factors(statistic) => {
                return Ok(Observation::Factors(self.factors(point, rows, statistic)?));
            }
            Wants::Rows(statistic) => {
                let factors = self.factors(point, rows, statistic)?;
                return Ok(Observation::Rows(factors.rows(self.network.layers())?));
            }
            Wants::Mean => {
                self.gradient(&self.inner, point, rows, &mut row, &|pass| pass.weighed(&pass.residuals))?;
                vector::scale(T::one() / size, &mut row);
            }
            Wants::Signed(statistic) => {
                self.gradient(&self.inner, point, rows, &mut row, &|pass| {
                    let own = signs(!seed, pass.first..pass.first + pass.residuals.len());
                    let mut roots = Self::roots(pass, statistic)?;
                    for ((root, e), sign) in roots.iter_mut().zip(&pass.equations).zip(own) {
                        *root = T::of(sign) * *root * (e.weight / size).sqrt();
                    }
                    Ok(roots)
                })?;
            }
        }
        Ok(Observation::Rows(Rows { data: row, count: 1 }))
    }

    fn inner_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64> {
        self.sum(&self.inner, point, rows, &mut [], &|_, _| Ok(()))
    }

    fn outer_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64> {
        self.sum(&self.outer, point, rows, &mut [], &|_, _| Ok(()))
    }

    fn outer_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, target: &mut [T]) -> Result<f64> {
        self.gradient(&self.outer, point, rows, target, &|pass| pass.weighed(&pass.residuals))
    }

    /// (∇²_θv)ᵀu of ½ w r² is w (∂r/∂v) ṙ + w r (∂ṙ/∂v), where the dot is the derivative along u.
    fn cross_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) -> Result<()> {
        let mut sum: Vec<T> = zeros(self.inner.controls)?;
        self.sum(&self.inner, point, rows, &mut sum, &|pass, part| {
            let dots = self.network.tangent(point.inner, u, &pass.jets)?.outputs;
            let moved = pass.apply(&dots)?;
            let points = pass.equations.len();
            for (i, e) in pass.equations.iter().enumerate() {
                vector::axpy(-e.weight * moved[i], e.loads, part);
                for (c, term) in e.terms.chunks_exact(part.len().max(1)).enumerate() {
                    let (y, dot) = (pass.jets.outputs[c * points + i], dots[c * points + i]);
                    vector::axpy(e.weight * (y * moved[i] + pass.residuals[i] * dot), term, part);
                }
            }
            Ok(())
        })?;
        vector::axpy(T::one(), &sum, product);
        Ok(())
    }

    fn curvature_sums(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        u: &[T],
        product: &mut [T],
    ) -> Result<()> {
        self.gradient(&self.inner, point, rows, product, &|pass| {
            pass.weighed(&pass.apply(&self.network.tangent(point.inner, u, &pass.jets)?.outputs)?)
        })
        .map(drop)
    }

    fn hessian_sums(&self, point: Point<'_, T>, rows: RowSet<'_>, u: &[T], product: &mut [T]) -> Result<()> {
        self.sum(&self.inner, point, rows, product, &|pass, part| {
            let dots = self.network.tangent(point.inner, u, &pass.jets)?;
            let seeds = |r: &[T]| pass.seeds(&pass.weighed(r)?);
            let seeds = [seeds(&pass.residuals)?, seeds(&pass.apply(&dots.outputs)?)?];
            self.network.backward_tangent([point.inner, u], [&pass.jets, &dots], seeds, part)
        })
        .map(drop)
    }

    fn curvature(&self) -> &'static str {
        "gauss-newton"
    }

    fn bytes(&self) -> usize {
        size_of::<T>() * (self.inner.rows.len() + self.outer.rows.len())
    }
}
