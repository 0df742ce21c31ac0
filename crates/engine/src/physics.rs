//! Problems of differential equations from the numbers that cross the boundary.

use nhgd_models::JetNetwork;
use nhgd_problems::{Equations, Physics, Prior};

use crate::bilevel::at_least;
use crate::error::{length, reserved};
use crate::{Code, Error, Result};

/// The problem of a network from `dimensions` coordinates over `hidden` layers. Equations are rows as [`Equations`] has
/// them, and v has as many entries as its prior; `variable` is whether v changes the operators of the inner ones.
pub(crate) fn physics(
    hidden: &[u32],
    dimensions: usize,
    variable: bool,
    regularization: f64,
    prior: Prior<f64>,
    [inner, outer]: [Vec<f64>; 2],
    threads: usize,
) -> Result<Physics<f64>> {
    if !(1..=64).contains(&dimensions) {
        return Err(Error::expected(Code::Range, "dimensions", "1 to 64", dimensions));
    }
    at_least("regularization", &[regularization], 0.0, "a number ≥ 0")?;
    let controls = prior.mean.len();
    length("prior precision", controls, prior.precision.len())?;
    at_least("prior mean", &prior.mean, f64::MIN, "finite numbers")?;
    at_least("prior precision", &prior.precision, 0.0, "finite numbers ≥ 0")?;
    let hidden: Vec<usize> = hidden.iter().map(|&units| units as usize).collect();
    let (mut inputs, mut parameters) = (dimensions, 0usize);
    for &outputs in hidden.iter().chain(&[1]) {
        if outputs == 0 {
            return Err(Error::expected(Code::Range, "hidden", "at least one unit per layer", 0));
        }
        parameters = parameters.saturating_add((inputs + 1).saturating_mul(outputs));
        inputs = outputs;
    }
    reserved::<f64>("hidden", parameters)?;
    let inner = equations("equations", inner, dimensions, controls, variable)?;
    let outer = equations("observations", outer, dimensions, 0, false)?;
    let network = JetNetwork::new(dimensions, &hidden);
    Ok(Physics::new(network, [inner, outer], regularization, prior, threads))
}

/// Equations at finite points, with finite numbers and weights that are not negative.
fn equations(
    name: &'static str,
    rows: Vec<f64>,
    dimensions: usize,
    controls: usize,
    variable: bool,
) -> Result<Equations<f64>> {
    let equations = Equations { rows, controls, variable };
    let width = equations.width(dimensions);
    let rows = &equations.rows;
    if rows.is_empty() || !rows.len().is_multiple_of(width) {
        let expected = format!("equations of {width} numbers");
        return Err(Error::expected(Code::Shape, name, expected, rows.len()));
    }
    at_least(name, rows, f64::MIN, "finite numbers")?;
    for row in rows.chunks_exact(width) {
        at_least("weight", &row[dimensions..=dimensions], 0.0, "finite numbers ≥ 0")?;
    }
    Ok(equations)
}
