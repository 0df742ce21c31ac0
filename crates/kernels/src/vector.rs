//! Sums over vectors, whose order of additions depends on the length alone, and elementwise updates.

use pulp::{Simd, WithSimd};

use crate::Scalar;
use crate::simd::dispatch;

/// Independent partial sums, in vectors, that hide the latency of an addition.
const CHAINS: usize = 4;

/// Σ xᵢ yᵢ.
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    assert_eq!(x.len(), y.len());
    dispatch(Dot { x, y })
}

pub(crate) struct Dot<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) y: &'a [T],
}

impl<T: Scalar> WithSimd for Dot<'_, T> {
    type Output = T;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T {
        let (x, x_rest) = T::lanes::<S>(self.x);
        let (y, y_rest) = T::lanes::<S>(self.y);
        let mut sums = [T::splat(simd, T::zero()); CHAINS];
        let (x, x_last) = x.as_chunks::<CHAINS>();
        let (y, y_last) = y.as_chunks::<CHAINS>();
        for (x, y) in x.iter().zip(y) {
            for i in 0..CHAINS {
                sums[i] = T::mul_add_lanes(simd, x[i], y[i], sums[i]);
            }
        }
        for (sum, (&x, &y)) in sums.iter_mut().zip(x_last.iter().zip(y_last)) {
            *sum = T::mul_add_lanes(simd, x, y, *sum);
        }
        x_rest.iter().zip(y_rest).fold(collapse(simd, sums), |sum, (&x, &y)| sum + x * y)
    }
}

#[inline(always)]
fn collapse<T: Scalar, S: Simd>(simd: S, sums: [T::Lanes<S>; CHAINS]) -> T {
    let [a, b, c, d] = sums;
    T::sum_lanes(simd, T::add_lanes(simd, T::add_lanes(simd, a, b), T::add_lanes(simd, c, d)))
}

/// y ← αx + y.
pub fn axpy<T: Scalar>(alpha: T, x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len());
    dispatch(Axpy { alpha, x, y });
}

pub(crate) struct Axpy<'a, T> {
    pub(crate) alpha: T,
    pub(crate) x: &'a [T],
    pub(crate) y: &'a mut [T],
}

impl<T: Scalar> WithSimd for Axpy<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (x, x_rest) = T::lanes::<S>(self.x);
        let (y, y_rest) = T::lanes_mut::<S>(self.y);
        let alpha = T::splat(simd, self.alpha);
        for (y, &x) in y.iter_mut().zip(x) {
            *y = T::mul_add_lanes(simd, alpha, x, *y);
        }
        for (y, &x) in y_rest.iter_mut().zip(x_rest) {
            *y += self.alpha * x;
        }
    }
}

/// x ← αx.
pub fn scale<T: Scalar>(alpha: T, x: &mut [T]) {
    dispatch(Scale { alpha, x });
}

struct Scale<'a, T> {
    alpha: T,
    x: &'a mut [T],
}

impl<T: Scalar> WithSimd for Scale<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.x {
            *x *= self.alpha;
        }
    }
}

/// y ← x ∘ y.
pub fn mul_into<T: Scalar>(x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len());
    dispatch(MulInto { x, y });
}

struct MulInto<'a, T> {
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Scalar> WithSimd for MulInto<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (y, &x) in self.y.iter_mut().zip(self.x) {
            *y *= x;
        }
    }
}

/// Σ xᵢ.
pub fn sum<T: Scalar>(x: &[T]) -> T {
    dispatch(Sum { x, weight: T::one() })
}

/// Whether no entry is infinite or NaN.
pub fn all_finite<T: Scalar>(x: &[T]) -> bool {
    dispatch(Sum { x, weight: T::zero() }) == T::zero() // 0 · x is NaN for NaN and infinities alone
}

/// weight · Σ xᵢ, term by term.
struct Sum<'a, T> {
    x: &'a [T],
    weight: T,
}

impl<T: Scalar> WithSimd for Sum<'_, T> {
    type Output = T;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T {
        let (x, rest) = T::lanes::<S>(self.x);
        let weight = T::splat(simd, self.weight);
        let mut sums = [T::splat(simd, T::zero()); CHAINS];
        let (x, last) = x.as_chunks::<CHAINS>();
        for x in x {
            for i in 0..CHAINS {
                sums[i] = T::mul_add_lanes(simd, x[i], weight, sums[i]);
            }
        }
        for (sum, &x) in sums.iter_mut().zip(last) {
            *sum = T::mul_add_lanes(simd, x, weight, *sum);
        }
        rest.iter().fold(collapse(simd, sums), |sum, &x| sum + x * self.weight)
    }
}

/// ‖x‖₂, without overflow or underflow of the squares.
pub fn norm<T: Scalar>(x: &[T]) -> T {
    let squares = dot(x, x);
    let smallest = T::min_positive_value() / (T::epsilon() * T::epsilon());
    if squares.is_nan() || (squares >= smallest && squares.is_finite()) {
        return squares.sqrt();
    }
    let largest = x.iter().fold(T::zero(), |largest, x| largest.max(x.abs()));
    if largest == T::zero() || largest.is_infinite() {
        return largest;
    }
    let scaled: T = x.iter().map(|&x| (x / largest) * (x / largest)).sum();
    largest * scaled.sqrt()
}

#[cfg(test)]
mod tests;
