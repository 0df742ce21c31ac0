//! Vectors: sums whose tree depends on the length alone, and elementwise updates.

use crate::Scalar;

/// Σ xᵢ yᵢ.
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(&x, &y)| x * y).sum()
}

/// y ← αx + y.
pub fn axpy<T: Scalar>(alpha: T, x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}

/// x ← αx.
pub fn scale<T: Scalar>(alpha: T, x: &mut [T]) {
    for x in x {
        *x *= alpha;
    }
}

/// Σ xᵢ.
pub fn sum<T: Scalar>(x: &[T]) -> T {
    x.iter().copied().sum()
}

/// ‖x‖₂, without overflow or underflow of the squares.
pub fn norm<T: Scalar>(x: &[T]) -> T {
    dot(x, x).sqrt()
}

/// y ← x ∘ y.
pub fn mul_into<T: Scalar>(x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y *= x;
    }
}

/// Whether no entry is infinite or NaN.
pub fn all_finite<T: Scalar>(x: &[T]) -> bool {
    x.iter().all(|x| x.is_finite())
}
