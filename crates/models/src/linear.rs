//! Linear models: scores W̄ᵀa of a sample's features a (with a trailing 1 for the bias), and a loss of the scores.
//!
//! | loss | model | scores per sample |
//! |---|---|---|
//! | cross entropy | softmax regression | one per class |
//! | logistic | logistic regression | one, the log-odds of class 1 |
//! | squared | linear regression | one per output |
//!
//! θ is W̄ as `(features + bias) × outputs`, row-major, the bias last. The loss is convex: its Hessian is the Gauss–Newton
//! matrix Σ w_i a_i a_iᵀ ⊗ ∂²ℓ_i/∂z².

use std::ops::Range;

use nhgd_curvature::{Factors, LayerFactors, LayerShape, Outputs, Statistic};
use nhgd_kernels::memory::{Result, append, copied, grow, reserved, zeros};
use nhgd_kernels::tuning::tile_rows;
use nhgd_kernels::{Aligned, Features, RowSet, Scalar, skinny, threads::for_chunks, vector};

use crate::{Along, Batch, Labels, Loss, Model, Term};

/// Samples per chunk, the unit that threads share: smaller for helpers, who wait for work, than for threads to start.
const CHUNK: usize = if cfg!(target_family = "wasm") { 256 } else { 1024 };

/// A linear model of `features` inputs and `outputs` scores.
#[derive(Clone, Debug)]
pub struct Linear {
    features: usize,
    outputs: usize,
    bias: bool,
    loss: Loss,
    threads: usize,
}

/// A tile of a batch: widened features, and the positions of its samples in the batch.
struct Tile<'a, T> {
    rows: &'a [T],
    range: Range<usize>,
}

impl Linear {
    /// `outputs` is 1 for [`Loss::Logistic`]; `threads` is the most that a pass over many samples may use.
    pub fn new(features: usize, outputs: usize, bias: bool, loss: Loss, threads: usize) -> Self {
        assert!(outputs == 1 || loss != Loss::Logistic, "logistic regression has one score");
        Self { features, outputs, bias, loss, threads }
    }

    fn inputs(&self) -> usize {
        self.features + usize::from(self.bias)
    }

    fn stride(&self) -> usize {
        skinny::stride(self.inputs())
    }

    /// θ and further matrices of its shape, class-major one below the other.
    fn class_major<T: Scalar>(&self, matrices: &[&[T]]) -> Result<Aligned<T>> {
        let size = self.outputs * self.stride();
        let mut out = Aligned::zeros(matrices.len() * size)?;
        for (matrix, out) in matrices.iter().zip(out.chunks_exact_mut(size)) {
            skinny::to_class_major(matrix, self.inputs(), self.outputs, self.stride(), out);
        }
        Ok(out)
    }

    fn add_class_major<T: Scalar>(&self, sums: &[T], out: &mut [T]) -> Result<()> {
        let mut row_major: Vec<T> = zeros(self.inputs() * self.outputs)?;
        skinny::from_class_major(sums, self.inputs(), self.outputs, self.stride(), &mut row_major);
        vector::axpy(T::one(), &row_major, out);
        Ok(())
    }

    /// Calls `body` with each tile of each chunk; a chunk's tiles share the state that `start` makes.
    fn pass<T: Scalar, R: Send>(
        &self,
        features: &Features,
        rows: RowSet<'_>,
        start: impl Fn(Range<usize>) -> Result<R> + Sync,
        body: impl Fn(&mut R, Tile<'_, T>) -> Result<()> + Sync,
    ) -> Result<Vec<R>> {
        for_chunks(rows.len(), CHUNK, self.threads, |_, chunk| {
            let mut state = start(chunk.clone())?;
            // The widened features stay in the second cache between the two products.
            let rows_of_tile = tile_rows(self.stride() * size_of::<T>());
            let mut tile = Aligned::zeros(rows_of_tile.min(chunk.len()) * self.stride())?;
            for begin in chunk.clone().step_by(rows_of_tile) {
                let range = begin..(begin + rows_of_tile).min(chunk.end);
                let tile = &mut tile[..range.len() * self.stride()];
                features.widen(rows.slice(range.clone()), self.bias, tile, self.stride());
                body(&mut state, Tile { rows: tile, range })?;
            }
            Ok(state)
        })
    }
}

/// A term without its gradient, to be shared between threads.
struct TermView<'a, T> {
    weights: &'a [T],
    labels: Labels,
}

impl<T: Scalar> Model<T> for Linear {
    fn parameters(&self) -> usize {
        self.inputs() * self.outputs
    }

