//! The factor statistics that the Kronecker forms share.

use nhgd_kernels::memory::{Result as Fallible, collected, copied, reserved, zeros};
use nhgd_kernels::vector::{all_finite, axpy, scale};
use nhgd_kernels::{MatMut, MatRef, NoConvergence, Scalar, matmul, syrk};

use crate::basis::{Basis, Spectra, product};
use crate::check::Saved;
use crate::wide::widen_all;
use crate::{FisherError, State};
use nhgd_curvature::{Factors, LayerFactors, LayerShape, Outputs};
use nhgd_settings::words;

/// What the Kronecker factors of a layer make of the positions at which its weights are shared (Eschenhagen et al. 2023,
/// section 3): each counts as a sample (`expand`), or their mean does (`reduce`). Without sharing both are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub enum Sharing {
    /// Ā = (1/T) Σ_t a_t a_tᵀ and S̄ = Σ_t s_t s_tᵀ: each of the T positions counts as a sample of its own. Exact for
    /// deep linear networks with squared loss at each position; the KFC approximation of Grosse & Martens 2016.
    #[default]
    Expand,
    /// Ā = āāᵀ of the mean ā = (1/T) Σ_t a_t and S̄ = (Σ_t s_t)(Σ_t s_t)ᵀ. Exact for deep linear networks with squared
    /// loss at the mean over the positions.
    Reduce,
}

words!(Sharing { "expand" Expand, "reduce" Reduce });

/// E[w aaᵀ] and E[w Σ_k s_k s_kᵀ] of one layer, lower triangles.
#[derive(Debug)]
pub(crate) struct LayerMoments<T> {
    pub shape: LayerShape,
    pub inputs: Vec<T>,
    pub outputs: Vec<T>,
}

/// Second moments of the inputs and of the output gradients of all layers, with the mean weight ρ = E[w]: the Kronecker
/// approximation of a layer's Fisher is ρ Ā ⊗ S̄ = E[w aaᵀ] ⊗ E[w ssᵀ] / ρ.
#[derive(Debug)]
pub(crate) struct Moments<T> {
    pub layers: Vec<LayerMoments<T>>,
    pub weight: f64,
}

/// Lower triangle of Xᵀ diag(w) X, with `roots` √w, each for as many rows of X as fall to it.
fn second_moment<T: Scalar>(x: &[T], columns: usize, roots: &[T]) -> Fallible<Vec<T>> {
    let mut weighted = copied(x)?;
    for (rows, &root) in weighted.chunks_exact_mut(x.len() / roots.len()).zip(roots) {
        scale(root, rows);
    }
    let mut moment = zeros(columns * columns)?;
    let weighted = MatRef::new(&weighted, x.len() / columns, columns).t();
    syrk(MatMut::new(&mut moment, columns, columns), T::zero(), T::one(), weighted)?;
    Ok(moment)
}

/// Lower triangle of Σ_i w_i (diag p_i − p_i p_iᵀ), with `roots` √w. Each row of such a matrix sums to 0, so the diagonal
/// follows from the rest, and no rounding makes the matrix indefinite.
fn softmax_moment<T: Scalar>(p: &[T], classes: usize, roots: &[T]) -> Fallible<Vec<T>> {
    let mut moment = second_moment(p, classes, roots)?;
    let mut sums: Vec<T> = zeros(classes)?;
    for i in 0..classes {
        for j in 0..i {
            sums[i] += moment[i * classes + j];
            sums[j] += moment[i * classes + j];
            moment[i * classes + j] = -moment[i * classes + j];
        }
    }
    (0..classes).for_each(|i| moment[i * classes + i] = sums[i]);
    Ok(moment)
}

/// Sums of `positions` rows of `width` entries each.
fn sums_over_positions<T: Scalar>(x: &[T], positions: usize, width: usize) -> Fallible<Vec<T>> {
    let mut sums = zeros(x.len() / positions)?;
    for (sum, rows) in sums.chunks_exact_mut(width).zip(x.chunks_exact(positions * width)) {
        rows.chunks_exact(width).for_each(|row| axpy(T::one(), row, sum));
    }
    Ok(sums)
}

