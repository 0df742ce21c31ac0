//! Kronecker-factored Fisher: F ≈ ρ Ā ⊗ S̄ for each layer (Martens & Grosse 2015).

use nhgd_curvature::{Diagonal, LayerShape, Observation, Statistic, Wants};
use nhgd_kernels::memory::{Result as Fallible, collected};
use nhgd_kernels::{Cholesky, MatMut, Scalar};
use nhgd_settings::{fields, words};

use crate::basis::Basis;
use crate::check::{self, Saved};
use crate::damping::{Damping, LayerDamping};
use crate::moments::{LayerMoments, Moments, Sharing};
use crate::smoothing::Smoothing;
use crate::{Fisher, FisherError, SolveReport, State};

/// Settings of `form: "kronecker"`: Kronecker factors of each layer.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub struct KroneckerSettings {
    /// The labels at which the gradients are taken; default `empirical`.
    pub statistic: Statistic,
    /// Forgetting over observations; default 0.99.
    pub smoothing: Smoothing,
    /// λ ≥ 0, more than 0 where D has a zero; default 0.01.
    pub damping: f64,
    /// Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false.
    pub relative: bool,
    /// How damping enters a Kronecker product; default `joint`.
    pub kronecker_damping: KroneckerDamping,
    /// What the factors make of positions that share the weights of a layer; default `expand`.
    pub sharing: Sharing,
    /// Share of the old factors at a refresh, in [0, 1); default 0.5.
    pub keep: f64,
}

fields!(default KroneckerSettings { statistic, smoothing, damping, relative, kronecker_damping, sharing, keep });

impl Default for KroneckerSettings {
    fn default() -> Self {
        Self {
            statistic: Statistic::Empirical,
            smoothing: Smoothing::default(),
            damping: 1e-2,
            relative: false,
            kronecker_damping: KroneckerDamping::Joint,
            sharing: Sharing::Expand,
            keep: 0.5,
        }
    }
}

/// How damping enters a Kronecker product: exactly (`joint`), or split between the factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub enum KroneckerDamping {
    /// (ρ Ā ⊗ S̄ + D̃)⁻¹, exactly.
    Joint,
    /// (ρĀ + π√c I)⁻¹ ⊗ (S̄ + π⁻¹√c I)⁻¹.
    Split,
}

words!(KroneckerDamping { "joint" Joint, "split" Split });

/// What the system of a layer is solved with.
enum Inverse<T> {
    /// Eigenbases and eigenvalues of both factors: exact for D̃ = cI, whatever c.
    Joint(Basis<T>, Vec<T>, Vec<T>),
    /// The same of the factors of D̃^(−½) F D̃^(−½), with the diagonals r^(−½) and c^(−½) where D̃ = diag(r) ⊗ diag(c).
    Scaled(Basis<T>, Vec<T>, Vec<T>, [Vec<T>; 2]),
    /// Cholesky factors of E[w aaᵀ] + π√c I and S̄ + π⁻¹√c I.
    Split(Cholesky<T>, Cholesky<T>),
}

/// Factors E[w aaᵀ] and E[w ssᵀ] of the layers, smoothed over observations and blended over refreshes.
///
/// The inverse is exact where D̃ of a layer is cI or diag(r) ⊗ diag(c), such as a penalty per layer or per input. Any
/// other D̃ enters a layer as its mean.
pub(crate) struct Kronecker<T> {
    statistic: Statistic,
    smoothing: Smoothing,
    kind: KroneckerDamping,
    sharing: Sharing,
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

/// diag(scales) M diag(scales), lower triangle.
fn scaled<T: Scalar>(moment: &[T], scales: &[T]) -> Fallible<Vec<T>> {
    let n = scales.len();
    collected(moment.iter().enumerate().map(|(at, &x)| scales[at / n] * x * scales[at % n]))
}

/// x ← scale · M + diag(damping), factored.
fn damped<T: Scalar>(
    moment: &[T],
    scale: f64,
    damping: impl Fn(usize) -> f64,
) -> Fallible<Option<Cholesky<T>>> {
    let n = moment.len().isqrt();
    let mut damped: Vec<T> = collected(moment.iter().map(|&x| T::of(scale) * x))?;
    damped.iter_mut().step_by(n + 1).enumerate().for_each(|(i, x)| *x += T::of(damping(i)));
    Ok(Cholesky::factor(n, damped)?.ok())
}

impl<T: Scalar> Kronecker<T> {
    pub fn new(
        settings: &KroneckerSettings,
        layers: &[LayerShape],
        regularizer: Diagonal<T>,
    ) -> Result<Self, FisherError> {
        check::keep(settings.keep)?;
        let d = layers.iter().map(|layer| layer.inputs * layer.outputs).sum();
        Ok(Self {
            statistic: settings.statistic,
            smoothing: settings.smoothing.checked()?,
            kind: settings.kronecker_damping,
            sharing: settings.sharing,
            keep: settings.keep,
            shapes: layers.to_vec(),
            damping: Damping::new(settings.damping, settings.relative, regularizer, d)?,
            moments: Moments::zero(layers)?,
            seen: 0.0,
            inverses: None,
        })
    }

