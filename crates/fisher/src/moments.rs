//! The factor statistics that the Kronecker forms share.

use nhgd_kernels::vector::{all_finite, axpy, scale};
use nhgd_kernels::{MatMut, MatRef, NoConvergence, Scalar, matmul, syrk};

use crate::basis::{Basis, Spectra, product};
use crate::check::Saved;
use crate::wide::widen;
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

/// Lower triangle of Xᵀ diag(w) X, with `roots` √w, each for as many rows of X as fall to it.
fn second_moment<T: Scalar>(x: &[T], columns: usize, roots: &[T]) -> Vec<T> {
    let mut weighted = x.to_vec();
    for (rows, &root) in weighted.chunks_exact_mut(x.len() / roots.len()).zip(roots) {
        scale(root, rows);
    }
    let mut moment = vec![T::zero(); columns * columns];
    let weighted = MatRef::new(&weighted, x.len() / columns, columns).t();
    syrk(MatMut::new(&mut moment, columns, columns), T::zero(), T::one(), weighted);
    moment
}

/// Lower triangle of Σ_i w_i (diag p_i − p_i p_iᵀ), with `roots` √w. Each row of such a matrix sums to 0, so the diagonal
/// follows from the rest, and no rounding makes the matrix indefinite.
fn softmax_moment<T: Scalar>(p: &[T], classes: usize, roots: &[T]) -> Vec<T> {
    let mut moment = second_moment(p, classes, roots);
    let mut sums = vec![T::zero(); classes];
    for i in 0..classes {
        for j in 0..i {
            sums[i] += moment[i * classes + j];
            sums[j] += moment[i * classes + j];
            moment[i * classes + j] = -moment[i * classes + j];
        }
    }
    (0..classes).for_each(|i| moment[i * classes + i] = sums[i]);
    moment
}

/// Sums of `positions` rows of `width` entries each.
fn sums_over_positions<T: Scalar>(x: &[T], positions: usize, width: usize) -> Vec<T> {
    let mut sums = vec![T::zero(); x.len() / positions];
    for (sum, rows) in sums.chunks_exact_mut(width).zip(x.chunks_exact(positions * width)) {
        rows.chunks_exact(width).for_each(|row| axpy(T::one(), row, sum));
    }
    sums
}

