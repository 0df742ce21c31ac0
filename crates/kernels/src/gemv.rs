//! Products of contiguous rows with one vector.
//!
//! Solves with few long rows G need G b and then Gᵀy, two passes over more than the near caches hold. The first
//! pass runs from the first row to the last, the second back: each begins with the rows that are still in the cache.

use pulp::{Simd, WithSimd};

use crate::simd::{dispatch, prefetch_line};
use crate::tuning::AHEAD_OF_EIGHT;
use crate::{MatRef, Scalar};

/// Rows that share a pass over the vector.
const ROWS: usize = 8;

/// y ← β·y + α·A·x, with contiguous rows. β = 0 overwrites y, whatever it held.
pub(crate) fn rows_times<T: Scalar>(y: &mut [T], beta: T, alpha: T, a: MatRef<'_, T>, x: &[T]) {
    assert!(y.len() == a.rows() && x.len() == a.cols(), "shapes of a product must agree");
    dispatch(RowsTimes { y, beta, alpha, a, x });
}

struct RowsTimes<'a, T> {
    y: &'a mut [T],
    beta: T,
    alpha: T,
    a: MatRef<'a, T>,
    x: &'a [T],
}

impl<T: Scalar> WithSimd for RowsTimes<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { y, beta, alpha, a, x } = self;
        let mut set = |i: usize, dots: &[T]| {
            for (y, &dot) in y[i..].iter_mut().zip(dots) {
                *y = if beta == T::zero() { alpha * dot } else { beta * *y + alpha * dot };
            }
        };
        let whole = a.rows() - a.rows() % ROWS;
        for i in (0..whole).step_by(ROWS) {
            set(i, &dots::<T, S, ROWS>(simd, a, i, x));
        }
        for i in whole..a.rows() {
            set(i, &dots::<T, S, 1>(simd, a, i, x));
        }
    }
}

/// Products of R rows from row i on with x.
#[inline(always)]
fn dots<T: Scalar, S: Simd, const R: usize>(simd: S, a: MatRef<'_, T>, i: usize, x: &[T]) -> [T; R] {
    let (x, x_rest) = T::lanes::<S>(x);
    let rows: [_; R] = std::array::from_fn(|r| {
        let (lanes, rest) = T::lanes::<S>(a.row(i + r));
        (&lanes[..x.len()], &rest[..x_rest.len()])
    });
    let mut sums = [T::splat(simd, T::zero()); R];
    for p in 0..x.len() {
        for r in 0..R {
            prefetch_line(rows[r].0.as_ptr().wrapping_add(p).wrapping_byte_add(AHEAD_OF_EIGHT));
            sums[r] = T::mul_add_lanes(simd, rows[r].0[p], x[p], sums[r]);
        }
    }
    let mut totals = [T::zero(); R];
    for r in 0..R {
        totals[r] = T::sum_lanes(simd, sums[r]);
        for p in 0..x_rest.len() {
            totals[r] += rows[r].1[p] * x_rest[p];
        }
    }
    totals
}

/// y ← β·y + α·Aᵀ·x, with contiguous rows. β = 0 overwrites y, whatever it held.
pub(crate) fn rows_combined<T: Scalar>(y: &mut [T], beta: T, alpha: T, a: MatRef<'_, T>, x: &[T]) {
    assert!(y.len() == a.cols() && x.len() == a.rows(), "shapes of a product must agree");
    if beta == T::zero() {
        y.fill(T::zero());
    } else if beta != T::one() {
        crate::vector::scale(beta, y);
    }
    dispatch(RowsCombined { y, alpha, a, x });
}

struct RowsCombined<'a, T> {
    y: &'a mut [T],
    alpha: T,
    a: MatRef<'a, T>,
    x: &'a [T],
}

impl<T: Scalar> WithSimd for RowsCombined<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { y, alpha, a, x } = self;
        let rest = a.rows() % ROWS;
        for i in (rest..a.rows()).step_by(ROWS).rev() {
            add::<T, S, ROWS>(simd, a, i, alpha, x, y);
        }
        for i in (0..rest).rev() {
            add::<T, S, 1>(simd, a, i, alpha, x, y);
        }
    }
}

/// y += α Σ_r x[r] a_r over R rows from row i on.
#[inline(always)]
fn add<T: Scalar, S: Simd, const R: usize>(
    simd: S,
    a: MatRef<'_, T>,
    i: usize,
    alpha: T,
    x: &[T],
    y: &mut [T],
) {
    let (y, y_rest) = T::lanes_mut::<S>(y);
    let rows: [_; R] = std::array::from_fn(|r| {
        let (lanes, rest) = T::lanes::<S>(a.row(i + r));
        (&lanes[..y.len()], &rest[..y_rest.len()])
    });
    let mut factors = [T::zero(); R];
    let mut factor_lanes = [T::splat(simd, T::zero()); R];
    for r in 0..R {
        factors[r] = alpha * x[i + r];
        factor_lanes[r] = T::splat(simd, factors[r]);
    }
    for p in 0..y.len() {
        let mut sum = y[p];
        for r in 0..R {
            prefetch_line(rows[r].0.as_ptr().wrapping_add(p).wrapping_byte_add(AHEAD_OF_EIGHT));
            sum = T::mul_add_lanes(simd, factor_lanes[r], rows[r].0[p], sum);
        }
        y[p] = sum;
    }
    for p in 0..y_rest.len() {
        for r in 0..R {
            y_rest[p] += factors[r] * rows[r].1[p];
        }
    }
}
