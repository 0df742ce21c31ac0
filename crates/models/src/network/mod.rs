//! Networks of convolutions and dense layers with an activation between them, of any depth; without convolutions they
//! are multilayer perceptrons.
//!
//! Layer l maps its inputs a_l (with a trailing 1 for the bias) to sums s_l = W̄_lᵀ a_l, and a_{l+1} = φ(s_l), pooled
//! where the layer says so; the last sums are the scores z that the loss sees. A convolution does so at each position t
//! of its window, with the same W̄_l. θ is the concatenation of the W̄_l, `(inputs + 1) × outputs`, row-major, the bias
//! last; the inputs of a convolution are its window, channels × kernel × kernel. With δ_l = ∂ℓ/∂s_l, backwards from
//! ∂ℓ/∂z, without pooling,
//!
//! δ_{l−1} = φ′(s_{l−1}) ∘ W_l δ_l, ∂ℓ/∂W̄_l = Σ_t a_lt δ_ltᵀ.
//!
//! Samples of a chunk go forward and back together. A chunk sums Σ_t a_t δ_tᵀ of its convolutions, whose W̄ are small. Of
//! dense layers it is added to the gradient in place: one thread takes each block of its rows, chunk after chunk. No
//! copies of a large gradient are held, and its bits don't depend on the number of threads.

mod image;
mod layer;
mod layers;
mod passes;
mod sums;

pub use image::{Convolution, Image, Pooling};
pub use layers::Network;

use nhgd_curvature::{Factors, LayerFactors, LayerShape, Outputs, Statistic};
use nhgd_kernels::memory::{Result, collected, copied, filled, joined, reserved, zeros};
use nhgd_kernels::{Activation, Features, RowSet, Scalar};

use crate::random::push_layer;
use crate::{Along, Batch, BatchTargets, Labels, Loss, Model, Term};
use layer::Layer;

impl<T: Scalar> Model<T> for Network<T> {
    fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.shape.inputs * layer.shape.outputs).sum()
    }

    fn features(&self) -> usize {
        self.layers[0].units
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
        self.layers.iter().map(|layer| layer.shape).collect()
    }

    /// Uniform weights and no biases, scaled after He et al. 2015 before `Relu` and `Gelu`, after Glorot & Bengio 2010
    /// before `Tanh` and the loss.
    fn initial(&self, seed: u64) -> Result<Vec<T>> {
        let mut theta = reserved(self.parameters())?;
        for (l, layer) in self.layers.iter().enumerate() {
            let [inputs, outputs] = layer.fans;
            let rectified = l + 1 < self.depth() && self.activation != Activation::Tanh;
            let limit = (6.0 / if rectified { inputs } else { inputs + outputs } as f64).sqrt();
            push_layer(&mut theta, seed, inputs, layer.shape.outputs, limit)?;
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
        for block in self.blocks(batch.len()) {
            let chunks = self.chunks(block, |range| {
                let mut forward = self.forward(&theta, &batch, range.clone(), false)?;
                let mut losses = zeros(range.len())?;
                let targets = batch.targets.slice(range.clone());
                self.loss.evaluate(&mut forward.scores, classes, targets, &mut losses);
                let deltas = wanted.iter().map(|(weights, labels)| {
                    let mut last = self.memory.take(forward.scores.len())?;
                    last.copy_from_slice(&forward.scores);
                    let weights = &weights[range.clone()];
                    self.loss.residuals(&mut last, classes, &batch, range.start, *labels, weights)?;
                    let mut deltas = self.backward(&theta, &forward, last, 1)?;
                    self.sum_shared(&forward, &mut deltas, None)?;
                    Ok(deltas)
                });
                let deltas = deltas.collect::<Result<Vec<_>>>()?;
                Ok((forward, deltas, losses))
            })?;
            for (forward, _, chunk) in &chunks {
                losses[forward.range.clone()].copy_from_slice(chunk);
            }
            self.accumulate(&mut targets, &|k, l| {
                chunks.iter().map(|(forward, deltas, _)| self.addend(l, forward, &deltas[k][l])).collect()
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
        self.multiply(theta, batch, weights, u, product, false)
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
        self.multiply(theta, batch, weights, u, product, true)
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
                let first = &self.layers[0];
                all[2] = zeros(range.len() * first.units)?;
                first.pull(theta[0], &dots[0], T::zero(), &mut all[2], &self.memory)?;
                first.pull(u[0], &deltas[0], T::one(), &mut all[2], &self.memory)?;
            }
            Ok(all)
        })?;
        out.fill(chunks);
        Ok(())
    }

    fn factor_sizes(&self, statistic: Statistic) -> (usize, usize) {
        let (directions, form) = (self.loss.directions(statistic, self.outputs()), self.loss.form(statistic));
        let entries = self.layers.iter().map(|layer| layer.factor_entries(directions)).sum::<usize>();
        let spared = if form == Outputs::Softmax { (directions - 1) * self.outputs() } else { 0 };
        (directions, entries - spared)
    }

    fn factors(&self, theta: &[T], batch: Batch<'_>, statistic: Statistic, seed: u64) -> Result<Factors<T>> {
        let (theta, classes) = (self.matrices(theta), self.outputs());
        let (directions, form) = (self.loss.directions(statistic, classes), self.loss.form(statistic));
        let chunks = self.chunks(0..batch.len(), |range| {
            let mut forward = self.forward(&theta, &batch, range.clone(), false)?;
            self.loss.predict(&mut forward.scores, classes);
            let mut last = self.memory.take(if self.depth() == 1 && form == Outputs::Softmax {
                0 // No layer below wants the directions one by one.
            } else {
                range.len() * directions * classes
            })?;
            let p = copied(&forward.scores)?;
            if !last.is_empty() {
                let scores = &mut forward.scores;
                self.loss.roots(scores, classes, &batch, range.start, statistic, seed, &mut last)?;
            }
            let deltas = self.backward(&theta, &forward, last, directions)?;
            Ok((forward.inputs, deltas, p))
        })?;
        let factors = |layer: &Layer| LayerFactors {
            positions: layer.positions,
            ..LayerFactors::new(Vec::new(), Vec::new())
        };
        let mut layers: Vec<_> = self.layers.iter().map(factors).collect();
        layers[self.depth() - 1].form = form;
        for (inputs, deltas, p) in chunks {
            for (l, (factors, layer)) in layers.iter_mut().zip(&self.layers).enumerate() {
                layer.push_inputs(&inputs[l], &self.memory, &mut factors.inputs)?;
                let compact = factors.form == Outputs::Softmax;
                layer.push_outputs(if compact { &p } else { &deltas[l] }, &mut factors.outputs)?;
            }
        }
        Ok(Factors { weights: Vec::new(), directions, layers })
    }

    /// Under the squared loss these are the network's outputs: estimates of the probabilities, which may be negative and
    /// need not sum to 1.
    fn probabilities(&self, theta: &[T], features: &Features, rows: RowSet<'_>, out: &mut [T]) -> Result<()> {
        let theta = self.matrices(theta);
        let batch = Batch { features, positions: rows, rows, targets: BatchTargets::Classes(&[]) };
        let chunks = self.chunks(0..rows.len(), |range| {
            let mut scores = self.forward(&theta, &batch, range, false)?.scores;
            self.loss.predict(&mut scores, self.outputs());
            copied(&scores)
        })?;
        out.copy_from_slice(&joined(&chunks)?);
        Ok(())
    }
}
