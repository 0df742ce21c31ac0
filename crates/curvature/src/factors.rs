//! Per-sample gradients of layers as factors.

use nhgd_kernels::memory::{Result, zeros};
use nhgd_kernels::{MatMut, MatRef, Scalar, matmul, vector};

use crate::Rows;

/// Shape of one layer's weights W̄, `inputs × outputs`, row-major; the bias, if any, is the last input (always 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Inputs, the bias included.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
}

/// What [`LayerFactors::outputs`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outputs {
    /// s, samples × directions × positions × outputs.
    #[default]
    Gradients,
    /// Probabilities p, samples × outputs, of a layer without weight sharing: direction k is √p_k (p − e_k), so that
    /// all directions sum to diag p − ppᵀ.
    Softmax,
}

/// One layer of [`Factors`]: gradient direction k of sample i is Σ_t a_it s_iktᵀ, a sum over the positions t at which
/// the sample meets the layer's weights.
#[derive(Clone, Debug, Default)]
pub struct LayerFactors<T> {
    /// a, samples × positions × inputs, row-major.
    pub inputs: Vec<T>,
    /// What `form` says, row-major.
    pub outputs: Vec<T>,
    /// Positions per sample: 1 unless the layer shares its weights, as convolutions do.
    pub positions: usize,
    /// The form of `outputs`.
    pub form: Outputs,
}

/// Per-sample gradients as factors. The observation's term of F is (1/m) Σ_i w_i Σ_k g_ik g_ikᵀ, where g_ik is the
/// concatenation over layers of vec(Σ_t a_it s_iktᵀ).
#[derive(Clone, Debug, Default)]
pub struct Factors<T> {
    /// Weights w_i ≥ 0, one per sample.
    pub weights: Vec<T>,
    /// Directions per sample: 1 for the empirical and the sampled statistic, as many as outputs for the expected one.
    pub directions: usize,
    /// The layers, in the order of their parameters.
    pub layers: Vec<LayerFactors<T>>,
}

impl<T: Scalar> LayerFactors<T> {
    /// A layer that shares no weights: a, samples × inputs, and s, samples × directions × outputs.
    pub fn new(inputs: Vec<T>, outputs: Vec<T>) -> Self {
        Self { inputs, outputs, positions: 1, form: Outputs::Gradients }
    }

    /// Entries of `outputs` per sample.
    pub fn output_width(&self, directions: usize, outputs: usize) -> usize {
        match self.form {
            Outputs::Gradients => directions * self.positions * outputs,
            Outputs::Softmax => outputs,
        }
    }

    /// q_k += Σ_t s_iktᵀ z_t for all directions k of sample i; z is positions × outputs.
    pub fn project(&self, i: usize, z: &[T], q: &mut [T]) {
        match self.form {
            Outputs::Gradients => {
                let s = self.outputs[i * q.len() * z.len()..].chunks_exact(z.len());
                q.iter_mut().zip(s).for_each(|(q, s)| *q += vector::dot(s, z));
            }
            Outputs::Softmax => {
                let p = &self.outputs[i * z.len()..][..z.len()];
                let mean = vector::dot(p, z);
                q.iter_mut().zip(p).zip(z).for_each(|((q, &p), &z)| *q += root(p) * (mean - z));
            }
        }
    }

    /// z_t ← Σ_k q_k s_ikt, the transpose of [`LayerFactors::project`].
    pub fn combine(&self, i: usize, q: &[T], z: &mut [T]) {
        match self.form {
            Outputs::Gradients => {
                z.fill(T::zero());
                let s = self.outputs[i * q.len() * z.len()..].chunks_exact(z.len());
                q.iter().zip(s).for_each(|(&q, s)| vector::axpy(q, s, z));
            }
            Outputs::Softmax => {
                let p = &self.outputs[i * z.len()..][..z.len()];
                let total: T = q.iter().zip(p).map(|(&q, &p)| q * root(p)).sum();
                z.iter_mut().zip(q).zip(p).for_each(|((z, &q), &p)| *z = p * total - q * root(p));
            }
        }
    }

