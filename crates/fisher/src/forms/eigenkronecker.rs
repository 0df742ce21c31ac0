//! Eigenvalue-corrected Kronecker factors (George et al. 2018): the eigenbases of the factors, with the second moments of
//! the gradients in that basis in the place of the products of eigenvalues.

use nhgd_curvature::{Diagonal, LayerShape, Observation, Statistic, Wants};
use nhgd_kernels::memory::{Result as Fallible, copied, joined, zeros};
use nhgd_kernels::vector::all_finite;
use nhgd_kernels::{MatRef, Scalar};
use nhgd_settings::fields;

use crate::basis::{Basis, product};
use crate::check::{self, Saved};
use crate::damping::{Damping, LayerDamping};
use crate::moments::{LayerMoments, Moments, Sharing, layer_diagonal};
use crate::smoothing::Smoothing;
use crate::wide::{widen, widen_all};
use crate::{Fisher, FisherError, SolveReport, State};

/// Settings of `form: "eigenkronecker"`: the eigenbases of the Kronecker factors, with second moments of their own.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub struct EigenKroneckerSettings {
    /// The labels at which the gradients are taken; default `empirical`.
    pub statistic: Statistic,
    /// Forgetting over observations; default 0.99.
    pub smoothing: Smoothing,
    /// λ ≥ 0, more than 0 where D has a zero; default 0.01.
    pub damping: f64,
    /// Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false.
    pub relative: bool,
    /// What the factors make of positions that share the weights of a layer; default `expand`.
    pub sharing: Sharing,
    /// Share of the old factors at a refresh, in [0, 1); default 0.5.
    pub keep: f64,
    /// Observations from one eigenbasis to the next, at least 1; a refresh takes a new one in any case; default 10.
    pub basis_every: usize,
}

fields!(default EigenKroneckerSettings { statistic, smoothing, damping, relative, sharing, keep, basis_every });

impl Default for EigenKroneckerSettings {
    fn default() -> Self {
        Self {
            statistic: Statistic::Empirical,
            smoothing: Smoothing::default(),
            damping: 1e-2,
            relative: false,
            sharing: Sharing::Expand,
            keep: 0.5,
            basis_every: 10,
        }
    }
}

/// F ≈ (U ⊗ V) diag(σ) (U ⊗ V)ᵀ for each layer, with U and V the eigenbases of its factors.
///
/// At a new basis, σ becomes the diagonal, in that basis, of the matrix that the old basis and σ stand for. The inverse is
/// exact where D̃ of a layer is cI; any other D̃ enters a layer as its mean.
pub(crate) struct EigenKronecker<T> {
    statistic: Statistic,
    smoothing: Smoothing,
    sharing: Sharing,
    keep: f64,
    basis_every: usize,
    shapes: Vec<LayerShape>,
    damping: Damping<T>,
    moments: Moments<T>,
    seen: f64,
    /// Observations since the bases were taken.
    age: usize,
    bases: Vec<Basis<T>>,
    /// σ of each layer, inputs × outputs.
    spectra: Vec<Vec<T>>,
}

/// The diagonal of (U ⊗ V) diag(σ) (U ⊗ V)ᵀ in the basis U' ⊗ V': P σ Qᵀ with the squares P of U'ᵀU and Q of V'ᵀV.
fn carried<T: Scalar>(sigma: &[T], old: &Basis<T>, new: &Basis<T>, shape: LayerShape) -> Fallible<Vec<T>> {
    let squares = |new: &[T], old: &[T], n: usize| {
        let mut squares = product(MatRef::new(new, n, n).t(), MatRef::new(old, n, n))?;
        squares.iter_mut().for_each(|x| *x = *x * *x);
        Fallible::Ok(squares)
    };
    let LayerShape { inputs, outputs } = shape;
    // Rounding chooses the basis of a null space. Single σ depend on that choice, and their mean does not.
    let mut sigma = copied(sigma)?;
    let mean = |place: &dyn Fn(usize) -> usize, count: usize, sigma: &mut [T]| {
        let mean = (0..count).map(|i| sigma[place(i)]).sum::<T>() / T::of(count as f64);
        (0..count).for_each(|i| sigma[place(i)] = mean);
    };
    let [no_inputs, no_outputs] = old.nulls;
    for j in 0..if no_inputs > 0 { outputs } else { 0 } {
        mean(&|i| i * outputs + j, no_inputs, &mut sigma);
    }
    for i in 0..if no_outputs > 0 { inputs } else { 0 } {
        mean(&|j| i * outputs + j, no_outputs, &mut sigma);
    }
    let p = squares(&new.inputs, &old.inputs, inputs)?;
    let q = squares(&new.outputs, &old.outputs, outputs)?;
    let half = product(MatRef::new(&p, inputs, inputs), MatRef::new(&sigma, inputs, outputs))?;
    product(MatRef::new(&half, inputs, outputs), MatRef::new(&q, outputs, outputs).t())
}

