//! Multilayer perceptrons: dense layers with an activation between them, of any depth.
//!
//! Layer l maps its inputs a_l (with a trailing 1 for the bias) to sums s_l = W̄_lᵀ a_l, and a_{l+1} = φ(s_l); the last
//! sums are the scores z that the loss sees. θ is the concatenation of the W̄_l, `(inputs + 1) × outputs`, row-major,
//! the bias last. With δ_l = ∂ℓ/∂s_l, backwards from ∂ℓ/∂z,
//!
//! δ_{l−1} = φ′(s_{l−1}) ∘ W_l δ_l, ∂ℓ/∂W̄_l = a_l δ_lᵀ.
//!
//! Rows of a chunk go forward and back together as matrix products; then Σ_i a_i δ_iᵀ is added to the gradient in
//! place: one thread takes each block of its rows, chunk after chunk. No copies of a gradient are held, and its bits
//! don't depend on the number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use nhgd_curvature::{Factors, LayerFactors, LayerShape, Outputs, Statistic};
use nhgd_kernels::memory::{Result, append, collected, copied, filled, joined, reserved, zeros};
use nhgd_kernels::{
    Activation, Features, MatMut, MatRef, RowSet, Scalar, activate, for_chunks, matmul, vector,
};

use crate::pool::{Buffer, Pool};
use crate::random::push_layer;
use crate::{Along, Batch, BatchTargets, Labels, Loss, Model, Term};

/// Samples whose values at all layers are held at once.
const BLOCK: usize = 1024;
/// Samples per chunk, the unit that threads share.
const CHUNK: usize = 512;
/// Parts into which a layer's rows are split, the unit that threads share where samples are summed.
const PARTS: usize = 2;

/// A network of dense layers.
#[derive(Debug)]
pub struct Mlp<T: Scalar> {
    /// Units of each level, from the features to the classes.
    widths: Vec<usize>,
    activation: Activation,
    loss: Loss,
    threads: usize,
    pool: Pool<T>,
}

/// A chunk after its way forward.
struct Forward<'a, T: Scalar> {
    range: Range<usize>,
    /// a_l of every layer, rows × (inputs + 1).
    inputs: Vec<Buffer<'a, T>>,
    /// φ′(s_l) of every layer but the last.
    slopes: Vec<Buffer<'a, T>>,
    /// φ″(s_l) of the same layers, where they were asked for.
    bends: Vec<Buffer<'a, T>>,
    /// Scores, then what the loss makes of them, rows × C.
    scores: Buffer<'a, T>,
}

/// Derivatives of a chunk's way forward in a direction u of θ, without those of the features, which are zero.
struct Tangent<'a, T: Scalar> {
    /// ȧ_l of every layer but the first, rows × inputs: the bias has none.
    inputs: Vec<Buffer<'a, T>>,
    /// ż.
    scores: Buffer<'a, T>,
}

/// Operands of a layer's sum Σ_i a_i δ_iᵀ over a chunk: rows × inputs, rows × outputs.
type Operands<'a, T> = (MatRef<'a, T>, MatRef<'a, T>);

impl<T: Scalar> Mlp<T> {
    /// A network from `features` inputs over `hidden` layers to `classes` outputs; without hidden layers it is a linear
    /// model. `threads` is the most that a pass over many samples may use.
    ///
    /// It keeps the working memory of its largest call, some 3 · 1024 · (sum of all widths) entries.
    pub fn new(
        features: usize,
        hidden: &[usize],
        classes: usize,
        activation: Activation,
        loss: Loss,
        threads: usize,
    ) -> Self {
        let widths = [&[features], hidden, &[classes]].concat();
        assert!(widths.iter().all(|&units| units > 0), "every layer has units");
        Self { widths, activation, loss, threads, pool: Pool::default() }
    }

    /// Number of layers.
    fn depth(&self) -> usize {
        self.widths.len() - 1
    }