    fn invert(&self, layer: &LayerMoments<T>, tilde: &LayerDamping) -> Fallible<Option<Inverse<T>>> {
        let inverse_weight = self.moments.inverse_weight();
        let split = |inputs: Option<_>, outputs: Option<_>| Some(Inverse::Split(inputs?, outputs?));
        Ok(match (self.kind, tilde) {
            (KroneckerDamping::Joint, LayerDamping::Product(inputs, outputs)) => {
                let scales = |d: &[f64]| collected(d.iter().map(|d| T::of(1.0 / d.sqrt())));
                let scales = [scales(inputs)?, scales(outputs)?];
                let layer = LayerMoments {
                    shape: layer.shape,
                    inputs: scaled(&layer.inputs, &scales[0])?,
                    outputs: scaled(&layer.outputs, &scales[1])?,
                };
                let found = layer.basis()?.ok();
                found.map(|(basis, a, s)| Inverse::Scaled(basis, a, s, scales))
            }
            (KroneckerDamping::Joint, _) => {
                layer.basis()?.ok().map(|(basis, a, s)| Inverse::Joint(basis, a, s))
            }
            // Damped by π diag(r) and π⁻¹ diag(c): what the line below is for the scaled factors.
            (KroneckerDamping::Split, LayerDamping::Product(inputs, outputs)) => {
                let trace = |moment: &[T], d: &[f64]| -> f64 {
                    moment.iter().step_by(d.len() + 1).zip(d).map(|(x, d)| x.wide() / d).sum()
                };
                let output_trace = trace(&layer.outputs, outputs) * inverse_weight;
                let pi = balance(trace(&layer.inputs, inputs), output_trace, layer.shape);
                split(
                    damped(&layer.inputs, 1.0, |i| pi * inputs[i])?,
                    damped(&layer.outputs, inverse_weight, |j| outputs[j] / pi)?,
                )
            }
            (KroneckerDamping::Split, constant) => {
                let pi = balance(layer.input_trace(), layer.output_trace() * inverse_weight, layer.shape);
                let root = constant.mean().sqrt();
                split(
                    damped(&layer.inputs, 1.0, |_| pi * root)?,
                    damped(&layer.outputs, inverse_weight, |_| root / pi)?,
                )
            }
        })
    }

    fn mean(&self) -> f64 {
        self.moments.trace() / self.parameters() as f64
    }

    /// Inverts all layers unless that is done.
    fn factor(&mut self) -> Result<(), FisherError> {
        if self.inverses.is_none() {
            let mut damping = self.damping.copied()?;
            let inverses = damping.raise(self.mean(), |damping, level| {
                let tildes = damping.of_layers(level, &self.shapes)?;
                let layers = self.moments.layers.iter().zip(&tildes);
                let inverses = layers.map(|(layer, tilde)| self.invert(layer, tilde));
                Ok(inverses.collect::<Fallible<Vec<_>>>()?.into_iter().collect::<Option<Vec<_>>>())
            });
            self.damping = damping;
            self.inverses = Some(inverses?);
        }
        Ok(())
    }

