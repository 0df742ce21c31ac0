//! The ways through a network: forward, forward in a direction of θ, and back.

use std::ops::Range;

use nhgd_kernels::memory::Result;
use nhgd_kernels::{MatRef, Scalar, activate, vector};

use super::layers::Network;
use crate::pool::Buffer;
use crate::{Batch, Labels};

/// A chunk after its way forward.
pub(super) struct Forward<'a, T: Scalar> {
    pub range: Range<usize>,
    /// a_l of every layer, rows × (units + 1).
    pub inputs: Vec<Buffer<'a, T>>,
    /// φ′(s_l) of every layer but the last, times the shares of its pooling.
    pub slopes: Vec<Buffer<'a, T>>,
    /// φ″(s_l) of the same layers in the same way, where they were asked for.
    bends: Vec<Buffer<'a, T>>,
    /// Scores, then what the loss makes of them, rows × C.
    pub scores: Buffer<'a, T>,
}

/// Derivatives of a chunk's way forward in a direction u of θ, without those of the features, which are zero.
pub(super) struct Tangent<'a, T: Scalar> {
    /// ȧ_l of every layer but the first, rows × units: the bias has none.
    pub inputs: Vec<Buffer<'a, T>>,
    /// ż.
    pub scores: Buffer<'a, T>,
}

impl<T: Scalar> Network<T> {
    /// Inputs of all layers, slopes (and bends) of all activations, and scores of the samples in `range`.
    pub(super) fn forward(
        &self,
        theta: &[MatRef<'_, T>],
        batch: &Batch<'_>,
        range: Range<usize>,
        bends: bool,
    ) -> Result<Forward<'_, T>> {
        let (rows, width) = (range.len(), self.layers[0].units + 1);
        let mut features = self.memory.take(rows * width)?;
        batch.features.widen(batch.rows.slice(range.clone()), true, &mut features, width);
        let mut forward = Forward {
            range,
            inputs: vec![features],
            slopes: Vec::new(),
            bends: Vec::new(),
            scores: self.memory.take(0)?,
        };
        for (l, (weights, layer)) in theta.iter().zip(&self.layers).enumerate() {
            let mut sums = self.memory.take(rows * layer.sums())?;
            layer.apply(*weights, (&forward.inputs[l], true), T::zero(), &mut sums, &self.memory)?;
            if l + 1 == self.depth() {
                forward.scores = sums;
                break;
            }
            if bends {
                let mut bend = self.memory.take(sums.len())?;
                bend.iter_mut().zip(sums.iter()).for_each(|(bend, &s)| *bend = self.activation.at(s)[2]);
                forward.bends.push(bend);
            }
            let mut values = self.memory.take(rows * (layer.sums() + 1))?;
            activate(self.activation, layer.sums(), &mut sums, &mut values);
            if let Some(squares) = &layer.squares {
                let mut all =
                    values.chunks_exact_mut(layer.sums() + 1).zip(sums.chunks_exact_mut(layer.sums()));
                let mut shares = self.memory.take(layer.sums())?;
                for (i, (values, slopes)) in all.by_ref().enumerate() {
                    let values = &mut values[..layer.sums()];
                    squares.shares(self.pooling, values, &mut shares);
                    vector::mul_into(&shares, values);
                    vector::mul_into(&shares, slopes);
                    if let Some(bends) = forward.bends.get_mut(l) {
                        vector::mul_into(&shares, &mut bends[i * layer.sums()..][..layer.sums()]);
                    }
                }
                values = self.pooled(l, &values, 1)?;
            }
            forward.slopes.push(sums);
            forward.inputs.push(values);
        }
        Ok(forward)
    }