    fn outputs(&self) -> usize {
        self.widths[self.depth()]
    }

    fn shape(&self, l: usize) -> LayerShape {
        LayerShape { inputs: self.widths[l] + 1, outputs: self.widths[l + 1] }
    }

    fn shapes(&self) -> impl Iterator<Item = LayerShape> + '_ {
        (0..self.depth()).map(|l| self.shape(l))
    }

    /// W̄_l of every layer.
    fn matrices<'t>(&self, theta: &'t [T]) -> Vec<MatRef<'t, T>> {
        let mut rest = theta;
        let split = |LayerShape { inputs, outputs }| {
            let (layer, tail) = rest.split_at(inputs * outputs);
            rest = tail;
            MatRef::new(layer, inputs, outputs)
        };
        self.shapes().map(split).collect()
    }

    /// Calls `body` with each chunk of a block.
    fn chunks<R: Send>(
        &self,
        block: Range<usize>,
        body: impl Fn(Range<usize>) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        for_chunks(block.len(), CHUNK, self.threads, |_, range| {
            body(block.start + range.start..block.start + range.end)
        })
    }

    /// Inputs of all layers, slopes (and bends) of all activations, and scores of the samples in `range`.
    fn forward(
        &self,
        theta: &[MatRef<'_, T>],
        batch: &Batch<'_>,
        range: Range<usize>,
        bends: bool,
    ) -> Result<Forward<'_, T>> {
        let rows = range.len();
        let mut features = self.pool.take(rows * (self.widths[0] + 1))?;
        batch.features.widen(batch.rows.slice(range.clone()), true, &mut features, self.widths[0] + 1);
        let mut forward = Forward {
            range,
            inputs: vec![features],
            slopes: Vec::new(),
            bends: Vec::new(),
            scores: self.pool.take(0)?,
        };
        for (l, weights) in theta.iter().enumerate() {
            let LayerShape { inputs, outputs } = self.shape(l);
            let mut sums = self.pool.take(rows * outputs)?;
            let a = MatRef::new(&forward.inputs[l], rows, inputs);
            matmul(MatMut::new(&mut sums, rows, outputs), T::zero(), T::one(), a, *weights)?;
            if l + 1 == self.depth() {
                forward.scores = sums;
                break;
            }
            if bends {
                let mut bend = self.pool.take(sums.len())?;
                bend.iter_mut().zip(sums.iter()).for_each(|(bend, &s)| *bend = self.activation.at(s)[2]);
                forward.bends.push(bend);
            }
            let mut values = self.pool.take(rows * (outputs + 1))?;
            activate(self.activation, outputs, &mut sums, &mut values);
            forward.slopes.push(sums);
            forward.inputs.push(values);
        }
        Ok(forward)
    }

    /// ṡ_l = U̅_lᵀ a_l + W_lᵀ ȧ_l, ȧ_{l+1} = φ′(s_l) ∘ ṡ_l; bends become φ″(s_l) ∘ ṡ_l.
    fn tangent(
        &self,
        theta: &[MatRef<'_, T>],
        u: &[MatRef<'_, T>],
        forward: &mut Forward<'_, T>,
    ) -> Result<Tangent<'_, T>> {
        let rows = forward.range.len();
        let mut dots: Vec<Buffer<'_, T>> = Vec::new();
        for (l, (theta, u)) in theta.iter().zip(u).enumerate() {
            let LayerShape { inputs, outputs } = self.shape(l);
            let mut sums = self.pool.take(rows * outputs)?;
            let a = MatRef::new(&forward.inputs[l], rows, inputs);
            matmul(MatMut::new(&mut sums, rows, outputs), T::zero(), T::one(), a, *u)?;
            if let Some(dot) = dots.last() {
                let dot = MatRef::new(dot, rows, inputs - 1);
                let weights = theta.block(0, 0, inputs - 1, outputs);
                matmul(MatMut::new(&mut sums, rows, outputs), T::one(), T::one(), dot, weights)?;
            }
            if let Some(bend) = forward.bends.get_mut(l) {
                vector::mul_into(&sums, bend);
            }
            if let Some(slopes) = forward.slopes.get(l) {
                vector::mul_into(slopes, &mut sums);
            }
            dots.push(sums);
        }
        let scores = dots.pop().map_or_else(|| self.pool.take(0), Ok)?;
        Ok(Tangent { inputs: dots, scores })
    }

    /// out ← β out + δ_l W_lᵀ.
    fn pull(&self, weights: MatRef<'_, T>, delta: &[T], beta: T, out: &mut [T]) -> Result<()> {
        let (inputs, outputs) = (weights.rows() - 1, weights.cols());
        let rows = delta.len() / outputs;
        let weights = weights.block(0, 0, inputs, outputs).t();
        matmul(MatMut::new(out, rows, inputs), beta, T::one(), MatRef::new(delta, rows, outputs), weights)
    }

    /// δ_l of every layer, from δ of the last one: `directions` rows for each sample.
    fn backward<'a>(
        &'a self,
        theta: &[MatRef<'_, T>],
        slopes: &[Buffer<'_, T>],
        last: Buffer<'a, T>,
        directions: usize,
    ) -> Result<Vec<Buffer<'a, T>>> {
        let rows = last.len() / self.outputs();
        let mut deltas = vec![last];
        for l in (1..self.depth()).rev() {
            let units = self.widths[l];
            let mut delta = self.pool.take(rows * units)?;
            self.pull(theta[l], &deltas[deltas.len() - 1], T::zero(), &mut delta)?;
            if directions == 1 {
                vector::mul_into(&slopes[l - 1], &mut delta);
            } else {
                let samples = delta.chunks_exact_mut(directions * units);
                for (delta, slopes) in samples.zip(slopes[l - 1].chunks_exact(units)) {
                    delta.chunks_exact_mut(units).for_each(|delta| vector::mul_into(slopes, delta));
                }
            }
            deltas.push(delta);
        }
        deltas.reverse();
        Ok(deltas)
    }

    /// δ_l and δ̇_l of every layer, with
    /// δ̇_{l−1} = φ′(s_{l−1}) ∘ (W_l δ̇_l + U_l δ_l) + φ″(s_{l−1}) ∘ ṡ_{l−1} ∘ W_l δ_l.
    fn hessian_deltas<'a>(
        &'a self,
        theta: &[MatRef<'_, T>],
        u: &[MatRef<'_, T>],
        batch: &Batch<'_>,
        weights: &[T],
        forward: &mut Forward<'a, T>,
        scores_dot: Buffer<'a, T>,
    ) -> Result<[Vec<Buffer<'a, T>>; 2]> {
        let (range, classes) = (forward.range.clone(), self.outputs());
        let weights = &weights[range.clone()];
        let (mut last, mut last_dot) =
            (std::mem::replace(&mut forward.scores, self.pool.take(0)?), scores_dot);
        self.loss.predict(&mut last, classes);
        self.loss.curvature(&last, &mut last_dot, classes, weights);
        self.loss.residuals(&mut last, classes, batch, range.start, Labels::Given, weights)?;
        let (mut deltas, mut dots) = (vec![last], vec![last_dot]);
        for l in (1..self.depth()).rev() {
            let size = forward.range.len() * self.widths[l];
            let (mut delta, mut dot) = (self.pool.take(size)?, self.pool.take(size)?);
            let (above, above_dot) = (&deltas[deltas.len() - 1], &dots[dots.len() - 1]);
            self.pull(theta[l], above, T::zero(), &mut delta)?;
            self.pull(theta[l], above_dot, T::zero(), &mut dot)?;
            self.pull(u[l], above, T::one(), &mut dot)?;
            vector::mul_into(&forward.slopes[l - 1], &mut dot);
            let bent = delta.iter().zip(forward.bends[l - 1].iter());
            dot.iter_mut().zip(bent).for_each(|(dot, (&delta, &bend))| *dot += delta * bend);
            vector::mul_into(&forward.slopes[l - 1], &mut delta);
            deltas.push(delta);
            dots.push(dot);
        }
        deltas.reverse();
        dots.reverse();
        Ok([deltas, dots])
    }

    fn operands<'a>(&self, l: usize, forward: &'a Forward<'_, T>, delta: &'a [T]) -> Operands<'a, T> {
        let (rows, LayerShape { inputs, outputs }) = (forward.range.len(), self.shape(l));
        (MatRef::new(&forward.inputs[l], rows, inputs), MatRef::new(delta, rows, outputs))
    }

    /// Adds aᵀδ, for all operands of target k and layer l in their order, to that layer of the k-th target.
    fn accumulate<'a>(
        &self,
        targets: &mut [&mut [T]],
        operands: impl Fn(usize, usize) -> Vec<Operands<'a, T>> + Sync,
    ) -> Result<()> {
        let mut parts = Vec::new();
        for (k, target) in targets.iter_mut().enumerate() {
            let mut rest = &mut **target;
            for (l, LayerShape { inputs, outputs }) in self.shapes().enumerate() {
                let (layer, tail) = rest.split_at_mut(inputs * outputs);
                let height = inputs.div_ceil(PARTS);
                let rows = layer.chunks_mut(height * outputs).enumerate();
                parts.extend(rows.map(|(i, part)| (k, l, i * height, Mutex::new(part))));
                rest = tail;
            }
        }
        for_chunks(parts.len(), 1, self.threads, |i, _| {
            let (k, l, first, part) = &parts[i];
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            for (a, delta) in operands(*k, *l) {
                let height = (part.len() / delta.cols()).min(a.cols() - first);
                let a = a.block(0, *first, a.rows(), height).t();
                let sum = MatMut::new(&mut part[..height * delta.cols()], height, delta.cols());
                matmul(sum, T::one(), T::one(), a, delta)?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// Ranges of at most [`BLOCK`] samples.
fn blocks(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(n))
}

impl<T: Scalar> Model<T> for Mlp<T> {
    fn parameters(&self) -> usize {
        self.shapes().map(|layer| layer.inputs * layer.outputs).sum()
    }

    fn features(&self) -> usize {
        self.widths[0]
    }

    fn classes(&self) -> usize {
        self.outputs()
    }

    fn loss(&self) -> Loss {
        self.loss
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn layers(&self) -> Vec<LayerShape> {
        self.shapes().collect()
    }

    /// Uniform weights and no biases, scaled after He et al. 2015 before `Relu` and `Gelu`, after Glorot & Bengio 2010
    /// before `Tanh` and the loss.
    fn initial(&self, seed: u64) -> Result<Vec<T>> {
        let mut theta = reserved(self.parameters())?;
        for (l, widths) in self.widths.windows(2).enumerate() {
            let (inputs, outputs) = (widths[0], widths[1]);
            let rectified = l + 1 < self.depth() && self.activation != Activation::Tanh;
            let limit = (6.0 / if rectified { inputs } else { inputs + outputs } as f64).sqrt();
            push_layer(&mut theta, seed, inputs, outputs, limit)?;
        }
        Ok(theta)
    }

    fn curvature(&self) -> &'static str {
        if self.depth() == 1 { "hessian" } else { "gauss-newton" }
    }

    fn gradients(
        &self,
        theta: &[T],
        batch: Batch<'_>,
        terms: &mut [Term<'_, T>],
        losses: &mut [T],
    ) -> Result<()> {
        let (theta, classes) = (self.matrices(theta), self.outputs());
        let wanted: Vec<_> = terms.iter().map(|term| (term.weights, term.labels)).collect();
        let mut targets: Vec<&mut [T]> = terms.iter_mut().map(|term| &mut *term.gradient).collect();
        for block in blocks(batch.len()) {
            let chunks = self.chunks(block, |range| {
                let mut forward = self.forward(&theta, &batch, range.clone(), false)?;
                let mut losses = zeros(range.len())?;
                let targets = batch.targets.slice(range.clone());
                self.loss.evaluate(&mut forward.scores, classes, targets, &mut losses);
                let deltas = wanted.iter().map(|(weights, labels)| {
                    let mut last = self.pool.take(forward.scores.len())?;
                    last.copy_from_slice(&forward.scores);
                    let weights = &weights[range.clone()];
                    self.loss.residuals(&mut last, classes, &batch, range.start, *labels, weights)?;
                    self.backward(&theta, &forward.slopes, last, 1)
                });
                let deltas = deltas.collect::<Result<Vec<_>>>()?;
                Ok((forward, deltas, losses))
            })?;
            for (forward, _, chunk) in &chunks {
                losses[forward.range.clone()].copy_from_slice(chunk);
            }
            self.accumulate(&mut targets, |k, l| {
                chunks.iter().map(|(forward, deltas, _)| self.operands(l, forward, &deltas[k][l])).collect()
            })?;
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
        let (theta, u) = (self.matrices(theta), self.matrices(u));
        for block in blocks(batch.len()) {
            let chunks = self.chunks(block, |range| {
                let mut forward = self.forward(&theta, &batch, range.clone(), false)?;
                let mut last = self.tangent(&theta, &u, &mut forward)?.scores;
                self.loss.predict(&mut forward.scores, self.outputs());
                self.loss.curvature(&forward.scores, &mut last, self.outputs(), &weights[range]);
                let deltas = self.backward(&theta, &forward.slopes, last, 1)?;
                Ok((forward, deltas))
            })?;
            self.accumulate(&mut [product], |_, l| {
                chunks.iter().map(|(forward, deltas)| self.operands(l, forward, &deltas[l])).collect()
            })?;
        }
        Ok(())
    }

    /// By the R-operator (Pearlmutter 1994).
    fn hessian_product(
        &self,
        theta: &[T],
        batch: Batch<'_>,
        weights: &[T],
        u: &[T],
        product: &mut [T],
    ) -> Result<()> {
        let (theta, u) = (self.matrices(theta), self.matrices(u));
        for block in blocks(batch.len()) {
            let chunks = self.chunks(block, |range| {
                let mut forward = self.forward(&theta, &batch, range.clone(), true)?;
                let tangent = self.tangent(&theta, &u, &mut forward)?;
                let [deltas, dots] =
                    self.hessian_deltas(&theta, &u, &batch, weights, &mut forward, tangent.scores)?;
                Ok((forward, tangent.inputs, deltas, dots))
            })?;
            // d/dε Σ a δᵀ = Σ a δ̇ᵀ + Σ ȧ δᵀ.
            self.accumulate(&mut [product], |_, l| {
                let sums = chunks.iter().map(|(forward, _, _, dots)| self.operands(l, forward, &dots[l]));
                let moved = chunks.iter().filter(|_| l > 0).map(|(forward, inputs, deltas, _)| {
                    let rows = forward.range.len();
                    (
                        MatRef::new(&inputs[l - 1], rows, self.widths[l]),
                        MatRef::new(&deltas[l], rows, self.widths[l + 1]),
                    )
                });
                sums.chain(moved).collect()
            })?;
        }
        Ok(())
    }

    /// ∂ℓ/∂a_0 = W_0 δ_0, which changes by U_0 δ_0 + W_0 δ̇_0.
    fn along(&self, theta: &[T], batch: Batch<'_>, weights: &[T], u: &[T], out: Along<'_, T>) -> Result<()> {
        let (theta, u, classes) = (self.matrices(theta), self.matrices(u), self.outputs());
        let (scores, inputs) = (!out.scores.is_empty(), !out.inputs.is_empty());
        let chunks = self.chunks(0..batch.len(), |range| {
            let mut forward = self.forward(&theta, &batch, range.clone(), inputs)?;
            let dots = self.tangent(&theta, &u, &mut forward)?.scores;
            let mut all = [const { Vec::new() }; 3];
            let mut residuals = copied(&forward.scores)?;
            self.loss.predict(&mut residuals, classes);
            let (labels, ones) = (Labels::Given, filled(T::one(), range.len())?);
            self.loss.residuals(&mut residuals, classes, &batch, range.start, labels, &ones)?;
            let rows = residuals.chunks_exact(classes).zip(dots.chunks_exact(classes));
            all[0] = collected(rows.map(|(r, dot)| r.iter().zip(dot).map(|(&r, &dot)| r * dot).sum()))?;
            if scores {
                all[1] = copied(&dots)?;
            }
            if inputs {
                let [deltas, dots] = self.hessian_deltas(&theta, &u, &batch, weights, &mut forward, dots)?;
                all[2] = zeros(range.len() * self.widths[0])?;
                self.pull(theta[0], &dots[0], T::zero(), &mut all[2])?;
                self.pull(u[0], &deltas[0], T::one(), &mut all[2])?;
            }
            Ok(all)
        })?;
        out.fill(chunks);
        Ok(())
    }

    fn factors(&self, theta: &[T], batch: Batch<'_>, statistic: Statistic, seed: u64) -> Result<Factors<T>> {
        let (theta, classes) = (self.matrices(theta), self.outputs());
        let (directions, form) = (self.loss.directions(statistic, classes), self.loss.form(statistic));
        let chunks = self.chunks(0..batch.len(), |range| {
            let mut forward = self.forward(&theta, &batch, range.clone(), false)?;
            self.loss.predict(&mut forward.scores, classes);
            let mut last = self.pool.take(if self.depth() == 1 && form == Outputs::Softmax {
                0 // No layer below wants the directions one by one.
            } else {
                range.len() * directions * classes
            })?;
            let p = copied(&forward.scores)?;
            if !last.is_empty() {
                let scores = &mut forward.scores;
                self.loss.roots(scores, classes, &batch, range.start, statistic, seed, &mut last)?;
            }
            let deltas = self.backward(&theta, &forward.slopes, last, directions)?;
            let all =
                |buffers: &[Buffer<'_, T>]| buffers.iter().map(|x| copied(x)).collect::<Result<Vec<_>>>();
            let (inputs, mut outputs) = (all(&forward.inputs)?, all(&deltas)?);
            if form == Outputs::Softmax {
                outputs[self.depth() - 1] = p;
            }
            Ok((inputs, outputs))
        })?;
        let mut layers = vec![LayerFactors::new(Vec::new(), Vec::new()); self.depth()];
        layers[self.depth() - 1].form = form;
        for (inputs, outputs) in &chunks {
            for (l, layer) in layers.iter_mut().enumerate() {
                append(&mut layer.inputs, &inputs[l])?;
                append(&mut layer.outputs, &outputs[l])?;
            }
        }
        Ok(Factors { weights: Vec::new(), directions, layers })
    }

    /// Under the squared loss these are the network's outputs: estimates of the probabilities, which may be negative and
    /// need not sum to 1.
    fn probabilities(&self, theta: &[T], features: &Features, rows: RowSet<'_>, out: &mut [T]) -> Result<()> {
        let theta = self.matrices(theta);
        let batch = Batch { features, rows, targets: BatchTargets::Classes(&[]) };
        let chunks = self.chunks(0..rows.len(), |range| {
            let mut scores = self.forward(&theta, &batch, range, false)?.scores;
            self.loss.predict(&mut scores, self.outputs());
            copied(&scores)
        })?;
        out.copy_from_slice(&joined(&chunks)?);
        Ok(())
    }
}
