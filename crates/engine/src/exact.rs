//! The dense reference: the curvature column by column, and its inverse.

use nhgd_kernels::memory::{self, collected, copied, zeros};
use nhgd_kernels::vector::norm;
use nhgd_kernels::{Cholesky, MatRef, RowSet, Scalar, matvec, symmetric_eigen};
use nhgd_problems::{Point, Problem};

use crate::reduce::curvature_product;
use crate::{Code, Error, Result, room};

/// Largest d of the dense reference.
const LIMIT: usize = 8192;

/// x = C⁻¹ b with the curvature C over all samples, or with the true Hessian in its place (implicit differentiation
/// without approximation), and ‖b − Cx‖ / ‖b‖ by one more product. Factor and residual are of double precision
/// whatever the problem's type; one step of iterative refinement is taken if it lowers the residual.
pub(crate) fn exact_direction<T: Scalar>(
    problem: &dyn Problem<T>,
    point: Point<'_, T>,
    b: &[T],
    hessian: bool,
) -> Result<(Vec<T>, f64)> {
    let d = problem.inner_len();
    if !problem.folds().is_empty() {
        return of_folds(problem, point, b, hessian);
    }
    if d > LIMIT {
        let expected = format!("at most {LIMIT} parameters for a dense Hessian");
        return Err(Error::expected(Code::Range, "inner", expected, d));
    }
    let (mut x, mut image) = (zeros(d)?, zeros(d)?);
    let mut product = |u: &[f64], out: &mut [f64]| {
        x.iter_mut().zip(u).for_each(|(x, &u)| *x = T::of(u));
        curvature_product(problem, point, RowSet::all(problem.samples()), &x, &mut image, hessian)?;
        out.iter_mut().zip(&image).for_each(|(out, x): (_, &T)| *out = x.wide());
        Ok(())
    };
    let b: Vec<f64> = collected(b.iter().map(|b| b.wide()))?;
    let (x, residual) = dense(&b, hessian, T::NAME == "f32", &mut product)?;
    Ok((collected(x.iter().map(|&x| T::of(x)))?, residual))
}

/// Writes C times its first argument to the second.
type Product<'a> = dyn FnMut(&[f64], &mut [f64]) -> memory::Result<()> + 'a;

/// x = C⁻¹ b for a C that is known by its products, with entries of x that an f32 holds where they are to be `narrow`.
fn dense(b: &[f64], hessian: bool, narrow: bool, product: &mut Product<'_>) -> Result<(Vec<f64>, f64)> {
    let d = b.len();
    let mut dense = room("inner", d * d)?;
    let mut unit = zeros(d)?;
    for (i, column) in dense.chunks_exact_mut(d).enumerate() {
        unit[i] = 1.0;
        product(&unit, column)?;
        unit[i] = 0.0;
    }
    let solve = solver(d, dense, hessian)?;
    let size = norm(b);
    // x as it is returned, what it leaves of b, and the norm of that.
    let mut judged = |x: &[f64]| -> memory::Result<_> {
        let x = collected(x.iter().map(|&x| if narrow { f64::from(x as f32) } else { x }))?;
        let mut rest = zeros(d)?;
        product(&x, &mut rest)?;
        rest.iter_mut().zip(b).for_each(|(rest, b)| *rest = b - *rest);
        let left = norm(&rest);
        Ok((x, rest, left))
    };
    let mut x = copied(b)?;
    solve(&mut x)?;
    let (first, mut correction, before) = judged(&x)?;
    solve(&mut correction)?;
    x.iter_mut().zip(&correction).for_each(|(x, c)| *x += c);
    let (refined, _, after) = judged(&x)?;
    let (x, left) = if after < before { (refined, after) } else { (first, before) };
    Ok((x, if size > 0.0 { left / size } else { 0.0 }))
}

/// The same fold by fold: the curvature of several is block-diagonal.
fn of_folds<T: Scalar>(
    problem: &dyn Problem<T>,
    point: Point<'_, T>,
    b: &[T],
    hessian: bool,
) -> Result<(Vec<T>, f64)> {
    let folds = problem.folds();
    let (d, s) = (problem.inner_len() / folds.len(), point.signals.len() / folds.len());
    let (mut x, mut left, mut size) = (memory::reserved(b.len())?, 0.0, 0.0);
    for (k, fold) in folds.iter().enumerate() {
        let (theta, signals) = (k * d..(k + 1) * d, k * s..(k + 1) * s);
        let own = Point { inner: &point.inner[theta.clone()], signals: &point.signals[signals], ..point };
        let (part, residual) = exact_direction(&**fold, own, &b[theta.clone()], hessian)?;
        x.extend(part);
        let norm = norm(&b[theta]).wide();
        left += (residual * norm).powi(2);
        size += norm * norm;
    }
    Ok((x, if size > 0.0 { (left / size).sqrt() } else { 0.0 }))
}

/// b ← C⁻¹ b.
type Solver = Box<dyn Fn(&mut [f64]) -> memory::Result<()>>;

/// b ← C⁻¹ b by Cholesky. The true Hessian of a network may be indefinite: it is then solved by its eigenvalues, none of
/// which may vanish.
fn solver(d: usize, dense: Vec<f64>, hessian: bool) -> Result<Solver> {
    let kept = if hessian { copied(&dense)? } else { Vec::new() };
    let pivot = match Cholesky::factor(d, dense)? {
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
    let eigen = symmetric_eigen(d, kept)?.map_err(|_| singular())?;
    let largest = eigen.values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    if eigen.values.iter().any(|value| value.abs() <= d as f64 * f64::EPSILON * largest) {
        return Err(singular());
    }
    Ok(Box::new(move |b| {
        let vectors = MatRef::new(&eigen.vectors, d, d);
        let mut along: Vec<f64> = zeros(d)?;
        matvec(&mut along, 0.0, 1.0, vectors.t(), b);
        along.iter_mut().zip(&eigen.values).for_each(|(x, value)| *x /= value);
        matvec(b, 0.0, 1.0, vectors, &along);
        Ok(())
    }))
}
