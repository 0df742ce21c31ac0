//! Softmax regression: scores W̄ᵀa of a sample's features a (with a trailing 1 for the bias), cross-entropy loss.
//!
//! θ is W̄ as `(features + bias) × classes`, row-major, the bias last. The loss is convex: its Hessian is the
//! Gauss–Newton matrix (1/n) Σ w_i a_i a_iᵀ ⊗ (diag p_i − p_i p_iᵀ).

use std::ops::Range;

use nhgd_curvature::{Factors, LayerFactors, LayerShape, Statistic};
use nhgd_kernels::{Aligned, Features, RowSet, Scalar, skinny, softmax, threads::for_chunks, vector};

use crate::{Batch, Labels, Loss, Model, Term};

const LOSS: Loss = Loss::CrossEntropy;

/// Samples of a tile: its widened features stay in the second-level cache between the two products.
const TILE: usize = 64;
/// Samples of a chunk, the unit that threads share: smaller for helpers, who wait for work, than for threads to start.
const CHUNK: usize = if cfg!(target_family = "wasm") { 256 } else { 1024 };

/// Softmax regression over `features` inputs and `classes` outputs.
#[derive(Clone, Debug)]
pub struct Softmax {
    features: usize,
    classes: usize,
    bias: bool,
    threads: usize,
}

/// A tile of a batch: widened features, and the position of its first sample in the batch.
struct Tile<'a, T> {
    rows: &'a [T],
    range: Range<usize>,
}

impl Softmax {
    /// `threads` is the most that a pass over many samples may use.
    pub fn new(features: usize, classes: usize, bias: bool, threads: usize) -> Self {
        Self { features, classes, bias, threads }
    }

    fn inputs(&self) -> usize {
        self.features + usize::from(self.bias)
    }

    fn stride(&self) -> usize {
        skinny::stride(self.inputs())
    }

    /// θ and further matrices of its shape, class-major one below the other.
    fn class_major<T: Scalar>(&self, matrices: &[&[T]]) -> Aligned<T> {
        let size = self.classes * self.stride();
        let mut out = Aligned::zeros(matrices.len() * size);
        for (matrix, out) in matrices.iter().zip(out.chunks_exact_mut(size)) {
            skinny::to_class_major(matrix, self.inputs(), self.classes, self.stride(), out);
        }
        out
    }

    fn add_class_major<T: Scalar>(&self, sums: &[T], out: &mut [T]) {
        let mut row_major = vec![T::zero(); self.inputs() * self.classes];
        skinny::from_class_major(sums, self.inputs(), self.classes, self.stride(), &mut row_major);
        vector::axpy(T::one(), &row_major, out);
    }

    /// Calls `body` with each tile of each chunk; a chunk's tiles share the state that `start` makes.
    fn pass<T: Scalar, R: Send>(
        &self,
        features: &Features,
        rows: RowSet<'_>,
        start: impl Fn(Range<usize>) -> R + Sync,
        body: impl Fn(&mut R, Tile<'_, T>) + Sync,
    ) -> Vec<R> {
        for_chunks(rows.len(), CHUNK, self.threads, |_, chunk| {
            let mut state = start(chunk.clone());
            let mut tile = Aligned::zeros(TILE.min(chunk.len()) * self.stride());
            for begin in chunk.clone().step_by(TILE) {
                let range = begin..(begin + TILE).min(chunk.end);
                let tile = &mut tile[..range.len() * self.stride()];
                features.widen(rows.slice(range.clone()), self.bias, tile, self.stride());
                body(&mut state, Tile { rows: tile, range });
            }
            state
        })
    }
}

/// A term without its gradient, to be shared between threads.
struct TermView<'a, T> {
    weights: &'a [T],
    labels: Labels,
}

impl<T: Scalar> Model<T> for Softmax {
    fn parameters(&self) -> usize {
        self.inputs() * self.classes
    }