/// diag E[w Σ_k g_k g_kᵀ] of one layer with gradients g_k = vec(Σ_t a_t s_ktᵀ), inputs × outputs; in a basis, of the
/// gradients UᵀGV there.
pub(crate) fn layer_diagonal<T: Scalar>(
    weights: &[T],
    directions: usize,
    layer: &LayerFactors<T>,
    shape: LayerShape,
    basis: Option<&Basis<T>>,
) -> Vec<T> {
    let (m, LayerShape { inputs, outputs }) = (weights.len(), shape);
    let scale = T::of(1.0 / m as f64);
    let rotate = |x: &[T], n: usize, u: Option<&Vec<T>>| match u {
        Some(u) => product(MatRef::new(x, x.len() / n, n), MatRef::new(u, n, n)),
        None => x.to_vec(),
    };
    let mut a = rotate(&layer.inputs, inputs, basis.map(|basis| &basis.inputs));
    let s = rotate(&layer.outputs, outputs, basis.map(|basis| &basis.outputs));
    let mut diagonal = vec![T::zero(); inputs * outputs];
    if layer.positions > 1 {
        let rotated = LayerFactors { inputs: a, outputs: s, ..*layer };
        let mut gradient = diagonal.clone();
        for (i, &w) in weights.iter().enumerate() {
            for k in 0..directions {
                rotated.gradient(i, k, directions, shape, &mut gradient);
                diagonal.iter_mut().zip(&gradient).for_each(|(sum, &g)| *sum += scale * w * g * g);
            }
        }
        return diagonal;
    }
    for (row, &w) in a.chunks_exact_mut(inputs).zip(weights) {
        row.iter_mut().for_each(|a| *a = w * *a * *a);
    }
    let mut squares = match layer.form {
        Outputs::Gradients => vec![T::zero(); m * outputs],
        // Σ_k (v_jᵀ s_k)² = v_jᵀ(diag p − ppᵀ)v_j = Σ_c p_c v_cj² − (Σ_c p_c v_cj)².
        Outputs::Softmax => {
            let squared = basis.map(|basis| basis.outputs.iter().map(|&v| v * v).collect());
            rotate(&layer.outputs, outputs, squared.as_ref())
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
    matmul(MatMut::new(&mut diagonal, inputs, outputs), T::zero(), scale, a.t(), squares);
    diagonal
}

fn trace<T: Scalar>(moment: &[T], n: usize) -> f64 {
    moment.iter().step_by(n + 1).map(|x| x.wide()).sum()
}

impl<T: Scalar> LayerMoments<T> {
    /// The eigenbases of the factors, with their eigenvalues.
    pub fn basis(&self) -> Result<Spectra<T>, NoConvergence> {
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
    pub fn of(factors: &Factors<T>, layers: &[LayerShape], sharing: Sharing) -> Result<Self, FisherError> {
        let m = factors.weights.len() as f64;
        let roots =
            |scale: f64| factors.weights.iter().map(|w| (*w * T::of(scale)).sqrt()).collect::<Vec<T>>();
        let weight = factors.weights.iter().map(|w| w.wide()).sum::<f64>() / m;
        let mut moments = Self { layers: Vec::with_capacity(layers.len()), weight };
        for (layer, &shape) in factors.layers.iter().zip(layers) {
            let positions = layer.positions as f64;
            let (inputs, outputs) = match (layer.form, sharing) {
                (Outputs::Softmax, _) => (
                    second_moment(&layer.inputs, shape.inputs, &roots(1.0 / m)),
                    softmax_moment(&layer.outputs, shape.outputs, &roots(1.0 / m)),
                ),
                (_, Sharing::Reduce) if layer.positions > 1 => {
                    let a = sums_over_positions(&layer.inputs, layer.positions, shape.inputs);
                    let s = sums_over_positions(&layer.outputs, layer.positions, shape.outputs);
                    (
                        second_moment(&a, shape.inputs, &roots(1.0 / (m * positions * positions))),
                        second_moment(&s, shape.outputs, &roots(1.0 / m)),
                    )
                }
                _ => (
                    second_moment(&layer.inputs, shape.inputs, &roots(1.0 / (m * positions))),
                    second_moment(&layer.outputs, shape.outputs, &roots(1.0 / m)),
                ),
            };
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

    /// Entries of [`crate::Fisher::state`].
    pub fn state(&self) -> State {
        let join =
            |pick: fn(&LayerMoments<T>) -> &Vec<T>| self.layers.iter().flat_map(|l| widen(pick(l))).collect();
        vec![
            ("inputs", join(|l| &l.inputs)),
            ("outputs", join(|l| &l.outputs)),
            ("weight", vec![self.weight]),
        ]
    }

    /// What [`Moments::state`] gave.
    pub fn restored(&self, state: &Saved) -> Result<Self, FisherError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: LayerShape = LayerShape { inputs: 3, outputs: 2 };
    const SAMPLES: usize = 5;
    const POSITIONS: usize = 4;

    /// Numbers between −1 and 1 of a fixed sequence.
    fn numbers(n: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    /// Factors of a layer that shares its weights, with s_iktc = `s(i, k, t, c)`.
    fn shared(directions: usize, s: impl Fn(usize, usize, usize, usize) -> f64) -> Factors<f64> {
        let mut outputs = Vec::new();
        for at in 0..SAMPLES * directions * POSITIONS * SHAPE.outputs {
            let (rest, c) = (at / SHAPE.outputs, at % SHAPE.outputs);
            let (rest, t) = (rest / POSITIONS, rest % POSITIONS);
            outputs.push(s(rest / directions, rest % directions, t, c));
        }
        let inputs = numbers(SAMPLES * POSITIONS * SHAPE.inputs, 1);
        let layer = LayerFactors { positions: POSITIONS, ..LayerFactors::new(inputs, outputs) };
        let weights = numbers(SAMPLES, 2).iter().map(|w| w + 1.5).collect();
        Factors { weights, directions, layers: vec![layer] }
    }

    /// (1/m) Σ w_i Σ_k g_ik g_ikᵀ with g = vec(U ᵀ(Σ_t a_t s_tᵀ) V), by its definition.
    fn exact(
        factors: &Factors<f64>,
        u: &dyn Fn(usize, usize) -> f64,
        v: &dyn Fn(usize, usize) -> f64,
    ) -> Vec<f64> {
        let LayerShape { inputs, outputs } = SHAPE;
        let (d, k) = (inputs * outputs, factors.directions);
        let layer = &factors.layers[0];
        let mut f = vec![0.0; d * d];
        for i in 0..SAMPLES {
            for direction in 0..k {
                let mut g = vec![0.0; d];
                for t in 0..POSITIONS {
                    let a = &layer.inputs[(i * POSITIONS + t) * inputs..][..inputs];
                    let s = &layer.outputs[((i * k + direction) * POSITIONS + t) * outputs..][..outputs];
                    for j in 0..d {
                        let x: f64 = (0..inputs).map(|p| a[p] * u(p, j / outputs)).sum();
                        let y: f64 = (0..outputs).map(|p| s[p] * v(p, j % outputs)).sum();
                        g[j] += x * y;
                    }
                }
                for j in 0..d * d {
                    f[j] += factors.weights[i] / SAMPLES as f64 * g[j / d] * g[j % d];
                }
            }
        }
        f
    }

    fn identity(i: usize, j: usize) -> f64 {
        f64::from(u8::from(i == j))
    }

    /// Ā ⊗ S̄ / ρ.
    fn kronecker(factors: &Factors<f64>, sharing: Sharing) -> Vec<f64> {
        let moments = Moments::of(factors, &[SHAPE], sharing).expect("finite factors");
        let LayerShape { inputs, outputs } = SHAPE;
        let d = inputs * outputs;
        let entry = |moment: &[f64], n: usize, i: usize, j: usize| moment[i.max(j) * n + i.min(j)];
        let layer = &moments.layers[0];
        let product = |at: usize| {
            let (i, j) = (at / d, at % d);
            entry(&layer.inputs, inputs, i / outputs, j / outputs)
                * entry(&layer.outputs, outputs, i % outputs, j % outputs)
                * moments.inverse_weight()
        };
        (0..d * d).map(product).collect()
    }

    fn distance(x: &[f64], y: &[f64]) -> f64 {
        let largest = y.iter().fold(0.0f64, |m, y| m.max(y.abs()));
        x.iter().zip(y).fold(0.0f64, |m, (x, y)| m.max((x - y).abs())) / largest
    }

    fn cosine(x: &[f64], y: &[f64]) -> f64 {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()
    }

    /// What follows the layer in a linear network: b_co = ∂z_c/∂s_o.
    fn followed(c: usize, o: usize) -> f64 {
        [[0.7, -1.1], [0.4, 0.9]][c][o]
    }

    #[test]
    fn expand_is_exact_for_a_loss_at_each_position() {
        // A direction per position and score: it is zero at all other positions.
        let expand = shared(POSITIONS * 2, |_, k, t, o| identity(k / 2, t) * followed(k % 2, o));
        let block = exact(&expand, &identity, &identity);
        assert!(distance(&kronecker(&expand, Sharing::Expand), &block) < 1e-14);
        assert!(distance(&kronecker(&expand, Sharing::Reduce), &block) > 0.1);
    }

    #[test]
    fn reduce_is_exact_for_a_loss_at_the_mean() {
        // A direction per score, the same at every position.
        let reduce = shared(2, |_, k, _, o| followed(k, o) / POSITIONS as f64);
        let block = exact(&reduce, &identity, &identity);
        assert!(distance(&kronecker(&reduce, Sharing::Reduce), &block) < 1e-14);
        assert!(distance(&kronecker(&reduce, Sharing::Expand), &block) > 0.1);
    }

    #[test]
    fn elsewhere_both_point_where_gauss_newton_does() {
        // Slopes of an activation that differ by sample, position and output, before a loss at the mean.
        let slopes = numbers(SAMPLES * POSITIONS * 2, 3);
        let slope = |i: usize, t: usize, o: usize| 0.6 + 0.4 * slopes[(i * POSITIONS + t) * 2 + o];
        let general = shared(2, |i, k, t, o| slope(i, t, o) * followed(k, o) / POSITIONS as f64);
        let block = exact(&general, &identity, &identity);
        let cosines =
            [Sharing::Expand, Sharing::Reduce].map(|form| cosine(&kronecker(&general, form), &block));
        println!("cosine with Gauss–Newton: expand {:.3}, reduce {:.3}", cosines[0], cosines[1]);
        assert!(cosines[0] > 0.5 && cosines[1] > 0.8, "{cosines:?}");
    }

    #[test]
    fn without_sharing_both_are_the_same() {
        let mut factors = shared(3, |i, k, t, o| followed(k % 2, o) + (i * t) as f64);
        factors.layers[0].positions = 1;
        factors.weights = vec![0.5; SAMPLES * POSITIONS];
        let [expand, reduce] = [Sharing::Expand, Sharing::Reduce].map(|form| kronecker(&factors, form));
        assert_eq!(expand, reduce);
    }

    #[test]
    fn diagonals_in_a_basis_are_those_of_the_rotated_gradients() {
        let factors = shared(2, |i, k, t, o| followed(k, o) + 0.3 * (i + 2 * t) as f64);
        let (cos, sin) = (0.6, 0.8);
        let u = [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]];
        let v = [[cos, sin], [-sin, cos]];
        let basis = Basis { inputs: u.concat(), outputs: v.concat(), nulls: [0; 2] };
        let expected = exact(&factors, &|i, j| u[i][j], &|i, j| v[i][j]);
        let diagonal: Vec<f64> = expected.iter().step_by(7).copied().collect();
        let got = layer_diagonal(&factors.weights, 2, &factors.layers[0], SHAPE, Some(&basis));
        assert!(distance(&got, &diagonal) < 1e-14);
    }

    #[test]
    fn softmax_outputs_have_the_moments_of_their_directions() {
        let p: Vec<f64> = numbers(SAMPLES, 4).iter().flat_map(|x| [0.5 + 0.5 * x, 0.5 - 0.5 * x]).collect();
        let inputs = numbers(SAMPLES * SHAPE.inputs, 1);
        let mut explicit = Vec::new();
        for p in p.chunks_exact(2) {
            for k in 0..2 {
                explicit.extend((0..2).map(|c| p[k].sqrt() * (p[c] - identity(c, k))));
            }
        }
        let compact = LayerFactors { form: Outputs::Softmax, ..LayerFactors::new(inputs.clone(), p) };
        let weights = vec![0.3, 1.0, 0.0, 2.0, 0.7];
        let both = [compact, LayerFactors::new(inputs, explicit)].map(|layer| Factors {
            weights: weights.clone(),
            directions: 2,
            layers: vec![layer],
        });
        let [compact, explicit] = both.each_ref().map(|factors| kronecker(factors, Sharing::Expand));
        assert!(distance(&compact, &explicit) < 1e-14);
        let basis = Basis {
            inputs: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            outputs: vec![0.6, 0.8, -0.8, 0.6],
            nulls: [0; 2],
        };
        for basis in [None, Some(&basis)] {
            let [compact, explicit] =
                both.each_ref().map(|f| layer_diagonal(&weights, 2, &f.layers[0], SHAPE, basis));
            assert!(distance(&compact, &explicit) < 1e-14);
        }
    }
}
