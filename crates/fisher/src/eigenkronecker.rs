//! Eigenvalue-corrected Kronecker factors (George et al. 2018): the factors' eigenbases, with the second moments of the
//! gradients in that basis in the place of the products of eigenvalues.

use nhgd_kernels::vector::all_finite;
use nhgd_kernels::{MatMut, MatRef, Scalar, mirror_lower};

use crate::basis::{Basis, product};
use crate::check::{self, State, widen};
use crate::damping::Damping;
use crate::kronecker::layer_means;
use crate::moments::{LayerMoments, Moments, Sharing, layer_diagonal};
use crate::smoothing::Smoothing;
use crate::{Fisher, FisherError, SolveReport};
use nhgd_curvature::{Diagonal, LayerShape, Observation, Statistic, Wants};

/// F ≈ (U ⊗ V) diag(σ) (U ⊗ V)ᵀ for each layer, with U and V the eigenbases of its factors.
///
/// The inverse is exact for D̃ = cI; another D enters each layer as its mean.
pub(crate) struct EigenKronecker<T> {
    statistic: Statistic,
    smoothing: Smoothing,
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

/// diag(Uᵀ M U), with the lower triangle of M and the columns of U.
fn projected<T: Scalar>(moment: &[T], u: &[T], n: usize) -> Vec<T> {
    let mut full = moment.to_vec();
    mirror_lower(MatMut::new(&mut full, n, n));
    let rotated = product(MatRef::new(&full, n, n), MatRef::new(u, n, n));
    (0..n).map(|j| (0..n).map(|i| u[i * n + j] * rotated[i * n + j]).sum()).collect()
}

/// The Kronecker approximation's own σ in a given basis; in the factors' eigenbasis the products of eigenvalues.
fn kronecker_spectrum<T: Scalar>(layer: &LayerMoments<T>, inverse_weight: f64, basis: &Basis<T>) -> Vec<T> {
    let a = projected(&layer.inputs, &basis.inputs, layer.shape.inputs);
    let s = projected(&layer.outputs, &basis.outputs, layer.shape.outputs);
    a.iter().flat_map(|&a| s.iter().map(move |&s| T::of(inverse_weight) * a * s)).collect()
}

impl<T: Scalar> EigenKronecker<T> {
    pub fn new(
        shapes: &[LayerShape],
        damping: Damping<T>,
        statistic: Statistic,
        smoothing: Smoothing,
        keep: f64,
        basis_every: usize,
    ) -> Self {
        Self {
            statistic,
            smoothing,
            keep,
            basis_every,
            shapes: shapes.to_vec(),
            damping,
            moments: Moments::zero(shapes),
            seen: 0.0,
            age: 0,
            bases: Vec::new(),
            spectra: Vec::new(),
        }
    }

