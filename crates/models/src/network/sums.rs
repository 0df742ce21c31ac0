//! The sums Σ a δᵀ over samples, which are gradients and products with curvature.

use std::sync::{Mutex, PoisonError};

use nhgd_kernels::memory::Result;
use nhgd_kernels::{MatMut, MatRef, Scalar, for_chunks, matmul, vector};

use super::layer::Layer;
use super::layers::Network;
use super::passes::{Forward, Tangent};
use crate::Batch;
use crate::pool::Buffer;

/// Parts into which a layer's rows are split, the unit that threads share where samples are summed.
const PARTS: usize = 2;

/// What a chunk adds to the sum of a layer, inputs × outputs.
pub(super) enum Addend<'a, T> {
    /// aᵀδ of rows × inputs, or the first of them, and rows × outputs.
    Product(MatRef<'a, T>, MatRef<'a, T>),
    /// The sum itself.
    Sum(&'a [T]),
}

impl<T: Scalar> Network<T> {
    /// Makes of δ of each convolution its sum Σ a δᵀ over the chunk, to which `moved` adds those of ȧ and its δ.
    pub(super) fn sum_shared<'a>(
        &'a self,
        forward: &Forward<'_, T>,
        deltas: &mut [Buffer<'a, T>],
        moved: Option<[&[Buffer<'_, T>]; 2]>,
    ) -> Result<()> {
        for (l, layer) in self.layers.iter().enumerate().filter(|(_, layer)| layer.shares()) {
            let mut pairs = vec![((&*forward.inputs[l], true), &*deltas[l])];
            if let (Some([inputs, deltas]), Some(below)) = (moved, l.checked_sub(1)) {
                pairs.push(((&inputs[below], false), &deltas[l]));
            }
            let sum = layer.outer(&pairs, &self.memory)?;
            deltas[l] = sum;
        }
        Ok(())
    }

    /// What a chunk adds to the sum of layer l, of δ after [`Network::sum_shared`].
    pub(super) fn addend<'a>(&self, l: usize, forward: &'a Forward<'_, T>, delta: &'a [T]) -> Addend<'a, T> {
        let (rows, layer) = (forward.range.len(), &self.layers[l]);
        if layer.shares() {
            return Addend::Sum(delta);
        }
        let a = MatRef::new(&forward.inputs[l], rows, layer.units + 1);
        Addend::Product(a, MatRef::new(delta, rows, layer.shape.outputs))
    }

    /// Adds all addends of target k and layer l, in their order, to that layer of the k-th target.
    #[inline(never)]
    pub(super) fn accumulate<'a>(
        &self,
        targets: &mut [&mut [T]],
        addends: &(dyn Fn(usize, usize) -> Vec<Addend<'a, T>> + Sync),
    ) -> Result<()> {
        let mut parts = Vec::new();
        for (k, target) in targets.iter_mut().enumerate() {
            let mut rest = &mut **target;
            for (l, shape) in self.layers.iter().map(|layer| layer.shape).enumerate() {
                let (layer, tail) = rest.split_at_mut(shape.inputs * shape.outputs);
                let height = shape.inputs.div_ceil(PARTS);
                let rows = layer.chunks_mut(height * shape.outputs).enumerate();
                parts.extend(rows.map(|(i, part)| (k, l, i * height, Mutex::new(part))));
                rest = tail;
            }
        }
        for_chunks(parts.len(), 1, self.threads, |i, _| {
            let (k, l, first, part) = &parts[i];
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            let outputs = self.layers[*l].shape.outputs;
            for addend in addends(*k, *l) {
                match addend {
                    Addend::Sum(sum) => {
                        vector::axpy(T::one(), &sum[first * outputs..][..part.len()], &mut part);
                    }
                    Addend::Product(a, delta) => {
                        let height = (part.len() / outputs).min(a.cols() - first);
                        let a = a.block(0, *first, a.rows(), height).t();
                        let sum = MatMut::new(&mut part[..height * outputs], height, outputs);
                        matmul(sum, T::one(), T::one(), a, delta)?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// product += Σ w_i M_i u: M_i is the Hessian of ℓ_i, or its Gauss–Newton matrix.
    pub(super) fn multiply(
        &self,
        theta: &[T],
        batch: Batch<'_>,
        weights: &[T],
        u: &[T],
        product: &mut [T],
        hessian: bool,
    ) -> Result<()> {
        let (theta, u) = (self.matrices(theta), self.matrices(u));
        for block in self.blocks(batch.len()) {
            let chunks = self.chunks(block, |range| {
                let mut forward = self.forward(&theta, &batch, range.clone(), hessian)?;
                let Tangent { mut inputs, scores: mut last } = self.tangent(&theta, &u, &mut forward)?;
                let [deltas, mut dots] = if hessian {
                    self.hessian_deltas(&theta, &u, &batch, weights, &mut forward, last)?
                } else {
                    inputs.clear();
                    self.loss.predict(&mut forward.scores, self.outputs());
                    self.loss.curvature(&forward.scores, &mut last, self.outputs(), &weights[range]);
                    [Vec::new(), self.backward(&theta, &forward, last, 1)?]
                };
                self.sum_shared(&forward, &mut dots, hessian.then_some([&inputs, &deltas]))?;
                Ok((forward, inputs, deltas, dots))
            })?;
            // d/dε Σ a δᵀ = Σ a δ̇ᵀ + Σ ȧ δᵀ.
            self.accumulate(&mut [product], &|_, l| {
                let (Layer { units, shape, .. }, shares) = (&self.layers[l], self.layers[l].shares());
                let mut addends = Vec::new();
                for (forward, _, _, dots) in &chunks {
                    addends.push(self.addend(l, forward, &dots[l]));
                }
                for (forward, inputs, deltas, _) in chunks.iter().filter(|_| hessian && l > 0 && !shares) {
                    let rows = forward.range.len();
                    let inputs = MatRef::new(&inputs[l - 1], rows, *units);
                    addends.push(Addend::Product(inputs, MatRef::new(&deltas[l], rows, shape.outputs)));
                }
                addends
            })?;
        }
        Ok(())
    }
}
