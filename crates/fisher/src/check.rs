//! Checks at the edge: settings, observations, right-hand sides and saved states.

use nhgd_kernels::Scalar;
use nhgd_kernels::vector::{all_finite, dot};

use crate::FisherError;
use crate::wide::narrow;
use nhgd_curvature::{Factors, LayerShape, Observation, Outputs, Rows};

fn shape(expected: String, got: impl Into<String>) -> FisherError {
    FisherError::Shape { expected, got: got.into() }
}

/// A setting that counts something.
pub(crate) fn at_least_one(name: &'static str, count: usize) -> Result<(), FisherError> {
    if count > 0 { Ok(()) } else { Err(FisherError::range(name, "at least 1", 0)) }
}

/// `keep`: the share of the old factors at a refresh.
pub(crate) fn keep(share: f64) -> Result<(), FisherError> {
    let expected = "a number from 0 to 1, 1 excluded";
    if (0.0..1.0).contains(&share) { Ok(()) } else { Err(FisherError::range("keep", expected, share)) }
}

/// The residual at which a solve may stop, raised to what the scalar type can reach.
pub(crate) fn tolerance<T: Scalar>(residual: f64) -> Result<f64, FisherError> {
    if residual > 0.0 && residual < 1.0 {
        return Ok(residual.max(8.0 * T::epsilon().wide()));
    }
    Err(FisherError::range("tolerance", "a number between 0 and 1, both excluded", residual))
}

/// The rows of an observation, each of `d` finite entries, with a finite sum of all squares.
pub(crate) fn rows<T: Scalar>(observation: &Observation<T>, d: usize) -> Result<&Rows<T>, FisherError> {
    let Observation::Rows(rows) = observation else {
        return Err(shape(format!("rows of {d} entries"), "factors of layers"));
    };
    if rows.count == 0 || rows.data.len() != rows.count * d {
        let expected = format!("at least one row of {d} entries");
        return Err(shape(expected, format!("{} entries for {} rows", rows.data.len(), rows.count)));
    }
    if !dot(&rows.data, &rows.data).is_finite() {
        return Err(FisherError::NotFinite { name: "observation" });
    }
    Ok(rows)
}

/// The factors of an observation, finite and of the layers' shapes.
pub(crate) fn factors<'a, T: Scalar>(
    observation: &'a Observation<T>,
    layers: &[LayerShape],
) -> Result<&'a Factors<T>, FisherError> {
    let Observation::Factors(factors) = observation else {
        return Err(shape(format!("factors of {} layers", layers.len()), "rows"));
    };
    let (m, k) = (factors.weights.len(), factors.directions);
    if m == 0 || k == 0 {
        let expected = "at least one sample and one direction".to_string();
        return Err(shape(expected, format!("{m} samples and {k} directions")));
    }
    if factors.layers.len() != layers.len() {
        return Err(shape(format!("{} layers", layers.len()), factors.layers.len().to_string()));
    }
    for (layer, shape_of) in factors.layers.iter().zip(layers) {
        let inputs = m * layer.positions * shape_of.inputs;
        let outputs = m * layer.output_width(k, shape_of.outputs);
        if layer.positions == 0
            || (layer.form == Outputs::Softmax && (layer.positions, k) != (1, shape_of.outputs))
        {
            let expected = "at least one position, for softmax outputs one alone and a direction per class";
            return Err(shape(
                expected.to_string(),
                format!("{} positions and {k} directions", layer.positions),
            ));
        }
        if layer.inputs.len() != inputs || layer.outputs.len() != outputs {
            return Err(shape(
                format!("{inputs} inputs and {outputs} output gradients"),
                format!("{} and {}", layer.inputs.len(), layer.outputs.len()),
            ));
        }
    }
    let finite = all_finite(&factors.weights)
        && factors.layers.iter().all(|layer| all_finite(&layer.inputs) && all_finite(&layer.outputs));
    if !finite {
        return Err(FisherError::NotFinite { name: "observation" });
    }
    match factors.weights.iter().find(|&&w| w < T::zero()) {
        Some(w) => Err(FisherError::range("weights", "numbers of at least 0", w)),
        None => Ok(factors),
    }
}

/// A right-hand side and a place for its solution, `d` entries each.
pub(crate) fn sides<T: Scalar>(b: &[T], x: &[T], d: usize) -> Result<(), FisherError> {
    for (name, length) in [("target", b.len()), ("solution", x.len())] {
        if length != d {
            return Err(FisherError::range(name, format!("{d} entries"), length));
        }
    }
    if all_finite(b) { Ok(()) } else { Err(FisherError::NotFinite { name: "target" }) }
}

/// A solution, or the reason why it is none.
pub(crate) fn solution<T: Scalar>(x: &[T]) -> Result<(), FisherError> {
    if all_finite(x) { Ok(()) } else { Err(FisherError::NotFinite { name: "solution" }) }
}

/// A saved state under its names. It is read by functions that are not inlined: their copies in each form would be a
/// part of WebAssembly modules that one can measure.
pub(crate) struct Saved<'a>(pub &'a [(String, Vec<f64>)]);

impl Saved<'_> {
    /// The finite values under `name`, which must be as many as `fits` says.
    #[inline(never)]
    pub fn values(&self, name: &str, fits: &dyn Fn(usize) -> bool) -> Result<&[f64], FisherError> {
        let values = self.0.iter().find(|(key, _)| key == name).map(|(_, values)| values.as_slice());
        match values {
            Some(values) if !fits(values.len()) => {
                let got = format!("{} values", values.len());
                Err(FisherError::range("state", format!("{name:?} of a Fisher of the same size"), got))
            }
            Some(values) if all_finite(values) => Ok(values),
            Some(_) => Err(FisherError::NotFinite { name: "state" }),
            None => Err(FisherError::range("state", format!("values under {name:?}"), "none")),
        }
    }

    /// One number.
    #[inline(never)]
    pub fn number(&self, name: &str) -> Result<f64, FisherError> {
        Ok(self.values(name, &|n| n == 1)?[0])
    }

    /// The next place of a ring that holds `held` of at most `length` entries.
    pub fn place(&self, name: &str, held: usize, length: usize) -> Result<usize, FisherError> {
        let next = self.number(name)?;
        if next >= 0.0 && next as usize <= held && (next as usize) < length {
            return Ok(next as usize);
        }
        Err(FisherError::range("state", format!("{name:?} of at most {held}"), next))
    }

    /// As many scalars as `fits` says.
    pub fn scalars<T: Scalar>(
        &self,
        name: &str,
        fits: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<T>, FisherError> {
        Ok(narrow(self.values(name, fits)?)?)
    }
}
