//! The factors of the last per-sample gradients: their exact Fisher, no gradient ever formed.

use std::convert::Infallible;
use std::mem::take;

use nhgd_kernels::vector::{dot, scale};
use nhgd_kernels::{MatMut, MatRef, Scalar, conjugate_gradients, matmul, skinny, syrk};

use crate::basis::{Basis, product};
use crate::check::{self, State, widen};
use crate::damping::Damping;
use crate::moments::{Moments, Sharing, layer_diagonal};
use crate::woodbury::Woodbury;
use crate::{Fisher, FisherError, SolveReport};
use nhgd_curvature::{Diagonal, Factors, LayerFactors, LayerShape, Observation, Outputs, Statistic, Wants};

/// Samples up to which their Gram matrix is formed and factored; conjugate gradients cost less beyond.
const GRAM_SAMPLES: usize = 1024;

/// Samples that a product with F looks at together.
const TILE: usize = 64;

/// Kronecker factors of a layer are used where their eigenbases, some 10 (p³ + q³) flops, cost less than a hundred
/// products with F, 4 n p q flops each: this is the ratio of the two.
const CHEAP_BASES: usize = 40;

/// Conjugate-gradient steps before a solve reports what it has.
const MAX_STEPS: usize = 1000;

/// F = (1/n) Σ_i w_i Σ_k g_ik g_ikᵀ over the n ≤ `capacity` samples held, with g_ik = vec(a_i s_ikᵀ) layer by layer.
///
/// One layer, one direction a sample and D̃ = cI: Woodbury with the Gram matrix (EEᵀ) ∘ (XXᵀ). Everything else:
/// conjugate gradients on the implicit operator, with the residual in the report; preconditioned by the samples'
/// Kronecker factors where D̃ = cI and these come cheap, else by the diagonal.
pub(crate) struct Samples<T> {
    capacity: usize,
    statistic: Statistic,
    tolerance: f64,
    shapes: Vec<LayerShape>,
    damping: Damping<T>,
    directions: usize,
    /// w: a ring whose oldest sample is `next` once it is full; the layers' rows stand in the same order.
    weights: Vec<T>,
    next: usize,
    layers: Vec<LayerFactors<T>>,
    /// What the solves need of F, until the samples change.
    prepared: Option<Prepared<T>>,
    /// The Gram's inner system with its λ, until something changes.
    inner: Option<(Woodbury<T>, f64)>,
}

/// Of each layer: the eigenbases of its factors and their eigenvalues, the outputs' over the mean weight.
type Bases<T> = Vec<(Basis<T>, Vec<T>, Vec<T>)>;

struct Prepared<T> {
    /// diag F.
    diagonal: Vec<T>,
    /// tr F / d.
    mean: f64,
    /// Once a solve has asked for them.
    bases: Option<Bases<T>>,
}

impl<T: Scalar> Samples<T> {
    pub fn new(
        shapes: &[LayerShape],
        capacity: usize,
        damping: Damping<T>,
        statistic: Statistic,
        tolerance: f64,
    ) -> Self {
        let mut samples = Self {
            capacity,
            statistic,
            tolerance,
            shapes: shapes.to_vec(),
            damping,
            directions: 0,
            weights: Vec::new(),
            next: 0,
            layers: Vec::new(),
            prepared: None,
            inner: None,
        };
        samples.reset();
        samples
    }

    fn held(&self) -> usize {
        self.weights.len()
    }

    /// X and E of the one layer of a model with one direction per sample and without weight sharing.
    fn columns(&self) -> (MatRef<'_, T>, MatRef<'_, T>) {
        let (n, LayerShape { inputs, outputs }) = (self.held(), self.shapes[0]);
        (MatRef::new(&self.layers[0].inputs, n, inputs), MatRef::new(&self.layers[0].outputs, n, outputs))
    }

    /// Parameters of each layer.
    fn spans(&self) -> Vec<std::ops::Range<usize>> {
        let mut start = 0;
        let span = |shape: &LayerShape| {
            start += shape.inputs * shape.outputs;
            start - shape.inputs * shape.outputs..start
        };
        self.shapes.iter().map(span).collect()
    }