    fn absorb(&mut self, observation: &Observation<T>, keep: Option<f64>) -> Result<(), FisherError> {
        let factors = check::factors(observation, &self.shapes)?;
        let count = factors.weights.len();
        let (beta, gamma) = keep.map_or(self.smoothing.weights(self.seen, count), |keep| (keep, 1.0 - keep));
        let old_weight = self.moments.inverse_weight();
        let mut moments = self.moments.clone();
        moments.blend(beta, gamma, &Moments::of(factors, &self.shapes, Sharing::Expand)?);

        let anew = keep.is_some() || self.bases.is_empty() || self.age >= self.basis_every;
        let bases = if anew {
            let bases = moments.layers.iter().map(Basis::of).collect::<Result<Vec<_>, _>>();
            let bases = bases.map_err(|_| FisherError::NotFinite { name: "observation" })?;
            Some(bases.into_iter().map(|(basis, _, _)| basis).collect::<Vec<_>>())
        } else {
            None
        };
        let mut spectra = Vec::with_capacity(self.shapes.len());
        for (l, &shape) in self.shapes.iter().enumerate() {
            let mut sigma = match &bases {
                Some(bases) => kronecker_spectrum(&self.moments.layers[l], old_weight, &bases[l]),
                None => self.spectra[l].clone(),
            };
            let basis = &bases.as_ref().unwrap_or(&self.bases)[l];
            // The exact diagonal of the layer's Fisher in the basis.
            let (weights, k) = (&factors.weights, factors.directions);
            let exact = layer_diagonal(weights, k, &factors.layers[l], shape, Some(basis));
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
    fn size(&self) -> usize {
        self.shapes.iter().map(|shape| shape.inputs * shape.outputs).sum()
    }

    fn wants(&self) -> Wants {
        Wants::Factors(self.statistic)
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        self.damping.set_regularizer(regularizer)
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, None)
    }

    /// Blends the samples' factors in, the first ones as they are, and takes new eigenbases.
    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, Some(if self.seen > 0.0 { self.keep } else { 0.0 }))
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.size())?;
        let trace: f64 = self.spectra.iter().flatten().map(|s| s.wide()).sum();
        let level = self.damping.level(trace / self.size() as f64);
        let means = layer_means(self.damping.regularizer(), &self.shapes);
        let mut start = 0;
        for (l, shape) in self.shapes.iter().enumerate() {
            let span = start..start + shape.inputs * shape.outputs;
            start = span.end;
            let c = T::of(means[l] + level);
            let (b, x) = (&b[span.clone()], &mut x[span]);
            match self.bases.get(l) {
                Some(basis) => basis.divide(b, x, |i, j| self.spectra[l][i * shape.outputs + j] + c),
                None => x.iter_mut().zip(b).for_each(|(x, &b)| *x = b / c),
            }
        }
        check::solution(x)?;
        Ok(SolveReport {
            residual: f64::NAN,
            damping: level,
            mean_regularizer: self.damping.is_vector(),
            ..SolveReport::default()
        })
    }

    fn reset(&mut self) {
        self.moments = Moments::zero(&self.shapes);
        (self.seen, self.age) = (0.0, 0);
        self.bases.clear();
        self.spectra.clear();
    }

    fn state(&self) -> Vec<(&'static str, Vec<f64>)> {
        let mut state = self.moments.state();
        state.push(("seen", vec![self.seen]));
        state.push(("age", vec![self.age as f64]));
        state.push(("inputBases", self.bases.iter().flat_map(|basis| widen(&basis.inputs)).collect()));
        state.push(("outputBases", self.bases.iter().flat_map(|basis| widen(&basis.outputs)).collect()));
        state.push(("spectra", self.spectra.iter().flat_map(|sigma| widen(sigma)).collect()));
        state
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = State(state);
        let moments = self.moments.restored(&state)?;
        let (seen, age) = (state.number("seen")?, state.number("age")? as usize);
        let size = |n: fn(&LayerShape) -> usize| if age == 0 { 0 } else { self.shapes.iter().map(n).sum() };
        let (inputs, outputs) = (size(|s| s.inputs * s.inputs), size(|s| s.outputs * s.outputs));
        let sigmas = size(|s| s.inputs * s.outputs);
        let inputs: Vec<T> = state.scalars("inputBases", |n| n == inputs)?;
        let outputs: Vec<T> = state.scalars("outputBases", |n| n == outputs)?;
        let sigmas: Vec<T> = state.scalars("spectra", |n| n == sigmas)?;
        let (mut inputs, mut outputs, mut sigmas) =
            (inputs.into_iter(), outputs.into_iter(), sigmas.into_iter());
        self.bases.clear();
        self.spectra.clear();
        for shape in self.shapes.iter().take(if age == 0 { 0 } else { self.shapes.len() }) {
            let take = |from: &mut std::vec::IntoIter<T>, n: usize| from.take(n).collect::<Vec<T>>();
            self.bases.push(Basis {
                inputs: take(&mut inputs, shape.inputs * shape.inputs),
                outputs: take(&mut outputs, shape.outputs * shape.outputs),
            });
            self.spectra.push(take(&mut sigmas, shape.inputs * shape.outputs));
        }
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
