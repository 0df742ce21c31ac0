//! Perceptrons with their derivatives by position, by forward propagation of first and second derivatives.
//!
//! The jet of a function at a point x of D coordinates is its value, its first derivatives ∂_k and its second derivatives
//! ∂²_k: C = 1 + 2D channels. Layer l maps the jet of its inputs a_l to that of its sums s_l = W_lᵀ a_l + b_l, channel by
//! channel, where only the value has a bias. The jet of φ(s) is
//!
//! φ(s), φ′ ∂_k s, φ″ (∂_k s)² + φ′ ∂²_k s.
//!
//! θ is the concatenation of the W̄_l, `(inputs + 1) × outputs`, row-major, the bias last, as in
//! [`Network`](crate::Network). Each quantity is kept as C × points × units, so that all channels of a layer
//! are one matrix product. A layer's gradient is Σ_c a_c δ_cᵀ, with δ = ∂/∂s: it shares its weights among the
//! channels (Dangel, Müller & Zeinhofer 2024).

use nhgd_curvature::{LayerFactors, LayerShape};
use nhgd_kernels::memory::{Result, reserved, zeros};
use nhgd_kernels::{Activation, MatMut, MatRef, Scalar, matmul, vector};

use crate::random::push_layer;

/// A perceptron with one output and hidden layers of tanh.
#[derive(Clone, Debug)]
pub struct JetNetwork {
    /// From the coordinates to the output.
    layers: Vec<LayerShape>,
}

/// Jets of a network at some points, or their derivatives in a direction of θ.
#[derive(Debug)]
pub struct Jets<T> {
    /// a_l of every layer, C × points × inputs.
    inputs: Vec<Vec<T>>,
    /// s_l of the hidden layers, C × points × units.
    sums: Vec<Vec<T>>,
    /// The jets of the output, C × points.
    pub outputs: Vec<T>,
}

/// Takes the places of a unit's value, and those of its ∂_k and ∂²_k for each k.
type PerUnit<'a> = dyn FnMut(usize, &[(usize, usize)]) + 'a;

/// tanh s and its first four derivatives.
fn tanh<T: Scalar>(s: T) -> [T; 5] {
    let [t, first, second] = Activation::Tanh.at(s);
    let square = t * t;
    let third = first * (T::of(6.0) * square - T::of(2.0));
    [t, first, second, third, t * first * (T::of(16.0) - T::of(24.0) * square)]
}

impl JetNetwork {
    /// A network from points of `dimensions` coordinates over `hidden` layers to one output.
    pub fn new(dimensions: usize, hidden: &[usize]) -> Self {
        let mut inputs = dimensions + 1;
        let mut layers = Vec::with_capacity(hidden.len() + 1);
        for &outputs in hidden.iter().chain(&[1]) {
            assert!(inputs > 1 && outputs > 0, "every layer has units");
            layers.push(LayerShape { inputs, outputs });
            inputs = outputs + 1;
        }
        Self { layers }
    }

    /// D.
    pub fn dimensions(&self) -> usize {
        self.layers[0].inputs - 1
    }

    /// C.
    pub fn channels(&self) -> usize {
        1 + 2 * self.dimensions()
    }

    /// Shapes of the layers, in the order of their parameters.
    pub fn layers(&self) -> &[LayerShape] {
        &self.layers
    }

    /// Uniform weights and no biases, scaled after Glorot & Bengio 2010; the same for the same seed.
    pub fn initial<T: Scalar>(&self, seed: u64) -> Result<Vec<T>> {
        let mut theta = Vec::new();
        for &LayerShape { inputs, outputs } in &self.layers {
            let limit = (6.0 / (inputs - 1 + outputs) as f64).sqrt();
            push_layer(&mut theta, seed, inputs - 1, outputs, limit)?;
        }
        Ok(theta)
    }

