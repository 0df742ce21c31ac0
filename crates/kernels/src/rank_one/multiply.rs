//! The product of a symmetric panel with vectors.

use pulp::{Simd, WithSimd};

use super::panels::PANEL;
use crate::Scalar;
use crate::simd::prefetch_line;
use crate::skinny::{Accumulate, Project, Tile};
use crate::tuning::AHEAD_OF_FOUR;

/// The largest number of vectors that one pass multiplies: the gradients of one pass of a block update.
pub(super) const BLOCK: usize = 8;

/// y += the product of x with a panel and with the panel's transpose, the diagonal block taken once.
pub(super) struct Multiply<'a, T> {
    pub(super) rows: &'a [T],
    pub(super) panel: usize,
    pub(super) x: &'a [T],
    pub(super) y: &'a mut [T],
    pub(super) k: usize,
}

impl<T: Scalar> WithSimd for Multiply<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, panel, x, y, k } = self;
        let from = PANEL * panel;
        if k == 1 {
            const R: usize = 4;
            for (i, rows) in rows.chunks_exact(R * (from + PANEL)).enumerate() {
                let at = from + R * i;
                let dots: [T; R] = symmetric_rows(simd, rows, from, x, at, y);
                for r in 0..R {
                    y[at + r] += dots[r];
                }
            }
        } else if k > 1 {
            let n = x.len() / k;
            let mut x_rows = [T::zero(); PANEL * BLOCK];
            let mut dots = [T::zero(); PANEL * BLOCK];
            let tile = Tile { data: rows, rows: PANEL, stride: from + PANEL, cols: from + PANEL };
            Project { tile, weights: x, stride: n, classes: k, scores: &mut dots }.with_simd(simd);
            for r in 0..PANEL {
                for j in 0..k {
                    x_rows[r * k + j] = x[j * n + from + r];
                    y[j * n + from + r] += dots[r * k + j];
                }
            }
            let tile = Tile { cols: from, ..tile };
            Accumulate { tile, residuals: &x_rows, classes: k, sums: y, stride: n }.with_simd(simd);
        }
    }
}

/// Products of R rows with x, while y gains x[at + r] times row r on the columns before the diagonal block.
#[inline(always)]
fn symmetric_rows<T: Scalar, S: Simd, const R: usize>(
    simd: S,
    rows: &[T],
    from: usize,
    x: &[T],
    at: usize,
    y: &mut [T],
) -> [T; R] {
    let cols = from + PANEL;
    let mut x_rows = [T::splat(simd, T::zero()); R];
    for r in 0..R {
        x_rows[r] = T::splat(simd, x[at + r]);
    }
    let x = T::lanes::<S>(&x[..cols]).0;
    let y = T::lanes_mut::<S>(&mut y[..from]).0;
    let lanes: [_; R] = std::array::from_fn(|r| &T::lanes::<S>(&rows[r * cols..(r + 1) * cols]).0[..x.len()]);
    let (before, block) = x.split_at(y.len());
    let mut dots = [T::splat(simd, T::zero()); R];
    {
        let lanes = lanes.map(|row| &row[..before.len()]);
        for (p, (y, &x)) in y.iter_mut().zip(before).enumerate() {
            let mut sum = *y;
            for r in 0..R {
                prefetch_line(lanes[r].as_ptr().wrapping_add(p).wrapping_byte_add(AHEAD_OF_FOUR));
                let a = lanes[r][p];
                dots[r] = T::mul_add_lanes(simd, a, x, dots[r]);
                sum = T::mul_add_lanes(simd, a, x_rows[r], sum);
            }
            *y = sum;
        }
    }
    let lanes = lanes.map(|row| &row[before.len()..]);
    for (p, &x) in block.iter().enumerate() {
        for r in 0..R {
            dots[r] = T::mul_add_lanes(simd, lanes[r][p], x, dots[r]);
        }
    }
    let mut totals = [T::zero(); R];
    for r in 0..R {
        totals[r] = T::sum_lanes(simd, dots[r]);
    }
    totals
}