impl<T: Scalar> EigenKronecker<T> {
    pub fn new(
        settings: &EigenKroneckerSettings,
        layers: &[LayerShape],
        regularizer: Diagonal<T>,
    ) -> Result<Self, FisherError> {
        check::keep(settings.keep)?;
        check::at_least_one("basisEvery", settings.basis_every)?;
        let d = layers.iter().map(|layer| layer.inputs * layer.outputs).sum();
        Ok(Self {
            statistic: settings.statistic,
            smoothing: settings.smoothing.checked()?,
            sharing: settings.sharing,
            keep: settings.keep,
            basis_every: settings.basis_every,
            shapes: layers.to_vec(),
            damping: Damping::new(settings.damping, settings.relative, regularizer, d)?,
            moments: Moments::zero(layers)?,
            seen: 0.0,
            age: 0,
            bases: Vec::new(),
            spectra: Vec::new(),
        })
    }

    fn absorb(&mut self, observation: &Observation<T>, keep: Option<f64>) -> Result<(), FisherError> {
        let factors = check::factors(observation, &self.shapes)?;
        let count = factors.weights.len();
        let (beta, gamma) = keep.map_or(self.smoothing.weights(self.seen, count), |keep| (keep, 1.0 - keep));
        let mut moments = self.moments.copied()?;
        moments.blend(beta, gamma, &Moments::of(factors, &self.shapes, self.sharing)?);

        let anew = keep.is_some() || self.bases.is_empty() || self.age >= self.basis_every;
        let bases = if anew {
            let bases = moments.layers.iter().map(LayerMoments::basis).collect::<Fallible<Vec<_>>>()?;
            let bases = bases
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| FisherError::NotFinite { name: "observation" })?;
            Some(bases.into_iter().map(|(basis, _, _)| basis).collect::<Vec<_>>())
        } else {
            None
        };
        let mut spectra = Vec::with_capacity(self.shapes.len());
        for (l, &shape) in self.shapes.iter().enumerate() {
            let mut sigma = match &bases {
                Some(_) if self.bases.is_empty() => zeros(shape.inputs * shape.outputs)?,
                Some(bases) => carried(&self.spectra[l], &self.bases[l], &bases[l], shape)?,
                None => copied(&self.spectra[l])?,
            };
            let basis = &bases.as_ref().unwrap_or(&self.bases)[l];
            // The exact diagonal of the layer's Fisher in the basis.
            let (weights, k) = (&factors.weights, factors.directions);
            let exact = layer_diagonal(weights, k, &factors.layers[l], shape, Some(basis))?;
            let (beta, gamma) = (T::of(beta), T::of(gamma));
            sigma
                .iter_mut()
                .zip(&exact)
                .for_each(|(old, &new)| *old = (beta * *old + gamma * new).max(T::zero()));
            if !all_finite(&sigma) {
                return Err(FisherError::NotFinite { name: "observation" });
            }
            spectra.push(sigma);
        }

        self.age = if anew { 1 } else { self.age + 1 };
        self.bases = bases.unwrap_or_else(|| std::mem::take(&mut self.bases));
        self.seen = count as f64 + if keep.is_some() { 0.0 } else { self.seen };
        (self.moments, self.spectra) = (moments, spectra);
        Ok(())
    }
}

impl<T: Scalar> Fisher<T> for EigenKronecker<T> {
    fn parameters(&self) -> usize {
        self.shapes.iter().map(|shape| shape.inputs * shape.outputs).sum()
    }