    fn features(&self) -> usize {
        self.features
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn layers(&self) -> Vec<LayerShape> {
        vec![LayerShape { inputs: self.inputs(), outputs: self.classes }]
    }

    fn gradients(&self, theta: &[T], batch: Batch<'_>, terms: &mut [Term<'_, T>], losses: &mut [T]) {
        let (classes, stride) = (self.classes, self.stride());
        let size = classes * stride;
        let weights = self.class_major(&[theta]);
        let views: Vec<_> = terms.iter().map(|t| TermView { weights: t.weights, labels: t.labels }).collect();
        let chunks = self.pass(
            batch.features,
            batch.rows,
            |chunk| (Aligned::zeros(views.len() * size), vec![T::zero(); chunk.len()], chunk.start),
            |(sums, losses, first), tile: Tile<'_, T>| {
                let rows = tile.range.len();
                let mut p = vec![T::zero(); rows * classes];
                skinny::project(tile.rows, rows, stride, &weights, classes, &mut p);
                let at = tile.range.start - *first..tile.range.end - *first;
                softmax::softmax_cross_entropy(
                    &mut p,
                    classes,
                    &batch.labels[tile.range.clone()],
                    &mut losses[at],
                );
                let mut s = p.clone();
                for (k, (view, sums)) in views.iter().zip(sums.chunks_exact_mut(size)).enumerate() {
                    if k > 0 {
                        s.copy_from_slice(&p);
                    }
                    let weights = &view.weights[tile.range.clone()];
                    LOSS.residuals(&mut s, classes, &batch, tile.range.start, view.labels, weights);
                    skinny::accumulate(tile.rows, rows, stride, &s, classes, sums);
                }
            },
        );
        let mut total = vec![T::zero(); views.len() * size];
        for (sums, chunk_losses, first) in &chunks {
            vector::axpy(T::one(), sums, &mut total);
            losses[*first..first + chunk_losses.len()].copy_from_slice(chunk_losses);
        }
        for (term, total) in terms.iter_mut().zip(total.chunks_exact(size)) {
            self.add_class_major(total, term.gradient);
        }
    }

    fn curvature_product(&self, theta: &[T], batch: Batch<'_>, weights: &[T], u: &[T], product: &mut [T]) {
        let (classes, stride) = (self.classes, self.stride());
        let both = self.class_major(&[theta, u]);
        let (theta, u) = both.split_at(classes * stride);
        let chunks = self.pass(
            batch.features,
            batch.rows,
            |_| Aligned::zeros(classes * stride),
            |sums, tile: Tile<'_, T>| {
                let rows = tile.range.len();
                let (mut p, mut ds) = (vec![T::zero(); rows * classes], vec![T::zero(); rows * classes]);
                skinny::project(tile.rows, rows, stride, theta, classes, &mut p);
                skinny::project(tile.rows, rows, stride, u, classes, &mut ds);
                softmax::softmax_in_place(&mut p, classes);
                softmax::softmax_r(&p, &mut ds, classes);
                for (ds, &w) in ds.chunks_exact_mut(classes).zip(&weights[tile.range]) {
                    vector::scale(w, ds);
                }
                skinny::accumulate(tile.rows, rows, stride, &ds, classes, sums);
            },
        );
        let mut total = vec![T::zero(); classes * stride];
        for sums in &chunks {
            vector::axpy(T::one(), sums, &mut total);
        }
        self.add_class_major(&total, product);
    }

    fn sensitivities(&self, theta: &[T], batch: Batch<'_>, u: &[T], out: &mut [T]) {
        let (classes, stride) = (self.classes, self.stride());
        let both = self.class_major(&[theta, u]);
        let (theta, u) = both.split_at(classes * stride);
        let chunks = self.pass(
            batch.features,
            batch.rows,
            |chunk| Vec::with_capacity(chunk.len()),
            |out, tile: Tile<'_, T>| {
                let rows = tile.range.len();
                let (mut r, mut ds) = (vec![T::zero(); rows * classes], vec![T::zero(); rows * classes]);
                skinny::project(tile.rows, rows, stride, theta, classes, &mut r);
                skinny::project(tile.rows, rows, stride, u, classes, &mut ds);
                softmax::softmax_in_place(&mut r, classes);
                softmax::residuals(&mut r, classes, &batch.labels[tile.range], None);
                out.extend(
                    r.chunks_exact(classes)
                        .zip(ds.chunks_exact(classes))
                        .map(|(r, ds)| r.iter().zip(ds).map(|(&r, &ds)| r * ds).sum::<T>()),
                );
            },
        );
        for (out, chunk) in out.chunks_mut(CHUNK).zip(chunks) {
            out.copy_from_slice(&chunk);
        }
    }

    fn factors(&self, theta: &[T], batch: Batch<'_>, statistic: Statistic, seed: u64) -> Factors<T> {
        let (classes, stride, inputs) = (self.classes, self.stride(), self.inputs());
        let weights = self.class_major(&[theta]);
        let directions = Loss::directions(statistic, classes);
        let chunks = self.pass(
            batch.features,
            batch.rows,
            |chunk| {
                (
                    Vec::with_capacity(chunk.len() * inputs),
                    Vec::with_capacity(chunk.len() * directions * classes),
                )
            },
            |(a, s): &mut (Vec<T>, Vec<T>), tile: Tile<'_, T>| {
                let rows = tile.range.len();
                a.extend(tile.rows.chunks_exact(stride).flat_map(|row| &row[..inputs]));
                let mut p = vec![T::zero(); rows * classes];
                skinny::project(tile.rows, rows, stride, &weights, classes, &mut p);
                softmax::softmax_in_place(&mut p, classes);
                let start = s.len();
                s.resize(start + rows * directions * classes, T::zero());
                LOSS.roots(&mut p, classes, &batch, tile.range.start, statistic, seed, &mut s[start..]);
            },
        );
        let (mut a, mut s) = (Vec::with_capacity(batch.len() * inputs), Vec::new());
        for (inputs, outputs) in chunks {
            a.extend_from_slice(&inputs);
            s.extend_from_slice(&outputs);
        }
        Factors { weights: Vec::new(), directions, layers: vec![LayerFactors { inputs: a, outputs: s }] }
    }

    fn probabilities(&self, theta: &[T], features: &Features, rows: RowSet<'_>, out: &mut [T]) {
        let (classes, stride) = (self.classes, self.stride());
        let weights = self.class_major(&[theta]);
        let chunks = self.pass(
            features,
            rows,
            |chunk| Vec::with_capacity(chunk.len() * classes),
            |out: &mut Vec<T>, tile: Tile<'_, T>| {
                let mut p = vec![T::zero(); tile.range.len() * classes];
                skinny::project(tile.rows, tile.range.len(), stride, &weights, classes, &mut p);
                softmax::softmax_in_place(&mut p, classes);
                out.extend_from_slice(&p);
            },
        );
        for (out, chunk) in out.chunks_mut(CHUNK * classes).zip(chunks) {
            out.copy_from_slice(&chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nhgd_kernels::FeatureData;

    use super::*;
    use crate::{Samples, uniform};

    fn number(i: usize) -> f64 {
        uniform(11, i as u64) - 0.5
    }

    fn case(n: usize) -> (Softmax, Samples, Vec<f64>, Vec<f64>) {
        let features = FeatureData::F64((0..n * 5).map(|i| 4.0 * number(i)).collect());
        let labels = (0..n).map(|i| (uniform(5, i as u64) * 3.0) as u32).collect();
        let samples = Samples::new(Arc::new(Features::new(features, n, 5, 0.7)), None, labels);
        let weights = (0..n).map(|i| 0.2 + uniform(9, i as u64)).collect();
        (Softmax::new(5, 3, true, 2), samples, (0..18).map(|i| number(i + 1000)).collect(), weights)
    }

    fn loss(model: &Softmax, samples: &Samples, theta: &[f64], weights: &[f64]) -> f64 {
        let mut losses = vec![0.0; samples.len()];
        samples.with(RowSet::all(samples.len()), |batch| model.losses(theta, batch, &mut losses));
        losses.iter().zip(weights).map(|(l, w)| l * w).sum()
    }

    fn gradient(
        model: &Softmax,
        samples: &Samples,
        theta: &[f64],
        weights: &[f64],
        labels: Labels,
    ) -> Vec<f64> {
        let (mut gradient, mut losses) = (vec![0.0; theta.len()], vec![0.0; samples.len()]);
        let term = Term { weights, labels, gradient: &mut gradient };
        samples.with(RowSet::all(samples.len()), |batch| {
            model.gradients(theta, batch, &mut [term], &mut losses)
        });
        gradient
    }

    fn moved(theta: &[f64], u: &[f64], step: f64) -> Vec<f64> {
        theta.iter().zip(u).map(|(t, u)| t + step * u).collect()
    }

    #[test]
    fn derivatives_match_finite_differences() {
        for n in [1, 2, 3, 17, 64, 65, 1025, 2500] {
            let (model, samples, theta, weights) = case(n);
            let all = RowSet::all(n);
            let h = 1e-5;
            let gradient_at = |theta: &[f64]| gradient(&model, &samples, theta, &weights, Labels::Given);
            let g = gradient_at(&theta);
            let scale = g.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
            for j in 0..theta.len() {
                let e: Vec<f64> = (0..theta.len()).map(|i| f64::from(u8::from(i == j))).collect();
                let up = loss(&model, &samples, &moved(&theta, &e, h), &weights);
                let down = loss(&model, &samples, &moved(&theta, &e, -h), &weights);
                assert!(((up - down) / (2.0 * h) - g[j]).abs() < 1e-6 * scale, "gradient, n = {n}, j = {j}");
            }
            let u: Vec<f64> = (0..theta.len()).map(|i| number(i + 77)).collect();
            let mut hu = vec![0.0; theta.len()];
            samples.with(all, |batch| model.curvature_product(&theta, batch, &weights, &u, &mut hu));
            let (up, down) = (gradient_at(&moved(&theta, &u, h)), gradient_at(&moved(&theta, &u, -h)));
            for j in 0..theta.len() {
                assert!(
                    ((up[j] - down[j]) / (2.0 * h) - hu[j]).abs() < 1e-6 * scale,
                    "product, n = {n}, j = {j}"
                );
            }
            let mut q = vec![0.0; n];
            samples.with(all, |batch| model.sensitivities(&theta, batch, &u, &mut q));
            let total: f64 = q.iter().zip(&weights).map(|(q, w)| q * w).sum();
            let expected: f64 = g.iter().zip(&u).map(|(g, u)| g * u).sum();
            assert!((total - expected).abs() < 1e-10 * scale, "sensitivities, n = {n}");
        }
    }

    #[test]
    fn expected_factors_are_the_curvature() {
        let (model, samples, theta, weights) = case(40);
        let all = RowSet::all(40);
        let mut factors = samples.with(all, |batch| model.factors(&theta, batch, Statistic::Expected, 1));
        factors.weights = weights.clone();
        let u: Vec<f64> = (0..18).map(|i| number(i + 5)).collect();
        let mut expected = vec![0.0; 18];
        samples.with(all, |batch| model.curvature_product(&theta, batch, &weights, &u, &mut expected));
        let (a, s) = (&factors.layers[0].inputs, &factors.layers[0].outputs);
        let mut got = [0.0; 18];
        for i in 0..40 {
            for k in 0..factors.directions {
                let s = &s[(i * factors.directions + k) * 3..][..3];
                let g: Vec<f64> = a[i * 6..][..6].iter().flat_map(|a| s.iter().map(move |s| a * s)).collect();
                let gu: f64 = g.iter().zip(&u).map(|(g, u)| g * u).sum();
                got.iter_mut().zip(&g).for_each(|(got, g)| *got += weights[i] * gu * g);
            }
        }
        for (got, expected) in got.iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn signed_sums_have_the_expected_outer_product() {
        let (model, samples, theta, _) = case(1);
        let mut hessian = [0.0; 18];
        let e: Vec<f64> = (0..18).map(|i| f64::from(u8::from(i == 4))).collect();
        samples
            .with(RowSet::all(1), |batch| model.curvature_product(&theta, batch, &[1.0], &e, &mut hessian));
        for labels in [|seed| Labels::Expected { seed }, |seed| Labels::Sampled { seed }] {
            let draws = 40_000;
            let mut mean = [0.0; 18];
            for seed in 0..draws {
                let g = gradient(&model, &samples, &theta, &[1.0], labels(seed));
                (0..18).for_each(|j| mean[j] += g[j] * g[4] / draws as f64);
            }
            for j in 0..18 {
                assert!(
                    (mean[j] - hessian[j]).abs() < 0.05 * hessian[4].abs().max(0.1),
                    "{j}: {} {}",
                    mean[j],
                    hessian[j]
                );
            }
        }
    }

    #[test]
    fn same_bits_whatever_the_threads() {
        let (_, samples, theta, weights) = case(5000);
        let run =
            |threads| gradient(&Softmax::new(5, 3, true, threads), &samples, &theta, &weights, Labels::Given);
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(7));
    }
}