/// diag E[w Σ_k g_k g_kᵀ] of one layer with gradients g_k = vec(Σ_t a_t s_ktᵀ), inputs × outputs; in a basis, of the
/// gradients UᵀGV there.
pub(crate) fn layer_diagonal<T: Scalar>(
    weights: &[T],
    directions: usize,
    layer: &LayerFactors<T>,
    shape: LayerShape,
    basis: Option<&Basis<T>>,
) -> Fallible<Vec<T>> {
    let (m, LayerShape { inputs, outputs }) = (weights.len(), shape);
    let scale = T::of(1.0 / m as f64);
    let rotate = |x: &[T], n: usize, u: Option<&Vec<T>>| match u {
        Some(u) => product(MatRef::new(x, x.len() / n, n), MatRef::new(u, n, n)),
        None => copied(x),
    };
    let mut a = rotate(&layer.inputs, inputs, basis.map(|basis| &basis.inputs))?;
    let s = rotate(&layer.outputs, outputs, basis.map(|basis| &basis.outputs))?;
    let mut diagonal = zeros(inputs * outputs)?;
    if layer.positions > 1 {
        let rotated = LayerFactors { inputs: a, outputs: s, ..*layer };
        let mut gradient = copied(&diagonal)?;
        for (i, &w) in weights.iter().enumerate() {
            for k in 0..directions {
                rotated.gradient(i, k, directions, shape, &mut gradient)?;
                diagonal.iter_mut().zip(&gradient).for_each(|(sum, &g)| *sum += scale * w * g * g);
            }
        }
        return Ok(diagonal);
    }
    for (row, &w) in a.chunks_exact_mut(inputs).zip(weights) {
        row.iter_mut().for_each(|a| *a = w * *a * *a);
    }
    let mut squares = match layer.form {
        Outputs::Gradients => zeros(m * outputs)?,
        // Σ_k (v_jᵀ s_k)² = v_jᵀ(diag p − ppᵀ)v_j = Σ_c p_c v_cj² − (Σ_c p_c v_cj)².
        Outputs::Softmax => {
            let squared = basis.map(|basis| collected(basis.outputs.iter().map(|&v| v * v))).transpose()?;
            rotate(&layer.outputs, outputs, squared.as_ref())?
        }
    };
    for (sum, sample) in squares.chunks_exact_mut(outputs).zip(s.chunks_exact(s.len() / m)) {
        for s in sample.chunks_exact(outputs) {
            match layer.form {
                Outputs::Gradients => sum.iter_mut().zip(s).for_each(|(sum, &s)| *sum += s * s),
                Outputs::Softmax => {
                    sum.iter_mut().zip(s).for_each(|(sum, &s)| *sum = (*sum - s * s).max(T::zero()));
                }
            }
        }
    }
    let (a, squares) = (MatRef::new(&a, m, inputs), MatRef::new(&squares, m, outputs));
    matmul(MatMut::new(&mut diagonal, inputs, outputs), T::zero(), scale, a.t(), squares)?;
    Ok(diagonal)
}

fn trace<T: Scalar>(moment: &[T], n: usize) -> f64 {
    moment.iter().step_by(n + 1).map(|x| x.wide()).sum()
}

impl<T: Scalar> LayerMoments<T> {
    /// The eigenbases of the factors, with their eigenvalues.
    pub fn basis(&self) -> Fallible<Result<Spectra<T>, NoConvergence>> {
        Basis::of([&self.inputs, &self.outputs], self.shape)
    }

    pub fn input_trace(&self) -> f64 {
        trace(&self.inputs, self.shape.inputs)
    }

    pub fn output_trace(&self) -> f64 {
        trace(&self.outputs, self.shape.outputs)
    }
}

impl<T: Scalar> Moments<T> {
    /// Of no samples.
    pub fn zero(layers: &[LayerShape]) -> Fallible<Self> {
        let layer = |&shape: &LayerShape| {
            let (inputs, outputs) = (zeros(shape.inputs.pow(2))?, zeros(shape.outputs.pow(2))?);
            Ok(LayerMoments { shape, inputs, outputs })
        };
        Ok(Self { layers: layers.iter().map(layer).collect::<Fallible<_>>()?, weight: 0.0 })
    }

    /// The same in memory of their own.
    pub fn copied(&self) -> Fallible<Self> {
        let layer = |layer: &LayerMoments<T>| {
            let (inputs, outputs) = (copied(&layer.inputs)?, copied(&layer.outputs)?);
            Ok(LayerMoments { shape: layer.shape, inputs, outputs })
        };
        Ok(Self { layers: self.layers.iter().map(layer).collect::<Fallible<_>>()?, weight: self.weight })
    }

    /// Forgets all samples.
    pub fn clear(&mut self) {
        for layer in &mut self.layers {
            layer.inputs.fill(T::zero());
            layer.outputs.fill(T::zero());
        }
        self.weight = 0.0;
    }

    /// Of the samples of one observation.
    pub fn of(factors: &Factors<T>, layers: &[LayerShape], sharing: Sharing) -> Result<Self, FisherError> {
        let m = factors.weights.len() as f64;
        let roots = |scale: f64| collected(factors.weights.iter().map(|w| (*w * T::of(scale)).sqrt()));
        let weight = factors.weights.iter().map(|w| w.wide()).sum::<f64>() / m;
        let mut moments = Self { layers: Vec::with_capacity(layers.len()), weight };
        for (layer, &shape) in factors.layers.iter().zip(layers) {
            let positions = layer.positions as f64;
            let (inputs, outputs) = match (layer.form, sharing) {
                (Outputs::Softmax, _) => (
                    second_moment(&layer.inputs, shape.inputs, &roots(1.0 / m)?)?,
                    softmax_moment(&layer.outputs, shape.outputs, &roots(1.0 / m)?)?,
                ),
                (_, Sharing::Reduce) if layer.positions > 1 => {
                    let a = sums_over_positions(&layer.inputs, layer.positions, shape.inputs)?;
                    let s = sums_over_positions(&layer.outputs, layer.positions, shape.outputs)?;
                    (
                        second_moment(&a, shape.inputs, &roots(1.0 / (m * positions * positions))?)?,
                        second_moment(&s, shape.outputs, &roots(1.0 / m)?)?,
                    )
                }
                _ => (
                    second_moment(&layer.inputs, shape.inputs, &roots(1.0 / (m * positions))?)?,
                    second_moment(&layer.outputs, shape.outputs, &roots(1.0 / m)?)?,
                ),
            };
            if !(weight.is_finite() && all_finite(&inputs) && all_finite(&outputs)) {
                return Err(FisherError::NotFinite { name: "observation" });
            }
            moments.layers.push(LayerMoments { shape, inputs, outputs });
        }
        Ok(moments)
    }