    /// W̄_l.
    fn matrices<'t, T: Scalar>(&self, theta: &'t [T]) -> Vec<MatRef<'t, T>> {
        let mut matrices = Vec::with_capacity(self.layers.len());
        let mut at = 0;
        for &LayerShape { inputs, outputs } in &self.layers {
            matrices.push(MatRef::new(&theta[at..at + inputs * outputs], inputs, outputs));
            at += inputs * outputs;
        }
        matrices
    }

    /// sums ← β sums + W_lᵀ a, channel by channel.
    fn weigh<T: Scalar>(sums: &mut [T], beta: T, weights: MatRef<'_, T>, a: &[T]) -> Result<()> {
        let (inputs, outputs) = (weights.rows() - 1, weights.cols());
        let rows = a.len() / inputs;
        let weights = weights.block(0, 0, inputs, outputs);
        matmul(MatMut::new(sums, rows, outputs), beta, T::one(), MatRef::new(a, rows, inputs), weights)
    }

    /// Adds b_l to the values among the sums.
    fn add_bias<T: Scalar>(&self, sums: &mut [T], weights: MatRef<'_, T>) {
        let values = sums.len() / self.channels();
        let bias = weights.row(weights.rows() - 1);
        sums[..values].chunks_exact_mut(bias.len()).for_each(|sums| vector::axpy(T::one(), bias, sums));
    }

    /// Calls `body` with the places of each unit's value, ∂_k and ∂²_k in C × points × units.
    fn units(&self, len: usize, body: &mut PerUnit<'_>) {
        let (plane, d) = (len / self.channels(), self.dimensions());
        let mut places = vec![(0, 0); d];
        for at in 0..plane {
            for (k, place) in places.iter_mut().enumerate() {
                *place = (at + (1 + k) * plane, at + (1 + d + k) * plane);
            }
            body(at, &places);
        }
    }

    /// Jets at `x`, points × D.
    pub fn forward<T: Scalar>(&self, theta: &[T], x: &[T]) -> Result<Jets<T>> {
        let (d, plane) = (self.dimensions(), x.len());
        let mut a: Vec<T> = zeros(self.channels() * plane)?;
        a[..plane].copy_from_slice(x);
        for k in 0..d {
            for at in (k..plane).step_by(d) {
                a[(1 + k) * plane + at] = T::one();
            }
        }
        let mut jets = Jets { inputs: Vec::new(), sums: Vec::new(), outputs: Vec::new() };
        for weights in self.matrices(theta) {
            let mut sums = zeros(a.len() / (weights.rows() - 1) * weights.cols())?;
            Self::weigh(&mut sums, T::zero(), weights, &a)?;
            self.add_bias(&mut sums, weights);
            jets.inputs.push(std::mem::take(&mut a));
            a = zeros(sums.len())?;
            self.units(sums.len(), &mut |at, places| {
                let [value, f1, f2, ..] = tanh(sums[at]);
                a[at] = value;
                for &(i, j) in places {
                    a[i] = f1 * sums[i];
                    a[j] = f2 * sums[i] * sums[i] + f1 * sums[j];
                }
            });
            jets.sums.push(sums);
        }
        jets.outputs = jets.sums.pop().unwrap_or_default();
        Ok(jets)
    }

    /// Derivatives of the jets in a direction u of θ.
    pub fn tangent<T: Scalar>(&self, theta: &[T], u: &[T], jets: &Jets<T>) -> Result<Jets<T>> {
        let mut dots = Jets { inputs: Vec::new(), sums: Vec::new(), outputs: Vec::new() };
        let mut a: Vec<T> = zeros(jets.inputs[0].len())?;
        for (l, (weights, u)) in self.matrices(theta).into_iter().zip(self.matrices(u)).enumerate() {
            let mut dot = zeros(a.len() / (weights.rows() - 1) * weights.cols())?;
            Self::weigh(&mut dot, T::zero(), u, &jets.inputs[l])?;
            Self::weigh(&mut dot, T::one(), weights, &a)?;
            self.add_bias(&mut dot, u);
            dots.inputs.push(std::mem::take(&mut a));
            if let Some(s) = jets.sums.get(l) {
                a = zeros(s.len())?;
                self.units(s.len(), &mut |at, places| {
                    let [_, f1, f2, f3, _] = tanh(s[at]);
                    a[at] = f1 * dot[at];
                    for &(i, j) in places {
                        a[i] = f2 * dot[at] * s[i] + f1 * dot[i];
                        a[j] = (f3 * s[i] * s[i] + f2 * s[j]) * dot[at]
                            + T::of(2.0) * f2 * s[i] * dot[i]
                            + f1 * dot[j];
                    }
                });
            }
            dots.sums.push(dot);
        }
        dots.outputs = dots.sums.pop().unwrap_or_default();
        Ok(dots)
    }

    /// a ← β a + W_l δ, channel by channel.
    fn pull<T: Scalar>(a: &mut [T], beta: T, weights: MatRef<'_, T>, delta: &[T]) -> Result<()> {
        let (inputs, outputs) = (weights.rows() - 1, weights.cols());
        let rows = delta.len() / outputs;
        let weights = weights.block(0, 0, inputs, outputs).t();
        matmul(MatMut::new(a, rows, inputs), beta, T::one(), MatRef::new(delta, rows, outputs), weights)
    }

    /// Turns ∂/∂φ(s), given as C × points × units, into ∂/∂s.
    fn through<T: Scalar>(&self, s: &[T], a: &mut [T]) {
        self.units(s.len(), &mut |at, places| {
            let [_, f1, f2, f3, _] = tanh(s[at]);
            a[at] *= f1;
            for &(i, j) in places {
                a[at] += f2 * s[i] * a[i] + (f3 * s[i] * s[i] + f2 * s[j]) * a[j];
                a[i] = f1 * a[i] + T::of(2.0) * f2 * s[i] * a[j];
                a[j] *= f1;
            }
        });
    }

    /// δ_l of every layer from that of the last, ∂/∂y, C × points.
    pub fn backward<T: Scalar>(&self, theta: &[T], jets: &Jets<T>, last: Vec<T>) -> Result<Vec<Vec<T>>> {
        let mut deltas = vec![last];
        let theta = self.matrices(theta);
        for l in (1..theta.len()).rev() {
            let mut delta = zeros(jets.sums[l - 1].len())?;
            Self::pull(&mut delta, T::zero(), theta[l], &deltas[deltas.len() - 1])?;
            self.through(&jets.sums[l - 1], &mut delta);
            deltas.push(delta);
        }
        deltas.reverse();
        Ok(deltas)
    }

    /// The derivative of Σ_c a_c δ_cᵀ of all layers in the direction u of θ, where the last δ moves by `last_dot` (the
    /// R-operator of Pearlmutter 1994); added to `product`.
    pub fn backward_tangent<T: Scalar>(
        &self,
        [theta, u]: [&[T]; 2],
        [jets, dots]: [&Jets<T>; 2],
        [last, last_dot]: [Vec<T>; 2],
        product: &mut [T],
    ) -> Result<()> {
        let [theta, u] = [theta, u].map(|x| self.matrices(x));
        let (mut deltas, mut delta_dots) = (vec![last], vec![last_dot]);
        for l in (1..theta.len()).rev() {
            let (s, s_dot) = (&jets.sums[l - 1], &dots.sums[l - 1]);
            let (above, above_dot) = (&deltas[deltas.len() - 1], &delta_dots[delta_dots.len() - 1]);
            let (mut a, mut dot): (Vec<T>, Vec<T>) = (zeros(s.len())?, zeros(s.len())?);
            Self::pull(&mut a, T::zero(), theta[l], above)?;
            Self::pull(&mut dot, T::zero(), theta[l], above_dot)?;
            Self::pull(&mut dot, T::one(), u[l], above)?;
            self.through(s, &mut dot);
            self.units(s.len(), &mut |at, places| {
                let [_, _, f2, f3, f4] = tanh(s[at]);
                let moved = s_dot[at];
                dot[at] += f2 * moved * a[at];
                for &(i, j) in places {
                    let bent = f3 * moved * s[i] + f2 * s_dot[i];
                    let square = f4 * moved * s[i] * s[i] + T::of(2.0) * f3 * s[i] * s_dot[i];
                    dot[at] += bent * a[i] + (square + f3 * moved * s[j] + f2 * s_dot[j]) * a[j];
                    dot[i] += f2 * moved * a[i] + T::of(2.0) * bent * a[j];
                    dot[j] += f2 * moved * a[j];
                }
            });
            self.through(s, &mut a);
            deltas.push(a);
            delta_dots.push(dot);
        }
        deltas.reverse();
        delta_dots.reverse();
        self.add_gradient(jets, &delta_dots, true, product)?;
        self.add_gradient(dots, &deltas, false, product)
    }

    /// Adds Σ_c a_c δ_cᵀ, summed over the points, of all layers to `gradient`; `bias` is whether a has a 1 at its end.
    pub fn add_gradient<T: Scalar>(
        &self,
        jets: &Jets<T>,
        deltas: &[Vec<T>],
        bias: bool,
        gradient: &mut [T],
    ) -> Result<()> {
        let mut rest = gradient;
        for ((a, delta), &LayerShape { inputs, outputs }) in jets.inputs.iter().zip(deltas).zip(&self.layers)
        {
            let (layer, tail) = rest.split_at_mut(inputs * outputs);
            let (weights, last) = layer.split_at_mut((inputs - 1) * outputs);
            let rows = delta.len() / outputs;
            let (a, products) = (MatRef::new(a, rows, inputs - 1), MatRef::new(delta, rows, outputs));
            matmul(MatMut::new(weights, inputs - 1, outputs), T::one(), T::one(), a.t(), products)?;
            if bias {
                let values = &delta[..delta.len() / self.channels()];
                values.chunks_exact(outputs).for_each(|delta| vector::axpy(T::one(), delta, last));
            }
            rest = tail;
        }
        Ok(())
    }

    /// Each point's a_c and δ_c as the factors of the layers; the channels are their positions.
    pub fn factors<T: Scalar>(&self, jets: &Jets<T>, deltas: &[Vec<T>]) -> Result<Vec<LayerFactors<T>>> {
        let channels = self.channels();
        let points = jets.outputs.len() / channels;
        let mut layers = Vec::with_capacity(deltas.len());
        for ((a, delta), &LayerShape { inputs, outputs }) in jets.inputs.iter().zip(deltas).zip(&self.layers)
        {
            let rows = points * channels;
            let (a_rows, delta_rows) = (reserved(rows * inputs)?, reserved(rows * outputs)?);
            let mut layer = LayerFactors { positions: channels, ..LayerFactors::new(a_rows, delta_rows) };
            for i in 0..points {
                for c in 0..channels {
                    let at = c * points + i;
                    layer.inputs.extend_from_slice(&a[at * (inputs - 1)..][..inputs - 1]);
                    layer.inputs.push(if c == 0 { T::one() } else { T::zero() });
                    layer.outputs.extend_from_slice(&delta[at * outputs..][..outputs]);
                }
            }
            layers.push(layer);
        }
        Ok(layers)
    }
}
