//! Eigenvalues and eigenvectors of a symmetric matrix.
//!
//! Householder reduction to tridiagonal form, then divide and conquer (Cuppen, Numer. Math. 36, 1981; deflation and
//! merge as in LAPACK's `dlaed2` and `dlaed3`). Steps of order n² run in `f64`, products in the given scalar.

mod divide;
mod householder;
mod order;
mod ql;
mod secular;

pub use ql::NoConvergence;

use divide::divide;
use householder::tridiagonalize;

use crate::memory::{Result, collected, zeros};
use crate::product::{mirror_lower, transpose};
use crate::vector::all_finite;
use crate::{MatMut, Scalar};

/// A = V·diag(λ)·Vᵀ.
#[derive(Clone, Debug)]
pub struct Eigen<T> {
    /// Eigenvalues λ, ascending.
    pub values: Vec<T>,
    /// V, `n × n` row-major: column j is the eigenvector of value j.
    pub vectors: Vec<T>,
}

/// Eigenvalues and eigenvectors of the symmetric `n × n` matrix whose lower triangle is that of the row-major `a`.
///
/// Fails if `a` holds NaN or infinities.
pub fn symmetric_eigen<T: Scalar>(n: usize, mut a: Vec<T>) -> Result<Result<Eigen<T>, NoConvergence>> {
    assert_eq!(a.len(), n * n, "an n × n matrix must have n² entries");
    mirror_lower(MatMut::new(&mut a, n, n));
    if !all_finite(&a) {
        return Ok(Err(NoConvergence));
    }
    let largest = a.iter().fold(T::zero(), |max, x| max.max(x.abs()));
    // Scale the largest entry to about 1, so that squares neither overflow nor vanish. A power of two rounds nothing.
    let exponent = if largest > T::zero() { largest.wide().log2().floor() } else { 0.0 };
    let (half, rest) = (T::of((exponent / 2.0).floor().exp2()), T::of((exponent / 2.0).ceil().exp2()));
    a.iter_mut().for_each(|x| *x = *x / half / rest);

    let reduced = tridiagonalize(n, a)?;
    let wide = |x: &[T]| collected(x.iter().map(|x| x.wide()));
    let (mut values, mut off_diagonal) = (wide(&reduced.diagonal)?, wide(&reduced.off_diagonal)?);
    let mut vectors = zeros(n * n)?;
    if !divide(&mut values, &mut off_diagonal, MatMut::new(&mut vectors, n, n))? {
        return Ok(Err(NoConvergence));
    }
    reduced.back_transform(MatMut::new(&mut vectors, n, n))?;
    let mut turned = zeros(n * n)?;
    transpose(n, &vectors, &mut turned);
    let values = collected(values.into_iter().map(|x| T::of(x) * half * rest))?;
    Ok(Ok(Eigen { values, vectors: turned }))
}

#[cfg(test)]
mod tests;
