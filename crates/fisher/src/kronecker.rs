//! Kronecker-factored Fisher: F ≈ ρ Ā ⊗ S̄ for each layer (Martens & Grosse 2015).

use nhgd_kernels::{Cholesky, MatMut, Scalar};

use crate::basis::Basis;
use crate::check::{self, State};
use crate::config::KroneckerDamping;
use crate::damping::Damping;
use crate::moments::{LayerMoments, Moments, Sharing};
use crate::smoothing::Smoothing;
use crate::{Fisher, FisherError, SolveReport};
use nhgd_curvature::{Diagonal, LayerShape, Observation, Statistic, Wants};

/// What a layer's system is solved with.
enum Inverse<T> {
    /// Eigenbases and eigenvalues of both factors: exact for D̃ = cI, whatever c.
    Joint(Basis<T>, Vec<T>, Vec<T>),
    /// Cholesky factors of E[w aaᵀ] + π√c I and S̄ + π⁻¹√c I.
    Split(Cholesky<T>, Cholesky<T>),
}

/// Layers' factors E_w[aaᵀ] and E_w[ssᵀ], smoothed over observations and blended over refreshes.
///
/// The inverse is exact for D̃ = cI; another D enters each layer as its mean.
pub(crate) struct Kronecker<T> {
    statistic: Statistic,
    smoothing: Smoothing,
    kind: KroneckerDamping,
    keep: f64,
    shapes: Vec<LayerShape>,
    damping: Damping<T>,
    moments: Moments<T>,
    seen: f64,
    /// Inverses of the layers and λ in them, until something changes.
    inverses: Option<(Vec<Inverse<T>>, f64)>,
}

/// π of Martens & Grosse 2015, section 6.3: √((tr A / inputs) / (tr S / outputs)), 1 where a trace is 0.
fn balance(input_trace: f64, output_trace: f64, shape: LayerShape) -> f64 {
    let pi = ((input_trace / shape.inputs as f64) / (output_trace / shape.outputs as f64)).sqrt();
    if pi.is_finite() && pi > 0.0 { pi } else { 1.0 }
}

/// D's mean over the parameters of each layer.
pub(crate) fn layer_means<T: Scalar>(regularizer: &Diagonal<T>, shapes: &[LayerShape]) -> Vec<f64> {
    let mut start = 0;
    let mean = |shape: &LayerShape| match regularizer {
        Diagonal::Scalar(c) => c.wide(),
        Diagonal::Vector(d) => {
            let size = shape.inputs * shape.outputs;
            let sum: f64 = d[start..start + size].iter().map(|d| d.wide()).sum();
            start += size;
            sum / size as f64
        }
    };
    shapes.iter().map(mean).collect()
}

impl<T: Scalar> Kronecker<T> {
    pub fn new(
        shapes: &[LayerShape],
        damping: Damping<T>,
        statistic: Statistic,
        smoothing: Smoothing,
        kind: KroneckerDamping,
        keep: f64,
    ) -> Self {
        let moments = Moments::zero(shapes);
        let shapes = shapes.to_vec();
        Self { statistic, smoothing, kind, keep, shapes, damping, moments, seen: 0.0, inverses: None }
    }

    fn invert(&self, layer: &LayerMoments<T>, c: f64) -> Option<Inverse<T>> {
        if self.kind == KroneckerDamping::Joint {
            let (basis, a, s) = Basis::of(layer).ok()?;
            return Some(Inverse::Joint(basis, a, s));
        }
        let inverse_weight = self.moments.inverse_weight();
        let pi = balance(layer.input_trace(), layer.output_trace() * inverse_weight, layer.shape);
        let factor = |moment: &[T], n: usize, scale: f64, damping: f64| {
            let mut damped: Vec<T> = moment.iter().map(|&x| T::of(scale) * x).collect();
            damped.iter_mut().step_by(n + 1).for_each(|x| *x += T::of(damping));
            Cholesky::factor(n, damped).ok()
        };
        Some(Inverse::Split(
            factor(&layer.inputs, layer.shape.inputs, 1.0, pi * c.sqrt())?,
            factor(&layer.outputs, layer.shape.outputs, inverse_weight, c.sqrt() / pi)?,
        ))
    }