    /// y ← F x: with B_l = mat(x), z_il = A_il B_l (a row per position) and q_ik = (w_i/n) Σ_l ⟨s_ikl, z_il⟩, layer l of y
    /// is Σ_i A_ilᵀ (Σ_k q_ik s_ikl). The samples pass once, tile by tile.
    fn apply(&self, x: &[T], y: &mut [T]) {
        let (n, k) = (self.held(), self.directions);
        let spans = self.spans();
        let parts = self.layers.iter().zip(&self.shapes).zip(&spans);
        let mut passes: Vec<Pass<'_, T>> =
            parts.map(|((layer, &shape), at)| Pass::new(layer, shape, &x[at.clone()])).collect();
        for first in (0..n).step_by(TILE) {
            let rows = TILE.min(n - first);
            let mut q = vec![T::zero(); rows * k];
            for pass in &mut passes {
                pass.project(first, rows);
                let width = pass.layer.positions * pass.shape.outputs;
                for ((i, q), z) in q.chunks_exact_mut(k).enumerate().zip(pass.z.chunks_exact(width)) {
                    pass.layer.project(first + i, z, q);
                }
            }
            for (i, q) in q.chunks_exact_mut(k).enumerate() {
                scale(self.weights[first + i] / T::of(n as f64), q);
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
    }

    fn absorb(&mut self, observation: &Observation<T>, anew: bool) -> Result<(), FisherError> {
        let factors = check::factors(observation, &self.shapes)?;
        let (m, k) = (factors.weights.len(), factors.directions);
        let kind = |layer: &LayerFactors<T>| (layer.positions, layer.form);
        if anew || self.held() == 0 {
            self.reset();
            self.directions = k;
            for (layer, from) in self.layers.iter_mut().zip(&factors.layers) {
                (layer.positions, layer.form) = kind(from);
            }
        } else if k != self.directions || self.layers.iter().map(kind).ne(factors.layers.iter().map(kind)) {
            let expected = format!("{} directions and the layers' positions as before", self.directions);
            return Err(FisherError::Shape { expected, got: format!("{k} directions or other positions") });
        }
        // Only the last `capacity` samples of a larger observation have a place.
        for i in m.saturating_sub(self.capacity)..m {
            let slot = self.next;
            put(&mut self.weights, &factors.weights, slot, i, 1);
            for (l, shape) in self.shapes.iter().enumerate() {
                let (into, from) = (&mut self.layers[l], &factors.layers[l]);
                put(&mut into.inputs, &from.inputs, slot, i, from.positions * shape.inputs);
                put(&mut into.outputs, &from.outputs, slot, i, from.output_width(k, shape.outputs));
            }
            self.next = (slot + 1) % self.capacity;
        }
        (self.prepared, self.inner) = (None, None);
        Ok(())
    }

    fn prepare(&mut self) {
        if self.prepared.is_none() {
            let mut diagonal = Vec::with_capacity(self.size());
            for (layer, &shape) in self.layers.iter().zip(&self.shapes) {
                diagonal.extend(match self.held() {
                    0 => vec![T::zero(); shape.inputs * shape.outputs],
                    _ => layer_diagonal(&self.weights, self.directions, layer, shape, None),
                });
            }
            let trace: f64 = diagonal.iter().map(|f| f.wide()).sum();
            let mean = trace / diagonal.len() as f64;
            self.prepared = Some(Prepared { diagonal, mean, bases: None });
        }
    }

    /// Eigenbases of the samples' Kronecker factors, unless they would cost more than they save.
    fn bases(&mut self) -> Option<Bases<T>> {
        let n = self.held();
        let cheap = |&LayerShape { inputs: p, outputs: q }: &LayerShape| {
            p.pow(3) + q.pow(3) <= CHEAP_BASES * n * p * q
        };
        if n == 0 || self.damping.is_vector() || !self.shapes.iter().all(cheap) {
            return None;
        }
        let (weights, layers) = (take(&mut self.weights), take(&mut self.layers));
        let factors = Factors { weights, directions: self.directions, layers };
        let moments = Moments::of(&factors, &self.shapes, Sharing::Expand);
        (self.weights, self.layers) = (factors.weights, factors.layers);
        let moments = moments.ok()?;
        let rho = T::of(moments.inverse_weight());
        let basis = |layer| {
            let (basis, a, mut s) = Basis::of(layer).ok()?;
            scale(rho, &mut s);
            Some((basis, a, s))
        };
        moments.layers.iter().map(basis).collect()
    }

    /// The Gram matrix (XXᵀ) ∘ (EEᵀ), lower triangle.
    fn gram(&self) -> Vec<T> {
        let n = self.held();
        let gram = |x: MatRef<'_, T>| {
            let mut gram = vec![T::zero(); n * n];
            syrk(MatMut::new(&mut gram, n, n), T::zero(), T::one(), x);
            gram
        };
        let (inputs, outputs) = self.columns();
        let mut both = gram(inputs);
        nhgd_kernels::vector::mul_into(&gram(outputs), &mut both);
        both
    }

    /// Woodbury: x = (b − Gᵀ y)/c with y = √C (I + √C GGᵀ √C / c)⁻¹ √C G b / c.
    fn solve_gram(&mut self, mean: f64, b: &[T], x: &mut [T]) -> Result<f64, FisherError> {
        let n = self.held();
        if self.inner.is_none() {
            let gram = self.gram();
            let roots: Vec<T> = self.weights.iter().map(|&w| (w / T::of(n as f64)).sqrt()).collect();
            let inner = self.damping.raise(mean, |damping, level| {
                let gram = MatRef::new(&gram, n, n);
                Woodbury::factor(gram, roots.clone(), damping.diagonal(level).mean())
                    .map(|inner| (inner, level))
            });
            self.inner = Some(inner?.0);
        }
        let Some((inner, level)) = &self.inner else { unreachable!("factored above") };
        let c = self.damping.diagonal(*level).mean();
        let LayerShape { inputs, outputs } = self.shapes[0];
        let (a, s) = self.columns();
        let mut z = product(a, MatRef::new(b, inputs, outputs));
        let mut y: Vec<T> = z.chunks_exact(outputs).enumerate().map(|(i, z)| dot(s.row(i), z) / c).collect();
        inner.inner_solve(&mut y);
        for (i, z) in z.chunks_exact_mut(outputs).enumerate() {
            z.iter_mut().zip(s.row(i)).for_each(|(z, &s)| *z = y[i] * s);
        }
        x.copy_from_slice(b);
        let minus = -T::one() / c;
        let x = MatMut::new(x, inputs, outputs);
        matmul(x, T::one() / c, minus, a.t(), MatRef::new(&z, n, outputs));
        Ok(*level)
    }
}

impl<T: Scalar> Fisher<T> for Samples<T> {
    fn size(&self) -> usize {
        self.shapes.iter().map(|shape| shape.inputs * shape.outputs).sum()
    }

