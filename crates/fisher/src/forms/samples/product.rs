//! Products with F, from the factors alone.

use nhgd_curvature::{LayerFactors, LayerShape};
use nhgd_kernels::memory::{Result, zeros};
use nhgd_kernels::tuning::tile_rows;
use nhgd_kernels::vector::scale;
use nhgd_kernels::{Scalar, skinny};

use super::held::Held;

impl<T: Scalar> Held<T> {
    /// y ← F x: with B_l = mat(x), z_il = A_il B_l (a row per position) and q_ik = (w_i/n) Σ_l ⟨s_ikl, z_il⟩, layer l of y
    /// is Σ_i A_ilᵀ (Σ_k q_ik s_ikl). The samples pass once, tile by tile.
    pub fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        let (n, k) = (self.len(), self.factors.directions);
        let spans = self.spans();
        let parts = self.factors.layers.iter().zip(&self.shapes).zip(&spans);
        // The inputs of samples that are looked at together stay in the second cache.
        let inputs =
            |(layer, shape): (&LayerFactors<T>, &LayerShape)| layer.positions * skinny::stride(shape.inputs);
        let widest = self.factors.layers.iter().zip(&self.shapes).map(inputs).max().unwrap_or(1);
        let together = tile_rows(widest * size_of::<T>());
        let passes = parts.map(|((layer, &shape), at)| Pass::new(layer, shape, &x[at.clone()], together));
        let mut passes = passes.collect::<Result<Vec<_>>>()?;
        for first in (0..n).step_by(together) {
            let rows = together.min(n - first);
            let mut q: Vec<T> = zeros(rows * k)?;
            for pass in &mut passes {
                pass.project(first, rows);
                let width = pass.layer.positions * pass.shape.outputs;
                for ((i, q), z) in q.chunks_exact_mut(k).enumerate().zip(pass.z.chunks_exact(width)) {
                    pass.layer.project(first + i, z, q);
                }
            }
            for (i, q) in q.chunks_exact_mut(k).enumerate() {
                scale(self.factors.weights[first + i] / T::of(n as f64), q);
            }
            for pass in &mut passes {
                let width = pass.layer.positions * pass.shape.outputs;
                for ((i, q), z) in q.chunks_exact(k).enumerate().zip(pass.z.chunks_exact_mut(width)) {
                    pass.layer.combine(first + i, q, z);
                }
                pass.accumulate(rows);
            }
        }
        for (pass, span) in passes.iter().zip(spans) {
            let LayerShape { inputs, outputs } = pass.shape;
            skinny::from_class_major(&pass.sums, inputs, outputs, pass.stride, &mut y[span]);
        }
        Ok(())
    }
}

/// The part of a layer in one product with F.
struct Pass<'a, T> {
    layer: &'a LayerFactors<T>,
    shape: LayerShape,
    stride: usize,
    /// B and what becomes of its layer, class-major.
    weights: Vec<T>,
    sums: Vec<T>,
    /// Inputs of some samples, padded, and an entry for each of their outputs.
    tile: Vec<T>,
    z: Vec<T>,
}

impl<'a, T: Scalar> Pass<'a, T> {
    fn new(layer: &'a LayerFactors<T>, shape: LayerShape, x: &[T], samples: usize) -> Result<Self> {
        let LayerShape { inputs, outputs } = shape;
        let (stride, rows) = (skinny::stride(inputs), samples * layer.positions);
        let mut weights = zeros(outputs * stride)?;
        skinny::to_class_major(x, inputs, outputs, stride, &mut weights);
        let (sums, tile, z) = (zeros(outputs * stride)?, zeros(rows * stride)?, zeros(rows * outputs)?);
        Ok(Self { layer, shape, stride, weights, sums, tile, z })
    }

    /// Takes `samples` samples, the one of number `first` and those behind it, and their z.
    fn project(&mut self, first: usize, samples: usize) {
        let Self { layer, shape, stride, weights, tile, z, .. } = self;
        let (inputs, rows) = (shape.inputs, samples * layer.positions);
        let from = layer.inputs[first * layer.positions * inputs..].chunks_exact(inputs);
        for (row, from) in tile.chunks_exact_mut(*stride).take(rows).zip(from) {
            row[..inputs].copy_from_slice(from);
        }
        skinny::project(tile, rows, *stride, weights, shape.outputs, z);
    }

    /// Adds what z has become to the sums of the layer.
    fn accumulate(&mut self, samples: usize) {
        let Self { layer, shape, stride, tile, z, sums, .. } = self;
        skinny::accumulate(tile, samples * layer.positions, *stride, z, shape.outputs, sums);
    }
}