    /// gradient ← Σ_t a_it s_iktᵀ, inputs × outputs.
    pub fn gradient(
        &self,
        i: usize,
        k: usize,
        directions: usize,
        shape: LayerShape,
        gradient: &mut [T],
    ) -> Result<()> {
        let LayerShape { inputs, outputs } = shape;
        let mut direction = zeros(directions)?;
        direction[k] = T::one();
        let mut s = zeros(self.positions * outputs)?;
        self.combine(i, &direction, &mut s);
        let a = &self.inputs[i * self.positions * inputs..][..self.positions * inputs];
        let (a, s) = (MatRef::new(a, self.positions, inputs), MatRef::new(&s, self.positions, outputs));
        matmul(MatMut::new(gradient, inputs, outputs), T::zero(), T::one(), a.t(), s)
    }
}

impl<T: Scalar> Factors<T> {
    /// The gradients √(w_i/m) g_ik of m samples, m · directions rows.
    pub fn rows(&self, layers: &[LayerShape]) -> Result<Rows<T>> {
        let sizes = || layers.iter().map(|shape| shape.inputs * shape.outputs);
        let (d, m) = (sizes().sum::<usize>(), self.weights.len());
        let mut data: Vec<T> = zeros(m * self.directions * d)?;
        for (at, row) in data.chunks_exact_mut(d).enumerate() {
            let (i, k) = (at / self.directions, at % self.directions);
            let mut rest = &mut *row;
            for ((layer, &shape), size) in self.layers.iter().zip(layers).zip(sizes()) {
                let (part, tail) = rest.split_at_mut(size);
                layer.gradient(i, k, self.directions, shape, part)?;
                rest = tail;
            }
            vector::scale((self.weights[i] / T::of(m as f64)).sqrt(), row);
        }
        Ok(Rows { data, count: m * self.directions })
    }
}

fn root<T: Scalar>(p: T) -> T {
    p.max(T::zero()).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_outputs_stand_for_their_directions() {
        let p = [0.2f64, 0.5, 0.3, 0.0, 1.0, 0.0];
        let mut directions = Vec::new();
        for p in p.chunks_exact(3) {
            for k in 0..3 {
                directions.extend((0..3).map(|c| p[k].sqrt() * (p[c] - f64::from(u8::from(c == k)))));
            }
        }
        let inputs = vec![1.0, -2.0, 0.5, 3.0];
        let explicit = LayerFactors::new(inputs.clone(), directions);
        let compact =
            LayerFactors { outputs: p.to_vec(), form: Outputs::Softmax, ..LayerFactors::new(inputs, vec![]) };
        let shape = LayerShape { inputs: 2, outputs: 3 };
        let rows = |layer: &LayerFactors<f64>| {
            Factors { weights: vec![0.5, 2.0], directions: 3, layers: vec![layer.clone()] }
                .rows(&[shape])
                .unwrap()
                .data
        };
        for (got, expected) in rows(&compact).iter().zip(rows(&explicit)) {
            assert!((got - expected).abs() < 1e-15);
        }
        for i in 0..2 {
            let (mut q, mut expected) = ([0.1; 3], [0.1; 3]);
            compact.project(i, &[1.0, 2.0, -0.5], &mut q);
            explicit.project(i, &[1.0, 2.0, -0.5], &mut expected);
            assert!(q.iter().zip(expected).all(|(q, expected)| (q - expected).abs() < 1e-15));
        }
    }

    #[test]
    fn gradients_of_shared_weights_are_sums_over_positions() {
        // Two samples, two directions, three positions, one input, two outputs.
        let inputs: Vec<f64> = (1..7).map(f64::from).collect();
        let outputs: Vec<f64> = (0..24).map(|i| f64::from(i * i % 11)).collect();
        let layer = LayerFactors { positions: 3, ..LayerFactors::new(inputs.clone(), outputs.clone()) };
        let shape = LayerShape { inputs: 1, outputs: 2 };
        for (i, k) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let mut gradient = [f64::NAN; 2];
            layer.gradient(i, k, 2, shape, &mut gradient).unwrap();
            let entry =
                |c| (0..3).map(|t| inputs[i * 3 + t] * outputs[((i * 2 + k) * 3 + t) * 2 + c]).sum::<f64>();
            assert_eq!(gradient, [entry(0), entry(1)]);
        }
    }
}