    fn wants(&self) -> Wants {
        Wants::Factors(self.statistic)
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        self.damping.set_regularizer(regularizer)?;
        self.inner = None;
        Ok(())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, false)
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, true)
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.size())?;
        self.prepare();
        let Some(mut prepared) = self.prepared.take() else { unreachable!("prepared above") };
        let mut report = SolveReport { residual: f64::NAN, ..SolveReport::default() };
        let one_column = self.shapes.len() == 1
            && self.directions == 1
            && self.layers[0].positions == 1
            && !self.damping.is_vector();
        if one_column && self.held() <= GRAM_SAMPLES {
            let level = self.solve_gram(prepared.mean, b, x);
            self.prepared = Some(prepared);
            report.damping = level?;
        } else {
            if prepared.bases.is_none() {
                prepared.bases = self.bases();
            }
            let level = self.damping.level(prepared.mean);
            let tilde = self.damping.diagonal(level);
            let spans = self.spans();
            let mut apply = |p: &[T], out: &mut [T]| {
                self.apply(p, out);
                out.iter_mut().zip(p).enumerate().for_each(|(i, (out, &p))| *out += tilde.at(i) * p);
                Ok::<(), Infallible>(())
            };
            let mut precondition = |r: &[T], out: &mut [T]| {
                if let (Some(bases), Diagonal::Scalar(c)) = (&prepared.bases, &tilde) {
                    for ((basis, a, s), span) in bases.iter().zip(&spans) {
                        basis.divide(&r[span.clone()], &mut out[span.clone()], |i, j| a[i] * s[j] + *c);
                    }
                } else {
                    let entries = out.iter_mut().zip(r).zip(&prepared.diagonal).enumerate();
                    entries.for_each(|(i, ((out, &r), &f))| *out = r / (f + tilde.at(i)));
                }
                Ok::<(), Infallible>(())
            };
            x.fill(T::zero());
            let Ok(outcome) =
                conjugate_gradients(&mut apply, &mut precondition, b, x, self.tolerance, MAX_STEPS);
            (report.damping, report.residual, report.steps) = (level, outcome.residual, outcome.steps as u32);
            self.prepared = Some(prepared);
        }
        check::solution(x)?;
        report.fallbacks = self.damping.fallbacks;
        Ok(report)
    }

    fn reset(&mut self) {
        self.weights.clear();
        self.next = 0;
        self.layers = vec![LayerFactors::new(Vec::new(), Vec::new()); self.shapes.len()];
        (self.prepared, self.inner) = (None, None);
    }

    fn state(&self) -> Vec<(&'static str, Vec<f64>)> {
        vec![
            ("directions", vec![self.directions as f64]),
            ("next", vec![self.next as f64]),
            ("weights", widen(&self.weights)),
            ("positions", self.layers.iter().map(|layer| layer.positions as f64).collect()),
            (
                "softmax",
                self.layers.iter().map(|l| f64::from(u8::from(l.form == Outputs::Softmax))).collect(),
            ),
            ("inputs", self.layers.iter().flat_map(|layer| widen(&layer.inputs)).collect()),
            ("outputs", self.layers.iter().flat_map(|layer| widen(&layer.outputs)).collect()),
            ("fallbacks", vec![self.damping.fallbacks_to_save(self.inner.is_some())]),
        ]
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = State(state);
        let weights: Vec<T> = state.scalars("weights", |n| n <= self.capacity)?;
        let (held, directions) = (weights.len(), state.number("directions")? as usize);
        let next = state.number("next")? as usize;
        if next > held || next >= self.capacity {
            return Err(FisherError::range("state", format!("\"next\" of at most {held}"), next));
        }
        let per_layer = |name| state.values(name, |n| n == self.shapes.len());
        let mut layers = Vec::new();
        for (&positions, &softmax) in per_layer("positions")?.iter().zip(per_layer("softmax")?) {
            if positions < 1.0 {
                return Err(FisherError::range("state", "\"positions\" of at least 1", positions));
            }
            let form = if softmax == 0.0 { Outputs::Gradients } else { Outputs::Softmax };
            layers.push(LayerFactors { positions: positions as usize, form, ..LayerFactors::default() });
        }
        let sizes: Vec<(usize, usize)> = (self.shapes.iter().zip(&layers))
            .map(|(shape, layer)| {
                let outputs = layer.output_width(directions, shape.outputs);
                (held * layer.positions * shape.inputs, held * outputs)
            })
            .collect();
        let total = |size: fn(&(usize, usize)) -> usize| sizes.iter().map(size).sum::<usize>();
        let all_inputs: Vec<T> = state.scalars("inputs", |n| n == total(|s| s.0))?;
        let all_outputs: Vec<T> = state.scalars("outputs", |n| n == total(|s| s.1))?;
        self.damping.fallbacks = state.number("fallbacks")? as u32;
        let (mut all_inputs, mut all_outputs) = (all_inputs.into_iter(), all_outputs.into_iter());
        for (layer, (inputs, outputs)) in layers.iter_mut().zip(sizes) {
            layer.inputs = all_inputs.by_ref().take(inputs).collect();
            layer.outputs = all_outputs.by_ref().take(outputs).collect();
        }
        self.layers = layers;
        (self.weights, self.directions, self.next) = (weights, directions, next);
        (self.prepared, self.inner) = (None, None);
        Ok(())
    }

    fn bytes(&self) -> usize {
        let layers = self.layers.iter().map(|l| size_of_val(&l.inputs[..]) + size_of_val(&l.outputs[..]));
        layers.sum::<usize>() + self.inner.as_ref().map_or(0, |(inner, _)| inner.bytes())
    }
}

