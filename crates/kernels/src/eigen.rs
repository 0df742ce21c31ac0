//! Eigenvalues and eigenvectors of a symmetric matrix.

use std::error::Error;
use std::fmt;

use crate::Scalar;

/// An iteration that didn't find the eigenvalues: the matrix holds NaN or infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoConvergence;

impl fmt::Display for NoConvergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eigenvalues didn't converge: does the matrix hold NaN or infinities?")
    }
}

impl Error for NoConvergence {}

/// A = V·diag(λ)·Vᵀ.
#[derive(Clone, Debug)]
pub struct Eigen<T> {
    /// Eigenvalues λ, ascending.
    pub values: Vec<T>,
    /// V, `n × n` row-major: column j is the eigenvector of value j.
    pub vectors: Vec<T>,
}

/// Eigenvalues and eigenvectors of the symmetric `n × n` matrix whose lower triangle is that of the row-major `a`.
pub fn symmetric_eigen<T: Scalar>(n: usize, mut a: Vec<T>) -> Result<Eigen<T>, NoConvergence> {
    assert_eq!(a.len(), n * n, "an n × n matrix must have n² entries");
    crate::product::mirror_lower(crate::MatMut::new(&mut a, n, n));
    if a.iter().any(|x| !x.is_finite()) {
        return Err(NoConvergence);
    }
    let mut v = vec![T::zero(); n * n];
    (0..n).for_each(|i| v[i * n + i] = T::one());
    for _ in 0..20 {
        for p in 0..n {
            for q in p + 1..n {
                let (app, aqq, apq) = (a[p * n + p], a[q * n + q], a[p * n + q]);
                if apq == T::zero() {
                    continue;
                }
                let theta = (aqq - app) / (T::of(2.0) * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + T::one()).sqrt());
                let c = T::one() / (t * t + T::one()).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    a[k * n + p] = c * x - s * y;
                    a[k * n + q] = s * x + c * y;
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    a[p * n + k] = c * x - s * y;
                    a[q * n + k] = s * x + c * y;
                    let (x, y) = (v[k * n + p], v[k * n + q]);
                    v[k * n + p] = c * x - s * y;
                    v[k * n + q] = s * x + c * y;
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[i * n + i].partial_cmp(&a[j * n + j]).unwrap_or(std::cmp::Ordering::Equal));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    let vectors =
        (0..n).flat_map(|k| order.iter().map(move |&j| (k, j))).map(|(k, j)| v[k * n + j]).collect();
    Ok(Eigen { values, vectors })
}
