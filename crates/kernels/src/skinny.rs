//! Products of a tile of samples with few columns, lanes over features.
//!
//! A tile holds `rows` samples, `stride` entries apart, zero from the last feature up to the stride. Weights and
//! sums are class-major with the same stride: class c's entries start at `c · stride`.

use crate::Scalar;

/// Distance between the rows of a tile that holds `features` columns (the bias among them).
pub fn stride(features: usize) -> usize {
    features.next_multiple_of(16)
}

/// scores[r][c] = Σ_p tile[r][p] · weights[c][p].
pub fn project<T: Scalar>(
    tile: &[T],
    rows: usize,
    stride: usize,
    weights: &[T],
    classes: usize,
    scores: &mut [T],
) {
    for r in 0..rows {
        for c in 0..classes {
            scores[r * classes + c] = crate::vector::dot(
                &tile[r * stride..(r + 1) * stride],
                &weights[c * stride..(c + 1) * stride],
            );
        }
    }
}

/// sums[c][p] += Σ_r residuals[r][c] · tile[r][p].
pub fn accumulate<T: Scalar>(
    tile: &[T],
    rows: usize,
    stride: usize,
    residuals: &[T],
    classes: usize,
    sums: &mut [T],
) {
    for r in 0..rows {
        for c in 0..classes {
            let sums = &mut sums[c * stride..(c + 1) * stride];
            crate::vector::axpy(residuals[r * classes + c], &tile[r * stride..(r + 1) * stride], sums);
        }
    }
}

/// Lays row-major `features × classes` weights out class by class, zeros up to `stride`.
pub fn to_class_major<T: Scalar>(
    weights: &[T],
    features: usize,
    classes: usize,
    stride: usize,
    out: &mut [T],
) {
    for c in 0..classes {
        let out = &mut out[c * stride..(c + 1) * stride];
        for p in 0..features {
            out[p] = weights[p * classes + c];
        }
        out[features..].fill(T::zero());
    }
}

/// The way back from [`to_class_major`].
pub fn from_class_major<T: Scalar>(
    class_major: &[T],
    features: usize,
    classes: usize,
    stride: usize,
    out: &mut [T],
) {
    for p in 0..features {
        for c in 0..classes {
            out[p * classes + c] = class_major[c * stride + p];
        }
    }
}