/// A layer's part in one product with F.
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
    fn new(layer: &'a LayerFactors<T>, shape: LayerShape, x: &[T]) -> Self {
        let LayerShape { inputs, outputs } = shape;
        let (stride, rows) = (skinny::stride(inputs), TILE * layer.positions);
        let zeros = |n: usize| vec![T::zero(); n];
        let mut weights = zeros(outputs * stride);
        skinny::to_class_major(x, inputs, outputs, stride, &mut weights);
        let (sums, tile, z) = (zeros(outputs * stride), zeros(rows * stride), zeros(rows * outputs));
        Self { layer, shape, stride, weights, sums, tile, z }
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

    /// Adds what z has become to the layer's sums.
    fn accumulate(&mut self, samples: usize) {
        let Self { layer, shape, stride, tile, z, sums, .. } = self;
        skinny::accumulate(tile, samples * layer.positions, *stride, z, shape.outputs, sums);
    }
}

/// Sample `i` of `from` to place `slot` of a ring, `width` entries each.
fn put<T: Scalar>(ring: &mut Vec<T>, from: &[T], slot: usize, i: usize, width: usize) {
    let sample = &from[i * width..][..width];
    if slot * width == ring.len() {
        ring.extend_from_slice(sample);
    } else {
        ring[slot * width..][..width].copy_from_slice(sample);
    }
}
