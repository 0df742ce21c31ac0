//! Layers with weights: how they act on the values of samples. A dense layer meets its weights once per sample, a
//! convolution at each position of its window, by unfolding: the windows' entries become columns of a matrix.

use nhgd_curvature::LayerShape;
use nhgd_kernels::memory::{Result, append, grow};
use nhgd_kernels::{MatMut, MatRef, Scalar, matmul};

use super::image::{Convolution, Image, Runs, Squares, Windows};
use crate::pool::{Buffer, Pool};

/// Values of samples, and whether a 1 follows those of each.
pub(super) type Values<'a, T> = (&'a [T], bool);

/// A layer. The values of a sample are one row of `units` entries; where they have a bias, a 1 follows.
#[derive(Debug)]
pub(super) struct Layer {
    pub shape: LayerShape,
    /// Weights that lead to a sum, and those that lead on from an input, without the bias.
    pub fans: [usize; 2],
    /// Where a sample meets the weights: 1 of a dense layer.
    pub positions: usize,
    /// Values of a sample that come in, without the bias.
    pub units: usize,
    /// Those of a convolution; a dense layer has none.
    windows: Option<Windows>,
    /// Pooling of what its activation gives.
    pub squares: Option<Squares>,
}

impl Layer {
    pub fn dense(units: usize, outputs: usize) -> Self {
        Self {
            shape: LayerShape { inputs: units + 1, outputs },
            positions: 1,
            fans: [units, outputs],
            units,
            windows: None,
            squares: None,
        }
    }

    /// A convolution of an image, with the image that it passes on.
    pub fn convolution(from: Image, by: Convolution) -> Option<(Self, Image)> {
        let [sums, pooled] = by.images(from)?;
        let windows = Windows::new(from, sums, by);
        let shape = LayerShape { inputs: windows.patch() + 1, outputs: sums.channels };
        let squares = (by.pool > 1).then(|| Squares::new(sums, by.pool));
        Some((
            Self {
                shape,
                positions: sums.height * sums.width,
                fans: [windows.patch(), sums.channels * by.kernel * by.kernel],
                units: from.len(),
                windows: Some(windows),
                squares,
            },
            pooled,
        ))
    }

    /// Whether the weights are those of several positions.
    pub fn shares(&self) -> bool {
        self.windows.is_some()
    }

    /// Entries of a sample in the factors, with so many directions.
    pub fn factor_entries(&self, directions: usize) -> usize {
        self.positions * (self.shape.inputs + directions * self.shape.outputs)
    }

    /// Sums of a sample, outputs × positions.
    pub fn sums(&self) -> usize {
        self.positions * self.shape.outputs
    }

    /// Values of a sample that the next layer gets.
    pub fn passed(&self) -> usize {
        self.squares.as_ref().map_or(self.sums(), |squares| squares.count)
    }

    /// Inputs with the bias, or without it.
    fn inputs(&self, bias: bool) -> usize {
        self.shape.inputs - usize::from(!bias)
    }