    fn wants(&self) -> Wants {
        Wants::Factors(self.statistic)
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        self.damping.set_regularizer(regularizer).map(|_| ())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, None)
    }

    /// Blends the factors of the samples in, the first ones as they are, and takes new eigenbases.
    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, Some(if self.seen > 0.0 { self.keep } else { 0.0 }))
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.parameters())?;
        let trace: f64 = self.spectra.iter().flatten().map(|s| s.wide()).sum();
        let level = self.damping.level(trace / self.parameters() as f64);
        let tildes = self.damping.of_layers(level, &self.shapes)?;
        let mut start = 0;
        for (l, shape) in self.shapes.iter().enumerate() {
            let span = start..start + shape.inputs * shape.outputs;
            start = span.end;
            let c = T::of(tildes[l].mean());
            let (b, x) = (&b[span.clone()], &mut x[span]);
            match self.bases.get(l) {
                Some(basis) => basis.divide(b, x, |i, j| self.spectra[l][i * shape.outputs + j] + c)?,
                None => x.iter_mut().zip(b).for_each(|(x, &b)| *x = b / c),
            }
        }
        check::solution(x)?;
        Ok(SolveReport {
            damping: level,
            mean_regularizer: !tildes.iter().all(LayerDamping::is_constant),
            ..SolveReport::default()
        })
    }

    fn reset(&mut self) {
        self.moments.clear();
        (self.seen, self.age) = (0.0, 0);
        self.bases.clear();
        self.spectra.clear();
    }

    fn state(&self) -> Fallible<State> {
        let mut state = self.damping.state(false)?;
        state.extend(self.moments.state()?);
        state.push(("seen", vec![self.seen]));
        state.push(("age", vec![self.age as f64]));
        let all = |pick: fn(&Basis<T>) -> &[T]| widen_all(&self.bases.iter().map(pick).collect::<Vec<_>>());
        state.push(("inputBases", all(|basis| &basis.inputs)?));
        state.push(("outputBases", all(|basis| &basis.outputs)?));
        state.push(("nulls", self.bases.iter().flat_map(|basis| basis.nulls.map(|n| n as f64)).collect()));
        state.push(("spectra", widen(&joined(&self.spectra)?)?));
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = Saved(state);
        let moments = self.moments.restored(&state)?;
        let (seen, age) = (state.number("seen")?, state.number("age")? as usize);
        let size = |n: fn(&LayerShape) -> usize| if age == 0 { 0 } else { self.shapes.iter().map(n).sum() };
        let (inputs, outputs) = (size(|s| s.inputs * s.inputs), size(|s| s.outputs * s.outputs));
        let sigmas = size(|s| s.inputs * s.outputs);
        let inputs: Vec<T> = state.scalars("inputBases", &|n| n == inputs)?;
        let outputs: Vec<T> = state.scalars("outputBases", &|n| n == outputs)?;
        let sigmas: Vec<T> = state.scalars("spectra", &|n| n == sigmas)?;
        let nulls = size(|_| 2);
        let mut nulls = state.values("nulls", &|n| n == nulls)?.iter().map(|&n| n as usize);
        let (mut bases, mut spectra) = (Vec::new(), Vec::new());
        let (mut inputs, mut outputs, mut sigmas) = (&inputs[..], &outputs[..], &sigmas[..]);
        fn take<T: Scalar>(from: &mut &[T], n: usize) -> Fallible<Vec<T>> {
            let (head, rest) = from.split_at(n);
            *from = rest;
            copied(head)
        }
        for shape in self.shapes.iter().take(if age == 0 { 0 } else { self.shapes.len() }) {
            bases.push(Basis {
                inputs: take(&mut inputs, shape.inputs * shape.inputs)?,
                outputs: take(&mut outputs, shape.outputs * shape.outputs)?,
                nulls: [shape.inputs, shape.outputs].map(|n| nulls.next().unwrap_or(0).min(n)),
            });
            spectra.push(take(&mut sigmas, shape.inputs * shape.outputs)?);
        }
        self.damping = self.damping.restored(&state)?;
        (self.bases, self.spectra) = (bases, spectra);
        (self.moments, self.seen, self.age) = (moments, seen, age);
        Ok(())
    }

    fn bytes(&self) -> usize {
        let bases: usize =
            self.bases.iter().map(|b| size_of_val(&b.inputs[..]) + size_of_val(&b.outputs[..])).sum();
        let spectra: usize = self.spectra.iter().map(|sigma| size_of_val(&sigma[..])).sum();
        self.moments.bytes() + bases + spectra
    }
}