    fn features(&self) -> usize {
        self.features
    }

    fn classes(&self) -> usize {
        if self.loss == Loss::Logistic { 2 } else { self.outputs }
    }

    fn loss(&self) -> Loss {
        self.loss
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn layers(&self) -> Vec<LayerShape> {
        vec![LayerShape { inputs: self.inputs(), outputs: self.outputs }]
    }

    fn gradients(
        &self,
        theta: &[T],
        batch: Batch<'_>,
        terms: &mut [Term<'_, T>],
        losses: &mut [T],
    ) -> Result<()> {
        let (outputs, stride) = (self.outputs, self.stride());
        let size = outputs * stride;
        let weights = self.class_major(&[theta])?;
        let views: Vec<_> = terms.iter().map(|t| TermView { weights: t.weights, labels: t.labels }).collect();
        let chunks = self.pass(
            batch.features,
            batch.rows,
            |chunk| Ok((Aligned::zeros(views.len() * size)?, zeros(chunk.len())?, chunk.start)),
            |(sums, losses, first): &mut (Aligned<T>, Vec<T>, usize), tile: Tile<'_, T>| {
                let rows = tile.range.len();
                let mut p = zeros(rows * outputs)?;
                skinny::project(tile.rows, rows, stride, &weights, outputs, &mut p);
                let at = tile.range.start - *first..tile.range.end - *first;
                self.loss.evaluate(&mut p, outputs, batch.targets.slice(tile.range.clone()), &mut losses[at]);
                let mut s = copied(&p)?;
                for (k, (view, sums)) in views.iter().zip(sums.chunks_exact_mut(size)).enumerate() {
                    if k > 0 {
                        s.copy_from_slice(&p);
                    }
                    let weights = &view.weights[tile.range.clone()];
                    self.loss.residuals(&mut s, outputs, &batch, tile.range.start, view.labels, weights)?;
                    skinny::accumulate(tile.rows, rows, stride, &s, outputs, sums);
                }
                Ok(())
            },
        )?;
        let mut total: Vec<T> = zeros(views.len() * size)?;
        for (sums, chunk_losses, first) in &chunks {
            vector::axpy(T::one(), sums, &mut total);
            losses[*first..first + chunk_losses.len()].copy_from_slice(chunk_losses);
        }
        for (term, total) in terms.iter_mut().zip(total.chunks_exact(size)) {
            self.add_class_major(total, term.gradient)?;
        }
        Ok(())
    }

    fn curvature_product(
        &self,
        theta: &[T],
        batch: Batch<'_>,
        weights: &[T],
        u: &[T],
        product: &mut [T],
    ) -> Result<()> {
        let (outputs, stride) = (self.outputs, self.stride());
        let both = self.class_major(&[theta, u])?;
        let (theta, u) = both.split_at(outputs * stride);
        let chunks = self.pass(
            batch.features,
            batch.rows,
            |_| Aligned::zeros(outputs * stride),
            |sums, tile: Tile<'_, T>| {
                let rows = tile.range.len();
                let (mut p, mut ds) = (zeros(rows * outputs)?, zeros(rows * outputs)?);
                skinny::project(tile.rows, rows, stride, theta, outputs, &mut p);
                skinny::project(tile.rows, rows, stride, u, outputs, &mut ds);
                self.loss.predict(&mut p, outputs);
                self.loss.curvature(&p, &mut ds, outputs, &weights[tile.range]);
                skinny::accumulate(tile.rows, rows, stride, &ds, outputs, sums);
                Ok(())
            },
        )?;
        let mut total: Vec<T> = zeros(outputs * stride)?;
        for sums in &chunks {
            vector::axpy(T::one(), sums, &mut total);
        }
        self.add_class_major(&total, product)
    }