    /// Inverts all layers unless that is done.
    fn factor(&mut self) -> Result<(), FisherError> {
        if self.inverses.is_none() {
            let means = layer_means(self.damping.regularizer(), &self.shapes);
            let mean = self.moments.trace() / self.size() as f64;
            let mut damping = self.damping.clone();
            let inverses = damping.raise(mean, |_, level| {
                let layers = self.moments.layers.iter().zip(&means);
                layers.map(|(layer, d)| self.invert(layer, d + level)).collect::<Option<Vec<_>>>()
            });
            self.damping = damping;
            self.inverses = Some(inverses?);
        }
        Ok(())
    }

    /// Blends the observation's moments in, at a refresh with the share `keep` of the old ones.
    fn absorb(&mut self, observation: &Observation<T>, keep: Option<f64>) -> Result<(), FisherError> {
        let factors = check::factors(observation, &self.shapes)?;
        let fresh = Moments::of(factors, &self.shapes, Sharing::Expand)?;
        let count = factors.weights.len();
        let (beta, gamma) = keep.map_or(self.smoothing.weights(self.seen, count), |keep| (keep, 1.0 - keep));
        self.moments.blend(beta, gamma, &fresh);
        self.seen = count as f64 + if keep.is_some() { 0.0 } else { self.seen };
        self.inverses = None;
        Ok(())
    }
}

impl<T: Scalar> Fisher<T> for Kronecker<T> {
    fn size(&self) -> usize {
        self.shapes.iter().map(|shape| shape.inputs * shape.outputs).sum()
    }

    fn wants(&self) -> Wants {
        Wants::Factors(self.statistic)
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        self.damping.set_regularizer(regularizer)?;
        match (self.kind, &mut self.inverses) {
            // The eigenbases don't depend on D.
            (KroneckerDamping::Joint, Some((_, level))) => {
                *level = self.damping.level(self.moments.trace() / self.damping.size() as f64);
            }
            _ => self.inverses = None,
        }
        Ok(())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, None)
    }

    /// Blends the samples' factors in, the first ones as they are, and inverts at once.
    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        let keep = if self.seen > 0.0 { self.keep } else { 0.0 };
        self.absorb(observation, Some(keep))?;
        self.factor()
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.size())?;
        self.factor()?;
        let Some((inverses, level)) = &self.inverses else { unreachable!("factored above") };
        let means = layer_means(self.damping.regularizer(), &self.shapes);
        let rho = T::of(self.moments.inverse_weight());
        let mut start = 0;
        for ((inverse, shape), mean) in inverses.iter().zip(&self.shapes).zip(means) {
            let span = start..start + shape.inputs * shape.outputs;
            start = span.end;
            let (b, x) = (&b[span.clone()], &mut x[span]);
            match inverse {
                Inverse::Joint(basis, a, s) => {
                    let c = T::of(mean + level);
                    basis.divide(b, x, |i, j| rho * a[i] * s[j] + c);
                }
                Inverse::Split(inputs, outputs) => {
                    x.copy_from_slice(b);
                    let mut x = MatMut::new(x, shape.inputs, shape.outputs);
                    inputs.solve_many(x.rb_mut());
                    outputs.solve_many(x.t());
                }
            }
        }
        check::solution(x)?;
        Ok(SolveReport {
            residual: f64::NAN,
            damping: *level,
            fallbacks: self.damping.fallbacks,
            steps: 0,
            mean_regularizer: self.damping.is_vector(),
        })
    }

    fn reset(&mut self) {
        self.moments = Moments::zero(&self.shapes);
        self.seen = 0.0;
        self.inverses = None;
    }

    fn state(&self) -> Vec<(&'static str, Vec<f64>)> {
        let mut state = self.moments.state();
        state.push(("seen", vec![self.seen]));
        state.push(("fallbacks", vec![self.damping.fallbacks_to_save(self.inverses.is_some())]));
        state
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = State(state);
        let (moments, seen) = (self.moments.restored(&state)?, state.number("seen")?);
        self.damping.fallbacks = state.number("fallbacks")? as u32;
        (self.moments, self.seen, self.inverses) = (moments, seen, None);
        Ok(())
    }

    fn bytes(&self) -> usize {
        // The inverses are as large as the moments.
        self.moments.bytes() * if self.inverses.is_some() { 2 } else { 1 }
    }
}