    /// Sums of the squares of layer l, of `bias` 1 with a 1 after each sample.
    #[inline(never)]
    fn pooled(&self, l: usize, values: &[T], bias: usize) -> Result<Buffer<'_, T>> {
        let (sums, passed) = (self.layers[l].sums() + bias, self.layers[l].passed() + bias);
        let mut pooled = self.memory.take(values.len() / sums * passed)?;
        pooled.fill(T::zero());
        for (values, pooled) in values.chunks_exact(sums).zip(pooled.chunks_exact_mut(passed)) {
            if let Some(squares) = &self.layers[l].squares {
                squares.runs.carry(true, 0, values, pooled);
            }
            pooled[passed - bias..].fill(T::one());
        }
        Ok(pooled)
    }

    /// ṡ_l = U̅_lᵀ a_l + W_lᵀ ȧ_l, ȧ_{l+1} = φ′(s_l) ∘ ṡ_l, pooled; bends become φ″(s_l) ∘ ṡ_l.
    pub(super) fn tangent(
        &self,
        theta: &[MatRef<'_, T>],
        u: &[MatRef<'_, T>],
        forward: &mut Forward<'_, T>,
    ) -> Result<Tangent<'_, T>> {
        let rows = forward.range.len();
        let mut dots: Vec<Buffer<'_, T>> = Vec::new();
        for (l, layer) in self.layers.iter().enumerate() {
            let mut sums = self.memory.take(rows * layer.sums())?;
            layer.apply(u[l], (&forward.inputs[l], true), T::zero(), &mut sums, &self.memory)?;
            if let Some(dot) = dots.last() {
                layer.apply(theta[l], (dot, false), T::one(), &mut sums, &self.memory)?;
            }
            if let Some(bend) = forward.bends.get_mut(l) {
                vector::mul_into(&sums, bend);
            }
            if let Some(slopes) = forward.slopes.get(l) {
                vector::mul_into(slopes, &mut sums);
            }
            if layer.squares.is_some() {
                sums = self.pooled(l, &sums, 0)?;
            }
            dots.push(sums);
        }
        let scores = dots.pop().map_or_else(|| self.memory.take(0), Ok)?;
        Ok(Tangent { inputs: dots, scores })
    }

    /// Σ W_l δ_l over pairs of both, spread over the squares of layer l − 1.
    #[inline(never)]
    fn pull(&self, l: usize, pairs: &[(MatRef<'_, T>, &[T])]) -> Result<Buffer<'_, T>> {
        let (layer, below) = (&self.layers[l], &self.layers[l - 1]);
        let rows = pairs[0].1.len() / layer.sums();
        let mut delta = self.memory.take(rows * layer.units)?;
        for (k, &(weights, above)) in pairs.iter().enumerate() {
            let beta = if k == 0 { T::zero() } else { T::one() };
            layer.pull(weights, above, beta, &mut delta, &self.memory)?;
        }
        let Some(squares) = &below.squares else { return Ok(delta) };
        let mut spread = self.memory.take(rows * below.sums())?;
        spread.fill(T::zero());
        let samples = delta.chunks_exact(layer.units).zip(spread.chunks_exact_mut(below.sums()));
        samples.for_each(|(delta, spread)| squares.runs.carry(false, 1, delta, spread));
        Ok(spread)
    }

    /// δ_l of every layer, from δ of the last one: `directions` rows for each sample.
    pub(super) fn backward<'a>(
        &'a self,
        theta: &[MatRef<'_, T>],
        forward: &Forward<'_, T>,
        last: Buffer<'a, T>,
        directions: usize,
    ) -> Result<Vec<Buffer<'a, T>>> {
        let mut deltas = vec![last];
        for l in (1..self.depth()).rev() {
            if deltas[deltas.len() - 1].is_empty() {
                deltas.push(self.memory.take(0)?);
                continue;
            }
            let mut delta = self.pull(l, &[(theta[l], &deltas[deltas.len() - 1])])?;
            let (slopes, units) = (&forward.slopes[l - 1], self.layers[l - 1].sums());
            if directions == 1 {
                vector::mul_into(slopes, &mut delta);
            } else {
                let samples = delta.chunks_exact_mut(directions * units);
                for (delta, slopes) in samples.zip(slopes.chunks_exact(units)) {
                    delta.chunks_exact_mut(units).for_each(|delta| vector::mul_into(slopes, delta));
                }
            }
            deltas.push(delta);
        }
        deltas.reverse();
        Ok(deltas)
    }

    /// δ_l and δ̇_l of every layer, without pooling with
    /// δ̇_{l−1} = φ′(s_{l−1}) ∘ (W_l δ̇_l + U_l δ_l) + φ″(s_{l−1}) ∘ ṡ_{l−1} ∘ W_l δ_l.
    pub(super) fn hessian_deltas<'a>(
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
            (std::mem::replace(&mut forward.scores, self.memory.take(0)?), scores_dot);
        self.loss.predict(&mut last, classes);
        self.loss.curvature(&last, &mut last_dot, classes, weights);
        self.loss.residuals(&mut last, classes, batch, range.start, Labels::Given, weights)?;
        let (mut deltas, mut dots) = (vec![last], vec![last_dot]);
        for l in (1..self.depth()).rev() {
            let (above, above_dot) = (&*deltas[deltas.len() - 1], &*dots[dots.len() - 1]);
            let mut delta = self.pull(l, &[(theta[l], above)])?;
            let mut dot = self.pull(l, &[(theta[l], above_dot), (u[l], above)])?;
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
}
