//! Matrix products.

use crate::{MatMut, MatRef, Scalar};

/// C ← β·C + α·A·B, with A `m × k`, B `k × n` and C `m × n`. β = 0 overwrites C, whatever it held.
pub fn matmul<T: Scalar>(mut c: MatMut<'_, T>, beta: T, alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let (m, n, k) = (c.rows(), c.cols(), a.cols());
    assert!(a.rows() == m && b.rows() == k && b.cols() == n, "shapes of a product must agree");
    for i in 0..m {
        for j in 0..n {
            let sum: T = (0..k).map(|l| a.at(i, l) * b.at(l, j)).sum();
            let entry = c.at(i, j);
            *entry = if beta == T::zero() { alpha * sum } else { beta * *entry + alpha * sum };
        }
    }
}

/// Lower triangle of C ← β·C + α·A·Aᵀ, with A `n × k` and C `n × n`; the strict upper triangle isn't touched.
pub fn syrk<T: Scalar>(mut c: MatMut<'_, T>, beta: T, alpha: T, a: MatRef<'_, T>) {
    let (n, k) = (a.rows(), a.cols());
    assert!(c.rows() == n && c.cols() == n, "shapes of a product must agree");
    for i in 0..n {
        for j in 0..=i {
            let sum: T = (0..k).map(|l| a.at(i, l) * a.at(j, l)).sum();
            let entry = c.at(i, j);
            *entry = if beta == T::zero() { alpha * sum } else { beta * *entry + alpha * sum };
        }
    }
}

/// Copies the strict lower triangle of a square matrix to its upper triangle.
pub fn mirror_lower<T: Scalar>(mut c: MatMut<'_, T>) {
    assert_eq!(c.rows(), c.cols(), "a symmetric matrix must be square");
    for i in 0..c.rows() {
        for j in 0..i {
            *c.at(j, i) = *c.at(i, j);
        }
    }
}

/// y ← β·y + α·A·x, with A `m × n`. β = 0 overwrites y, whatever it held.
pub fn matvec<T: Scalar>(y: &mut [T], beta: T, alpha: T, a: MatRef<'_, T>, x: &[T]) {
    let (m, n) = (a.rows(), a.cols());
    matmul(MatMut::new(y, m, 1), beta, alpha, a, MatRef::new(x, n, 1));
}

/// The system BLAS that large products go to: `"none"` or `"openblas"` or `"accelerate"`.
pub fn blas() -> &'static str {
    "none"
}
