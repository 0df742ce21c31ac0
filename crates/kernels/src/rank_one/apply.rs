//! Writes pending pairs into a panel.

use pulp::{Simd, WithSimd};

use super::panels::PANEL;
use crate::Scalar;

/// The largest number of pending pairs.
pub(super) const PENDING: usize = 16;

/// B ← scale (B + Σ_j weights[j] u_j u_jᵀ), u_j the rows.
#[derive(Clone, Copy)]
pub(super) struct Pairs<'a, T> {
    pub(super) scale: T,
    pub(super) weights: &'a [T],
    pub(super) rows: &'a [T],
}

/// Applies pending pairs, rows of length `n`, to a panel.
pub(super) struct Apply<'a, T> {
    pub(super) rows: &'a mut [T],
    pub(super) panel: usize,
    pub(super) n: usize,
    pub(super) pairs: Pairs<'a, T>,
}

impl<T: Scalar> WithSimd for Apply<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        const R: usize = 4;
        let Self { rows, panel, n, pairs } = self;
        let cols = PANEL * (panel + 1);
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let mut factors = [[T::zero(); R]; PENDING];
        for (i, rows) in rows.chunks_exact_mut(R * cols).enumerate() {
            for (j, &w) in pairs.weights.iter().enumerate() {
                let u = &pairs.rows[j * n + PANEL * panel + R * i..];
                for r in 0..R {
                    factors[j][r] = pairs.scale * w * u[r];
                }
            }
            let factors = &factors[..pairs.weights.len()];
            let mut p = 0;
            while p < cols {
                if p + 2 * lanes <= cols {
                    apply_block::<T, S, R, 2>(simd, rows, cols, p, n, pairs, factors);
                    p += 2 * lanes;
                } else {
                    apply_block::<T, S, R, 1>(simd, rows, cols, p, n, pairs, factors);
                    p += lanes;
                }
            }
        }
    }
}

/// R rows times V vectors from column p on: scale · row + Σ_j factors[j] u_j.
#[inline(always)]
fn apply_block<T: Scalar, S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: &mut [T],
    cols: usize,
    p: usize,
    n: usize,
    pairs: Pairs<'_, T>,
    factors: &[[T; R]],
) {
    let scale = T::splat(simd, pairs.scale);
    let mut sums = [[scale; V]; R];
    for r in 0..R {
        let row = T::lanes::<S>(&rows[r * cols + p..(r + 1) * cols]).0;
        for v in 0..V {
            sums[r][v] = T::mul_lanes(simd, row[v], scale);
        }
    }
    for (j, factor) in factors.iter().enumerate() {
        let u = T::lanes::<S>(&pairs.rows[j * n + p..(j + 1) * n]).0;
        let u: [_; V] = u[..V].try_into().expect("the row has V vectors");
        for r in 0..R {
            let factor = T::splat(simd, factor[r]);
            for v in 0..V {
                sums[r][v] = T::mul_add_lanes(simd, factor, u[v], sums[r][v]);
            }
        }
    }
    for r in 0..R {
        let row = T::lanes_mut::<S>(&mut rows[r * cols + p..(r + 1) * cols]).0;
        row[..V].copy_from_slice(&sums[r]);
    }
}
