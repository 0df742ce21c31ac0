//! The factor statistics that the Kronecker forms share.

use nhgd_kernels::vector::{all_finite, dot, scale};
use nhgd_kernels::{MatMut, MatRef, Scalar, matmul, syrk};

use crate::FisherError;
use crate::check::{State, widen};
use nhgd_curvature::{Factors, LayerShape};

/// E[w aaᵀ] and E[w Σ_k s_k s_kᵀ] of one layer, lower triangles.
#[derive(Clone, Debug)]
pub(crate) struct LayerMoments<T> {
    pub shape: LayerShape,
    pub inputs: Vec<T>,
    pub outputs: Vec<T>,
}

/// Second moments of the inputs and of the output gradients of all layers, with the mean weight ρ = E[w]: the Kronecker
/// approximation of a layer's Fisher is ρ Ā ⊗ S̄ = E[w aaᵀ] ⊗ E[w ssᵀ] / ρ.
#[derive(Clone, Debug)]
pub(crate) struct Moments<T> {
    pub layers: Vec<LayerMoments<T>>,
    pub weight: f64,
}

/// Lower triangle of Xᵀ diag(w) X / m, where each weight stands for `repeat` rows of X.
fn second_moment<T: Scalar>(x: &[T], columns: usize, roots: &[T], repeat: usize) -> Vec<T> {
    let rows = roots.len() * repeat;
    let mut weighted = x.to_vec();
    for (row, i) in weighted.chunks_exact_mut(columns).zip(0..) {
        scale(roots[i / repeat], row);
    }
    let mut moment = vec![T::zero(); columns * columns];
    let weighted = MatRef::new(&weighted, rows, columns).t();
    syrk(MatMut::new(&mut moment, columns, columns), T::zero(), T::of(1.0 / roots.len() as f64), weighted);
    moment
}

/// diag E[w Σ_k vec(a s_kᵀ) vec(a s_kᵀ)ᵀ] of one layer, inputs × outputs.
pub(crate) fn layer_diagonal<T: Scalar>(
    weights: &[T],
    directions: usize,
    mut a: Vec<T>,
    s: &[T],
    shape: LayerShape,
) -> Vec<T> {
    let (m, LayerShape { inputs, outputs }) = (weights.len(), shape);
    for (row, &w) in a.chunks_exact_mut(inputs).zip(weights) {
        row.iter_mut().for_each(|a| *a = w * *a * *a);
    }
    let mut squares = vec![T::zero(); m * outputs];
    for (sum, sample) in squares.chunks_exact_mut(outputs).zip(s.chunks_exact(directions * outputs)) {
        for s in sample.chunks_exact(outputs) {
            sum.iter_mut().zip(s).for_each(|(sum, &s)| *sum += s * s);
        }
    }
    let mut diagonal = vec![T::zero(); inputs * outputs];
    let (a, squares) = (MatRef::new(&a, m, inputs), MatRef::new(&squares, m, outputs));
    matmul(MatMut::new(&mut diagonal, inputs, outputs), T::zero(), T::of(1.0 / m as f64), a.t(), squares);
    diagonal
}

fn trace<T: Scalar>(moment: &[T], n: usize) -> f64 {
    moment.iter().step_by(n + 1).map(|x| x.wide()).sum()
}

impl<T: Scalar> LayerMoments<T> {
    pub fn input_trace(&self) -> f64 {
        trace(&self.inputs, self.shape.inputs)
    }

    pub fn output_trace(&self) -> f64 {
        trace(&self.outputs, self.shape.outputs)
    }
}

impl<T: Scalar> Moments<T> {
    /// Of no samples.
    pub fn zero(layers: &[LayerShape]) -> Self {
        let zeros = |n: usize| vec![T::zero(); n * n];
        let layer = |&shape: &LayerShape| LayerMoments {
            shape,
            inputs: zeros(shape.inputs),
            outputs: zeros(shape.outputs),
        };
        Self { layers: layers.iter().map(layer).collect(), weight: 0.0 }
    }

    /// Of the samples of one observation.
    pub fn of(factors: &Factors<T>, layers: &[LayerShape]) -> Result<Self, FisherError> {
        let roots: Vec<T> = factors.weights.iter().map(|w| w.sqrt()).collect();
        let weight = dot(&roots, &roots).wide() / roots.len() as f64;
        let mut moments = Self { layers: Vec::with_capacity(layers.len()), weight };
        for (layer, &shape) in factors.layers.iter().zip(layers) {
            let inputs = second_moment(&layer.inputs, shape.inputs, &roots, 1);
            let outputs = second_moment(&layer.outputs, shape.outputs, &roots, factors.directions);
            if !(weight.is_finite() && all_finite(&inputs) && all_finite(&outputs)) {
                return Err(FisherError::NotFinite { name: "observation" });
            }
            moments.layers.push(LayerMoments { shape, inputs, outputs });
        }
        Ok(moments)
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

    /// For [`crate::Fisher::state`].
    pub fn state(&self) -> Vec<(&'static str, Vec<f64>)> {
        let join =
            |pick: fn(&LayerMoments<T>) -> &Vec<T>| self.layers.iter().flat_map(|l| widen(pick(l))).collect();
        vec![
            ("inputs", join(|l| &l.inputs)),
            ("outputs", join(|l| &l.outputs)),
            ("weight", vec![self.weight]),
        ]
    }

    /// What [`Moments::state`] gave.
    pub fn restored(&self, state: &State) -> Result<Self, FisherError> {
        let mut moments = self.clone();
        moments.weight = state.number("weight")?;
        let count =
            |pick: fn(&LayerMoments<T>) -> &Vec<T>| self.layers.iter().map(|l| pick(l).len()).sum::<usize>();
        let (inputs, outputs) = (count(|l| &l.inputs), count(|l| &l.outputs));
        let mut inputs = state.values("inputs", |n| n == inputs)?.iter();
        let mut outputs = state.values("outputs", |n| n == outputs)?.iter();
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