    /// Calls `body` with the patches of each sample, inputs × grid.
    #[inline(never)]
    fn unfolded<T: Scalar>(
        &self,
        windows: &Windows,
        (values, bias): Values<'_, T>,
        memory: &Pool<T>,
        body: &mut dyn FnMut(usize, MatRef<'_, T>) -> Result<()>,
    ) -> Result<()> {
        let (inputs, grid) = (self.inputs(bias), windows.grid);
        let mut patches = memory.take(inputs * grid)?;
        let mut frame = memory.take(windows.frame)?;
        frame.fill(T::zero());
        patches[windows.patch() * grid..].fill(T::one());
        for (i, image) in values.chunks_exact(self.units + usize::from(bias)).enumerate() {
            windows.unfold(image, &mut frame, &mut patches[..windows.patch() * grid]);
            body(i, MatRef::new(&patches, inputs, grid))?;
        }
        Ok(())
    }

    /// sums ← β sums + W̄ᵀ a with β 0 or 1, for each sample and position. Values without a bias meet no bias of W̄.
    #[inline(never)]
    pub fn apply<T: Scalar>(
        &self,
        weights: MatRef<'_, T>,
        values: Values<'_, T>,
        beta: T,
        sums: &mut [T],
        memory: &Pool<T>,
    ) -> Result<()> {
        let (outputs, one) = (self.shape.outputs, T::one());
        let weights = weights.block(0, 0, self.inputs(values.1), outputs);
        let Some(windows) = &self.windows else {
            let rows = sums.len() / outputs;
            let values = MatRef::new(values.0, rows, weights.rows());
            return matmul(MatMut::new(sums, rows, outputs), beta, one, values, weights);
        };
        let mut wide = memory.take(outputs * windows.grid)?;
        self.unfolded(windows, values, memory, &mut |i, patches| {
            matmul(MatMut::new(&mut wide, outputs, patches.cols()), T::zero(), one, weights.t(), patches)?;
            let sums = &mut sums[i * self.sums()..][..self.sums()];
            windows.sums.carry(beta != T::zero(), 1, &wide, sums);
            Ok(())
        })
    }

    /// out ← β out + W δ with β 0 or 1, the transpose of [`Layer::apply`] without the bias.
    #[inline(never)]
    pub fn pull<T: Scalar>(
        &self,
        weights: MatRef<'_, T>,
        delta: &[T],
        beta: T,
        out: &mut [T],
        memory: &Pool<T>,
    ) -> Result<()> {
        let (inputs, outputs, one) = (self.inputs(false), self.shape.outputs, T::one());
        let weights = weights.block(0, 0, inputs, outputs);
        let Some(windows) = &self.windows else {
            let rows = delta.len() / outputs;
            let delta = MatRef::new(delta, rows, outputs);
            return matmul(MatMut::new(out, rows, inputs), beta, one, delta, weights.t());
        };
        if beta == T::zero() {
            out.fill(T::zero());
        }
        let grid = windows.grid;
        let mut patches = memory.take(inputs * grid)?;
        let mut frame = memory.take(windows.frame)?;
        let mut wide = memory.take(outputs * grid)?;
        wide.fill(T::zero());
        for (delta, image) in delta.chunks_exact(self.sums()).zip(out.chunks_exact_mut(self.units)) {
            windows.sums.carry(false, 0, delta, &mut wide);
            let delta = MatRef::new(&wide, outputs, grid);
            matmul(MatMut::new(&mut patches, inputs, grid), T::zero(), one, weights, delta)?;
            windows.fold(&patches, &mut frame, image);
        }
        Ok(())
    }

    /// Σ a δᵀ over all samples and positions of a convolution, from pairs of values and δ.
    #[inline(never)]
    pub fn outer<'m, T: Scalar>(
        &self,
        pairs: &[(Values<'_, T>, &[T])],
        memory: &'m Pool<T>,
    ) -> Result<Buffer<'m, T>> {
        let LayerShape { inputs, outputs } = self.shape;
        let mut sum = memory.take(inputs * outputs)?;
        sum.fill(T::zero());
        for (&(values, delta), windows) in pairs.iter().zip(self.windows.iter().cycle()) {
            let mut wide = memory.take(outputs * windows.grid)?;
            wide.fill(T::zero());
            self.unfolded(windows, values, memory, &mut |i, patches| {
                let delta = &delta[i * self.sums()..];
                windows.sums.carry(false, 0, delta, &mut wide);
                let delta = MatRef::new(&wide, outputs, patches.cols());
                let sum = MatMut::new(&mut sum, patches.rows(), outputs);
                matmul(sum, T::one(), T::one(), patches, delta.t())
            })?;
        }
        Ok(sum)
    }

    /// Adds what factors hold of the values, samples × positions × inputs.
    #[inline(never)]
    pub fn push_inputs<T: Scalar>(&self, values: &[T], memory: &Pool<T>, out: &mut Vec<T>) -> Result<()> {
        let Some(windows) = &self.windows else { return append(out, values) };
        self.unfolded(windows, (values, true), memory, &mut |_, patches| {
            grow(out, self.positions * patches.rows())?;
            let Runs { places, length, .. } = &windows.sums;
            for [_, at] in &places[..places.len() / self.shape.outputs] {
                for t in *at..at + length {
                    out.extend((0..patches.rows()).map(|j| patches.at(j, t)));
                }
            }
            Ok(())
        })
    }

    /// Adds what factors hold of δ, samples × directions × positions × outputs.
    #[inline(never)]
    pub fn push_outputs<T: Scalar>(&self, delta: &[T], out: &mut Vec<T>) -> Result<()> {
        let (positions, outputs) = (self.positions, self.shape.outputs);
        if positions == 1 {
            return append(out, delta);
        }
        grow(out, delta.len())?;
        for delta in delta.chunks_exact(self.sums()) {
            for t in 0..positions {
                out.extend((0..outputs).map(|c| delta[c * positions + t]));
            }
        }
        Ok(())
    }
}
