//! Cholesky factorisation A = L·Lᵀ of a symmetric positive definite matrix.

use std::error::Error;
use std::fmt;

use crate::triangular::{solve_lower, solve_lower_transposed};
use crate::{MatMut, MatRef, Scalar};

/// A matrix that has no Cholesky factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPositiveDefinite {
    /// Row of the first pivot that isn't positive: the leading minor of order `index + 1` is at fault.
    pub index: usize,
}

impl fmt::Display for NotPositiveDefinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "matrix isn't positive definite: pivot {} isn't positive", self.index)
    }
}

impl Error for NotPositiveDefinite {}

/// The factor L of A = L·Lᵀ.
#[derive(Clone, Debug)]
pub struct Cholesky<T> {
    n: usize,
    l: Vec<T>,
}

impl<T: Scalar> Cholesky<T> {
    /// Factors the symmetric `n × n` matrix whose lower triangle is that of the row-major `a`.
    pub fn factor(n: usize, mut a: Vec<T>) -> Result<Self, NotPositiveDefinite> {
        assert_eq!(a.len(), n * n, "an n × n matrix must have n² entries");
        for i in 0..n {
            for j in 0..=i {
                let mut sum = a[i * n + j];
                for p in 0..j {
                    sum -= a[i * n + p] * a[j * n + p];
                }
                if i == j {
                    if sum.is_nan() || sum <= T::zero() {
                        return Err(NotPositiveDefinite { index: i });
                    }
                    a[i * n + i] = sum.sqrt();
                } else {
                    a[i * n + j] = sum / a[j * n + j];
                }
            }
        }
        Ok(Self { n, l: a })
    }

    /// Order n of the matrix.
    pub fn size(&self) -> usize {
        self.n
    }

    /// The factor L; what stands above its diagonal has no meaning.
    pub fn lower(&self) -> MatRef<'_, T> {
        MatRef::new(&self.l, self.n, self.n)
    }

    /// b ← A⁻¹·b.
    pub fn solve(&self, b: &mut [T]) {
        self.solve_many(MatMut::new(b, self.n, 1));
    }

    /// B ← A⁻¹·B, with B `n × k`.
    pub fn solve_many(&self, mut b: MatMut<'_, T>) {
        solve_lower(self.lower(), b.rb_mut());
        solve_lower_transposed(self.lower(), b);
    }

    /// A⁻¹, `n × n`, symmetric to the bit.
    pub fn inverse(&self) -> Vec<T> {
        let n = self.n;
        let mut x = vec![T::zero(); n * n];
        (0..n).for_each(|i| x[i * n + i] = T::one());
        self.solve_many(MatMut::new(&mut x, n, n));
        crate::product::mirror_lower(MatMut::new(&mut x, n, n));
        x
    }

    /// log det A.
    pub fn log_det(&self) -> f64 {
        (0..self.n).map(|i| 2.0 * self.l[i * self.n + i].wide().ln()).sum()
    }
}