    /// ∂ℓ/∂a = W ∂ℓ/∂z, which changes by U ∂ℓ/∂z + W (∂²ℓ/∂z²) ż.
    fn along(&self, theta: &[T], batch: Batch<'_>, weights: &[T], u: &[T], out: Along<'_, T>) -> Result<()> {
        let (outputs, stride, features) = (self.outputs, self.stride(), self.features);
        let both = self.class_major(&[theta, u])?;
        let (theta, u) = both.split_at(outputs * stride);
        let (scores, inputs) = (!out.scores.is_empty(), !out.inputs.is_empty());
        let chunks = self.pass(
            batch.features,
            batch.rows,
            |_| Ok([const { Vec::new() }; 3]),
            |all: &mut [Vec<T>; 3], tile: Tile<'_, T>| {
                let rows = tile.range.len();
                let (mut r, mut ds) = (zeros(rows * outputs)?, zeros(rows * outputs)?);
                skinny::project(tile.rows, rows, stride, theta, outputs, &mut r);
                skinny::project(tile.rows, rows, stride, u, outputs, &mut ds);
                self.loss.predict(&mut r, outputs);
                let p = if inputs { copied(&r)? } else { Vec::new() };
                let mut ones = reserved(rows)?;
                ones.resize(rows, T::one());
                self.loss.residuals(&mut r, outputs, &batch, tile.range.start, Labels::Given, &ones)?;
                grow(&mut all[0], rows)?;
                let dots = r.chunks_exact(outputs).zip(ds.chunks_exact(outputs));
                all[0].extend(dots.map(|(r, ds)| r.iter().zip(ds).map(|(&r, &ds)| r * ds).sum::<T>()));
                if scores {
                    append(&mut all[1], &ds)?;
                }
                if !inputs {
                    return Ok(());
                }
                let weights = &weights[tile.range];
                self.loss.curvature(&p, &mut ds, outputs, weights);
                let start = all[2].len();
                grow(&mut all[2], rows * features)?;
                all[2].resize(start + rows * features, T::zero());
                for (i, row) in all[2][start..].chunks_exact_mut(features).enumerate() {
                    for c in 0..outputs {
                        let at = c * stride..c * stride + features;
                        vector::axpy(weights[i] * r[i * outputs + c], &u[at.clone()], row);
                        vector::axpy(ds[i * outputs + c], &theta[at], row);
                    }
                }
                Ok(())
            },
        )?;
        out.fill(chunks);
        Ok(())
    }

    fn factors(&self, theta: &[T], batch: Batch<'_>, statistic: Statistic, seed: u64) -> Result<Factors<T>> {
        let (outputs, stride, inputs) = (self.outputs, self.stride(), self.inputs());
        let weights = self.class_major(&[theta])?;
        let directions = self.loss.directions(statistic, outputs);
        let form = self.loss.form(statistic);
        let mut layer = LayerFactors { form, ..LayerFactors::new(Vec::new(), Vec::new()) };
        let width = layer.output_width(directions, outputs);
        let chunks = self.pass(
            batch.features,
            batch.rows,
            |chunk| Ok((reserved(chunk.len() * inputs)?, reserved(chunk.len() * width)?)),
            |(a, s): &mut (Vec<T>, Vec<T>), tile: Tile<'_, T>| {
                let rows = tile.range.len();
                tile.rows.chunks_exact(stride).for_each(|row| a.extend_from_slice(&row[..inputs]));
                let mut p = zeros(rows * outputs)?;
                skinny::project(tile.rows, rows, stride, &weights, outputs, &mut p);
                self.loss.predict(&mut p, outputs);
                if form == Outputs::Softmax {
                    s.extend_from_slice(&p);
                    return Ok(());
                }
                let start = s.len();
                s.resize(start + rows * width, T::zero());
                self.loss.roots(&mut p, outputs, &batch, tile.range.start, statistic, seed, &mut s[start..])
            },
        )?;
        layer.inputs = reserved(batch.len() * inputs)?;
        layer.outputs = reserved(batch.len() * width)?;
        for (inputs, outputs) in chunks {
            layer.inputs.extend(inputs);
            layer.outputs.extend(outputs);
        }
        Ok(Factors { weights: Vec::new(), directions, layers: vec![layer] })
    }

    fn probabilities(&self, theta: &[T], features: &Features, rows: RowSet<'_>, out: &mut [T]) -> Result<()> {
        let (outputs, stride) = (self.outputs, self.stride());
        let weights = self.class_major(&[theta])?;
        let columns = Model::<T>::classes(self);
        let chunks = self.pass(
            features,
            rows,
            |chunk| reserved(chunk.len() * columns),
            |out: &mut Vec<T>, tile: Tile<'_, T>| {
                let mut p = zeros(tile.range.len() * outputs)?;
                skinny::project(tile.rows, tile.range.len(), stride, &weights, outputs, &mut p);
                self.loss.predict(&mut p, outputs);
                match self.loss {
                    Loss::Logistic => out.extend(p.iter().flat_map(|&p| [T::one() - p, p])),
                    _ => out.extend_from_slice(&p),
                }
                Ok(())
            },
        )?;
        for (out, chunk) in out.chunks_mut(CHUNK * columns).zip(chunks) {
            out.copy_from_slice(&chunk);
        }
        Ok(())
    }
}