    /// All entries as one list: the lower triangles of the layers, inputs before outputs, and the mean weight.
    pub fn packed(&self) -> Fallible<Vec<T>> {
        let entries = |n: usize| n * (n + 1) / 2;
        let sizes = self.layers.iter().map(|l| entries(l.shape.inputs) + entries(l.shape.outputs));
        let mut all = reserved(sizes.sum::<usize>() + 1)?;
        for LayerMoments { shape, inputs, outputs } in &self.layers {
            for (moment, n) in [(inputs, shape.inputs), (outputs, shape.outputs)] {
                (0..n).for_each(|i| all.extend_from_slice(&moment[i * n..][..=i]));
            }
        }
        all.push(T::of(self.weight));
        Ok(all)
    }

    /// What [`Moments::packed`] gave; nothing for another number of entries, or one that is not finite.
    pub fn unpacked(layers: &[LayerShape], packed: &[T]) -> Fallible<Option<Self>> {
        let mut moments = Self::zero(layers)?;
        let mut rest = packed;
        for LayerMoments { shape, inputs, outputs } in &mut moments.layers {
            for (moment, n) in [(inputs, shape.inputs), (outputs, shape.outputs)] {
                for i in 0..n {
                    let Some((row, others)) = rest.split_at_checked(i + 1) else { return Ok(None) };
                    moment[i * n..][..=i].copy_from_slice(row);
                    rest = others;
                }
            }
        }
        let &[weight] = rest else { return Ok(None) };
        moments.weight = weight.wide();
        Ok(all_finite(packed).then_some(moments))
    }

    /// M ← βM + γ·other.
    pub fn blend(&mut self, beta: f64, gamma: f64, other: &Self) {
        let mix = |into: &mut [T], from: &[T]| {
            let (beta, gamma) = (T::of(beta), T::of(gamma));
            into.iter_mut().zip(from).for_each(|(x, &y)| *x = beta * *x + gamma * y);
        };
        for (into, from) in self.layers.iter_mut().zip(&other.layers) {
            mix(&mut into.inputs, &from.inputs);
            mix(&mut into.outputs, &from.outputs);
        }
        self.weight = beta * self.weight + gamma * other.weight;
    }

    /// 1/ρ; 0 without any weight.
    pub fn inverse_weight(&self) -> f64 {
        if self.weight > 0.0 { 1.0 / self.weight } else { 0.0 }
    }

    /// tr F.
    pub fn trace(&self) -> f64 {
        let traces = self.layers.iter().map(|layer| layer.input_trace() * layer.output_trace());
        traces.sum::<f64>() * self.inverse_weight()
    }

    /// Entries of [`crate::Fisher::state`].
    pub fn state(&self) -> Fallible<State> {
        let joined =
            |pick: fn(&LayerMoments<T>) -> &[T]| widen_all(&self.layers.iter().map(pick).collect::<Vec<_>>());
        Ok(vec![
            ("inputs", joined(|l| &l.inputs)?),
            ("outputs", joined(|l| &l.outputs)?),
            ("weight", vec![self.weight]),
        ])
    }

    /// What [`Moments::state`] gave.
    pub fn restored(&self, state: &Saved) -> Result<Self, FisherError> {
        let mut moments = self.copied()?;
        moments.weight = state.number("weight")?;
        let count =
            |pick: fn(&LayerMoments<T>) -> &Vec<T>| self.layers.iter().map(|l| pick(l).len()).sum::<usize>();
        let (inputs, outputs) = (count(|l| &l.inputs), count(|l| &l.outputs));
        let mut inputs = state.values("inputs", &|n| n == inputs)?.iter();
        let mut outputs = state.values("outputs", &|n| n == outputs)?.iter();
        for layer in &mut moments.layers {
            layer.inputs.iter_mut().zip(&mut inputs).for_each(|(x, &y)| *x = T::of(y));
            layer.outputs.iter_mut().zip(&mut outputs).for_each(|(x, &y)| *x = T::of(y));
        }
        Ok(moments)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(|l| size_of_val(&l.inputs[..]) + size_of_val(&l.outputs[..])).sum()
    }
}

#[cfg(test)]
mod tests;