    /// Blends the moments of the observation in, at a refresh with the share `keep` of the old ones.
    fn absorb(&mut self, observation: &Observation<T>, keep: Option<f64>) -> Result<(), FisherError> {
        let (fresh, count) = match observation {
            Observation::Moments(packed, samples) => {
                let fresh = Moments::unpacked(&self.shapes, packed)?;
                (fresh.ok_or(FisherError::NotFinite { name: "observation" })?, *samples)
            }
            _ => {
                let factors = check::factors(observation, &self.shapes)?;
                (Moments::of(factors, &self.shapes, self.sharing)?, factors.weights.len())
            }
        };
        let (beta, gamma) = keep.map_or(self.smoothing.weights(self.seen, count), |keep| (keep, 1.0 - keep));
        self.moments.blend(beta, gamma, &fresh);
        self.seen = count as f64 + if keep.is_some() { 0.0 } else { self.seen };
        self.inverses = None;
        Ok(())
    }
}

impl<T: Scalar> Fisher<T> for Kronecker<T> {
    fn parameters(&self) -> usize {
        self.shapes.iter().map(|shape| shape.inputs * shape.outputs).sum()
    }

    fn wants(&self) -> Wants {
        Wants::Factors(self.statistic)
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        let mut damping = self.damping.copied()?;
        if !damping.set_regularizer(regularizer)? {
            return Ok(());
        }
        let level = damping.level(self.mean());
        // Eigenbases of factors that are not scaled don't depend on D.
        let product = damping.of_layers(level, &self.shapes)?.iter().any(LayerDamping::is_product);
        let fixed = |inverses: &[Inverse<T>]| {
            !product && inverses.iter().all(|inverse| matches!(inverse, Inverse::Joint(..)))
        };
        self.inverses = self.inverses.take().filter(|(inverses, _)| fixed(inverses)).map(|(i, _)| (i, level));
        self.damping = damping;
        Ok(())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, None)
    }

    /// Blends the factors of the samples in, the first ones as they are, and inverts at once.
    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        let keep = if self.seen > 0.0 { self.keep } else { 0.0 };
        self.absorb(observation, Some(keep))?;
        // Where this fails, the next solve tries again and says so.
        let fallbacks = self.damping.fallbacks;
        if self.factor().is_err() {
            self.damping.fallbacks = fallbacks;
        }
        Ok(())
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.parameters())?;
        self.factor()?;
        let Some((inverses, level)) = &self.inverses else { unreachable!("factored above") };
        let tildes = self.damping.of_layers(*level, &self.shapes)?;
        let rho = T::of(self.moments.inverse_weight());
        let mut start = 0;
        for ((inverse, shape), tilde) in inverses.iter().zip(&self.shapes).zip(&tildes) {
            let span = start..start + shape.inputs * shape.outputs;
            start = span.end;
            let (b, x) = (&b[span.clone()], &mut x[span]);
            match inverse {
                Inverse::Joint(basis, a, s) => {
                    let c = T::of(tilde.mean());
                    basis.divide(b, x, |i, j| rho * a[i] * s[j] + c)?;
                }
                Inverse::Scaled(basis, a, s, [inputs, outputs]) => {
                    let scale = |at: usize| inputs[at / shape.outputs] * outputs[at % shape.outputs];
                    let b: Vec<T> = collected(b.iter().enumerate().map(|(at, &b)| scale(at) * b))?;
                    basis.divide(&b, x, |i, j| rho * a[i] * s[j] + T::one())?;
                    x.iter_mut().enumerate().for_each(|(at, x)| *x *= scale(at));
                }
                Inverse::Split(inputs, outputs) => {
                    x.copy_from_slice(b);
                    let mut x = MatMut::new(x, shape.inputs, shape.outputs);
                    inputs.solve_many(x.rb_mut())?;
                    outputs.solve_many(x.t())?;
                }
            }
        }
        check::solution(x)?;
        Ok(SolveReport {
            damping: *level,
            fallbacks: self.damping.fallbacks,
            mean_regularizer: tildes.iter().any(|tilde| matches!(tilde, LayerDamping::Mean(_))),
            ..SolveReport::default()
        })
    }

    fn reset(&mut self) {
        self.moments.clear();
        self.seen = 0.0;
        self.inverses = None;
    }

    fn state(&self) -> Fallible<State> {
        let mut state = self.damping.state(self.inverses.is_some())?;
        state.extend(self.moments.state()?);
        state.push(("seen", vec![self.seen]));
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = Saved(state);
        let (moments, seen) = (self.moments.restored(&state)?, state.number("seen")?);
        self.damping = self.damping.restored(&state)?;
        (self.moments, self.seen, self.inverses) = (moments, seen, None);
        Ok(())
    }

    fn bytes(&self) -> usize {
        // The inverses are as large as the moments.
        self.moments.bytes() * if self.inverses.is_some() { 2 } else { 1 }
    }
}
