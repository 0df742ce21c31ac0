//! The lower triangle of A·Aᵀ in tiles.
//!
//! One packed copy of A is both factors: strips of rows, in which the entries of a column lie together. A tile of the
//! product is three vectors of one strip times a few entries of another.

use pulp::{Simd, WithSimd};

use crate::simd::dispatch;
use crate::{Aligned, MatMut, MatRef, Scalar};

/// Bytes of a strip's column: 48 or 24 rows, a whole number of tiles' sides for every vector length.
const STRIP_BYTES: usize = 192;
/// Vectors of a tile's one side.
const VECTORS: usize = 3;
/// Bytes of the terms that are summed in registers before C is touched, so that a strip stays in cache.
const DEPTH_BYTES: usize = 1024;
/// Entries of a tile's other side, at most.
const SIDE: usize = 8;
/// Columns that are transposed at once.
const TURN: usize = 16;

/// Rows of a strip.
const fn strip_height<T>() -> usize {
    STRIP_BYTES / size_of::<T>()
}

/// Lower triangle of C ← β·C + α·A·Aᵀ where the rows or the columns of C are contiguous, and those of A too. Tiles that
/// the diagonal crosses are computed whole.
pub(crate) fn syrk_in_tiles<T: Scalar>(mut c: MatMut<'_, T>, beta: T, alpha: T, a: MatRef<'_, T>) {
    let (n, k) = (a.rows(), a.cols());
    let upper = c.col_stride() != 1;
    let stride = if upper { c.col_stride() } else { c.row_stride() };
    let padded = n.next_multiple_of(strip_height::<T>());
    let most = DEPTH_BYTES / size_of::<T>();
    let mut packed = Aligned::zeros(padded * k.min(most));
    for from in (0..k).step_by(most) {
        let depth = most.min(k - from);
        let packed = &mut packed[..padded * depth];
        dispatch(Pack { a: a.block(0, from, n, depth), packed });
        let beta = if from == 0 { beta } else { T::one() };
        dispatch(Tiles { packed, n, depth, c: c.data(), stride, upper, beta, alpha });
    }
}

/// Strips of A one after another, each a column's entries after another's. Rows past the last stay as they are.
struct Pack<'a, T> {
    a: MatRef<'a, T>,
    packed: &'a mut [T],
}

impl<T: Scalar> WithSimd for Pack<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { a, packed } = self;
        let (n, depth, width) = (a.rows(), a.cols(), strip_height::<T>());
        for (s, strip) in packed.chunks_exact_mut(width * depth).enumerate() {
            let (first, rows) = (s * width, width.min(n - s * width));
            if a.row_stride() == 1 {
                for (p, column) in strip.chunks_exact_mut(width).enumerate() {
                    column[..rows].copy_from_slice(&a.t().row(p)[first..first + rows]);
                }
            } else {
                for from in (0..depth).step_by(TURN) {
                    for i in 0..rows {
                        let row = a.row(first + i);
                        for p in from..depth.min(from + TURN) {
                            strip[p * width + i] = row[p];
                        }
                    }
                }
            }
        }
    }
}

struct Tiles<'a, T> {
    packed: &'a [T],
    n: usize,
    depth: usize,
    /// Entry (i, j) with j contiguous at `i · stride + j`.
    c: &'a mut [T],
    stride: usize,
    /// Whether j ≥ i is wanted, not j ≤ i.
    upper: bool,
    beta: T,
    alpha: T,
}

impl<T: Scalar> WithSimd for Tiles<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.run::<S, SIDE>(simd);
        } else {
            self.run::<S, 4>(simd);
        }
    }
}

impl<T: Scalar> Tiles<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(mut self, simd: S) {
        let width = VECTORS * (size_of::<T::Lanes<S>>() / size_of::<T>());
        let (n, height) = (self.n, strip_height::<T>());
        let size = height * self.depth;
        for j in (0..n).step_by(width) {
            let strip = &self.packed[j / height * size..][..size];
            let (from, end) = if self.upper { (0, n.min(j + width)) } else { (j / R * R, n) };
            for i in (from..end).step_by(R) {
                let other = &self.packed[i / height * size..][..size];
                let sums = tile::<T, S, R>(simd, strip, j % height, other, i % height);
                self.store(simd, i, j, sums);
            }
        }
    }

    /// C ← β·C + α·sums on the tile whose first entry is (i, j).
    #[inline(always)]
    fn store<S: Simd, const R: usize>(
        &mut self,
        simd: S,
        i: usize,
        j: usize,
        sums: [[T::Lanes<S>; VECTORS]; R],
    ) {
        let width = VECTORS * (size_of::<T::Lanes<S>>() / size_of::<T>());
        let (rows, cols) = (R.min(self.n - i), width.min(self.n - j));
        let (beta, alpha) = (T::splat(simd, self.beta), T::splat(simd, self.alpha));
        let mut edge = [T::zero(); STRIP_BYTES / 4];
        for r in 0..rows {
            let row = &mut self.c[(i + r) * self.stride + j..][..cols];
            if cols < width {
                edge[..cols].copy_from_slice(row);
            }
            let whole = if cols < width { &mut edge[..width] } else { &mut row[..] };
            let lanes = T::lanes_mut::<S>(whole).0;
            for v in 0..VECTORS {
                let sum = T::mul_lanes(simd, alpha, sums[r][v]);
                lanes[v] =
                    if self.beta == T::zero() { sum } else { T::mul_add_lanes(simd, beta, lanes[v], sum) };
            }
            if cols < width {
                row.copy_from_slice(&edge[..cols]);
            }
        }
    }
}

/// Σ_p of entries i..i+R of one strip times VECTORS vectors of another from its entry j on.
#[inline(always)]
fn tile<T: Scalar, S: Simd, const R: usize>(
    simd: S,
    strip: &[T],
    j: usize,
    other: &[T],
    i: usize,
) -> [[T::Lanes<S>; VECTORS]; R] {
    let height = strip_height::<T>();
    let mut sums = [[T::splat(simd, T::zero()); VECTORS]; R];
    for (column, other) in strip.chunks_exact(height).zip(other.chunks_exact(height)) {
        let column = T::lanes::<S>(&column[j..]).0;
        let column: [_; VECTORS] = column[..VECTORS].try_into().expect("the slice has whole tiles");
        let other = &other[i..i + R];
        for r in 0..R {
            let entry = T::splat(simd, other[r]);
            for v in 0..VECTORS {
                sums[r][v] = T::mul_add_lanes(simd, entry, column[v], sums[r][v]);
            }
        }
    }
    sums
}
