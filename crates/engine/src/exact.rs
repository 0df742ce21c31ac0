//! The dense reference: the curvature column by column, and its inverse.

use nhgd_kernels::vector::norm;
use nhgd_kernels::{Cholesky, MatRef, RowSet, Scalar, matvec, symmetric_eigen};
use nhgd_problems::{Point, Problem};

use crate::reduce::curvature_product;
use crate::{Code, Error, Result, room};

/// Largest d of the dense reference.
const LIMIT: usize = 8192;

/// x = C⁻¹ b with the curvature C over all samples, or with the true Hessian in its place (implicit differentiation
/// without approximation), and ‖b − Cx‖ / ‖b‖ by one more product. Factor and residual are of double precision whatever the problem's type; one
/// step of iterative refinement is taken if it lowers the residual.
pub(crate) fn exact_direction<T: Scalar>(
    problem: &dyn Problem<T>,
    point: Point<'_, T>,
    b: &[T],
    hessian: bool,
) -> Result<(Vec<T>, f64)> {
    let d = problem.inner_len();
    if d > LIMIT {
        let expected = format!("at most {LIMIT} parameters for a dense Hessian");
        return Err(Error::expected(Code::Range, "inner", expected, d));
    }
    let mut column = vec![T::zero(); d];
    let mut product = |u: &[T], out: &mut [f64]| {
        curvature_product(problem, point, RowSet::all(problem.samples()), u, &mut column, hessian);
        out.iter_mut().zip(&column).for_each(|(out, x)| *out = x.wide());
    };
    let mut dense = room("inner", d * d)?;
    let mut unit = vec![T::zero(); d];
    for (i, column) in dense.chunks_exact_mut(d).enumerate() {
        unit[i] = T::one();
        product(&unit, column);
        unit[i] = T::zero();
    }
    let solve = solver(d, dense, hessian)?;
    let b: Vec<f64> = b.iter().map(|b| b.wide()).collect();
    let size = norm(&b);
    // x as it is returned, what it leaves of b, and the norm of that.
    let mut judged = |x: &[f64]| {
        let x: Vec<T> = x.iter().map(|&x| T::of(x)).collect();
        let mut rest = vec![0.0; d];
        product(&x, &mut rest);
        rest.iter_mut().zip(&b).for_each(|(rest, b)| *rest = b - *rest);
        let left = norm(&rest);
        (x, rest, left)
    };
    let mut x = b.clone();
    solve(&mut x);
    let (first, mut correction, before) = judged(&x);
    solve(&mut correction);
    x.iter_mut().zip(&correction).for_each(|(x, c)| *x += c);
    let (refined, _, after) = judged(&x);
    let (x, left) = if after < before { (refined, after) } else { (first, before) };
    Ok((x, if size > 0.0 { left / size } else { 0.0 }))
}

/// b ← C⁻¹ b.
type Solver = Box<dyn Fn(&mut [f64])>;

/// b ← C⁻¹ b by Cholesky. The true Hessian of a network may be indefinite: it is then solved by its eigenvalues, none of
/// which may vanish.
fn solver(d: usize, dense: Vec<f64>, hessian: bool) -> Result<Solver> {
    let kept = if hessian { dense.clone() } else { Vec::new() };
    let pivot = match Cholesky::factor(d, dense) {
        Ok(factor) => return Ok(Box::new(move |b| factor.solve(b))),
        Err(e) => e.index,
    };
    let singular = || Error {
        code: Code::Numeric,
        message: format!(
            "the Hessian is not positive definite (pivot {pivot}): add regularization or train longer"
        ),
    };
    if !hessian {
        return Err(singular());
    }
    let eigen = symmetric_eigen(d, kept).map_err(|_| singular())?;
    let largest = eigen.values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    if eigen.values.iter().any(|value| value.abs() <= d as f64 * f64::EPSILON * largest) {
        return Err(singular());
    }
    Ok(Box::new(move |b| {
        let vectors = MatRef::new(&eigen.vectors, d, d);
        let mut along = vec![0.0; d];
        matvec(&mut along, 0.0, 1.0, vectors.t(), b);
        along.iter_mut().zip(&eigen.values).for_each(|(x, value)| *x /= value);
        matvec(b, 0.0, 1.0, vectors, &along);
    }))
}
