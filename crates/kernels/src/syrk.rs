//! The lower triangle of A·Aᵀ in tiles.
//!
//! One packed copy of A serves as both factors. It consists of strips of rows in which the entries of a column lie
//! together. A tile of the
//! product is three vectors of one strip times a few entries of another.

use pulp::{Simd, WithSimd};

use crate::memory::Result;
use crate::simd::{dispatch, prefetch, prefetch_line};
use crate::tuning::{DEPTH_BYTES, STRIP_BYTES, symmetric_rows};
use crate::{Aligned, MatMut, MatRef, Scalar};

/// Length of one side of a tile, in vectors.
const VECTORS: usize = 3;
/// Largest length of the other side of a tile, in entries.
const SIDE: usize = 8;
/// How many columns of a strip, and cache lines of a row to be packed, are requested ahead of their use.
const COLUMNS_AHEAD: usize = 16;
const LINES_AHEAD: usize = 4;

/// Rows of a strip.
const fn strip_height<T>() -> usize {
    STRIP_BYTES / size_of::<T>()
}

/// Lower triangle of C ← β·C + α·A·Aᵀ where the rows or the columns of C are contiguous, and those of A too. Tiles that
/// the diagonal crosses are written whole.
pub(crate) fn syrk_in_tiles<T: Scalar>(
    mut c: MatMut<'_, T>,
    beta: T,
    alpha: T,
    a: MatRef<'_, T>,
) -> Result<()> {
    let (n, k) = (a.rows(), a.cols());
    let upper = c.col_stride() != 1;
    let stride = if upper { c.col_stride() } else { c.row_stride() };
    let padded = n.next_multiple_of(strip_height::<T>());
    let most = DEPTH_BYTES / size_of::<T>();
    let mut packed = Aligned::zeros(padded * k.min(most))?;
    for from in (0..k).step_by(most) {
        let depth = most.min(k - from);
        let packed = &mut packed[..padded * depth];
        dispatch(Pack { a: a.block(0, from, n, depth), packed });
        let beta = if from == 0 { beta } else { T::one() };
        dispatch(Tiles { packed, n, depth, c: c.data(), stride, upper, beta, alpha });
    }
    Ok(())
}

/// Packs A strip by strip, and each strip column by column. Leaves the places of rows past the last as they are.
struct Pack<'a, T> {
    a: MatRef<'a, T>,
    packed: &'a mut [T],
}

impl<T: Scalar> WithSimd for Pack<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        if size_of::<T>() == 4 {
            self.pack::<16>();
        } else {
            self.pack::<8>();
        }
    }
}

impl<T: Scalar> Pack<'_, T> {
    /// Transposes blocks of `W` × `W`, each a cache line wide.
    #[inline(always)]
    fn pack<const W: usize>(self) {
        let Self { a, packed } = self;
        let (n, depth, height) = (a.rows(), a.cols(), strip_height::<T>());
        for (s, strip) in packed.chunks_exact_mut(height * depth).enumerate() {
            if a.row_stride() == 1 {
                let (first, rows) = (s * height, height.min(n - s * height));
                for (p, column) in strip.chunks_exact_mut(height).enumerate() {
                    column[..rows].copy_from_slice(&a.t().row(p)[first..first + rows]);
                }
                continue;
            }
            for at in (0..height).step_by(W) {
                let first = s * height + at;
                for (from, columns) in (0..depth).step_by(W).zip(strip.chunks_mut(W * height)) {
                    let mut block = [[T::zero(); W]; W];
                    for i in first..n.min(first + W) {
                        let row = &a.row(i)[from..];
                        prefetch_line(row.as_ptr().wrapping_add(LINES_AHEAD * W));
                        match row.first_chunk() {
                            Some(whole) => block[i - first] = *whole,
                            None => block[i - first][..row.len()].copy_from_slice(row),
                        }
                    }
                    for (column, line) in columns.chunks_exact_mut(height).zip(&transposed(block)) {
                        column[at..at + W].copy_from_slice(line);
                    }
                }
            }
        }
    }
}

/// The transpose, for W a power of two: a perfect shuffle rotates the bits of an entry's index, and log₂ W
/// shuffles exchange the bits of the row with those of the column.
#[inline(always)]
fn transposed<T: Scalar, const W: usize>(mut block: [[T; W]; W]) -> [[T; W]; W] {
    for _ in 0..W.ilog2() {
        let before = block;
        let (low, high) = before.as_flattened().split_at(W * W / 2);
        let (pairs, _) = block.as_flattened_mut().as_chunks_mut::<2>();
        for (pair, (&x, &y)) in pairs.iter_mut().zip(low.iter().zip(high)) {
            *pair = [x, y];
        }
    }
    block
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
        // So many that their strips stay in the second cache.
        let together = symmetric_rows(height);
        for rows in (0..n).step_by(together) {
            let after = n.min(rows + together);
            for j in (0..n).step_by(width) {
                let strip = &self.packed[j / height * size..][..size];
                let (from, end) =
                    if self.upper { (rows, after.min(j + width)) } else { (rows.max(j / R * R), after) };
                for i in (from..end).step_by(R) {
                    for r in i..n.min(i + R) {
                        prefetch(&self.c[r * self.stride + j..][..width.min(n - j)]);
                    }
                    let other = &self.packed[i / height * size..][..size];
                    let sums = tile::<T, S, R>(simd, strip, j % height, other, i % height);
                    self.store(simd, i, j, sums);
                }
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
        let cols = width.min(self.n - j);
        for r in 0..R {
            if i + r >= self.n {
                break;
            }
            let row = &mut self.c[(i + r) * self.stride + j..][..cols];
            if cols == width {
                combine(simd, row, self.beta, self.alpha, sums[r]);
            } else {
                let mut edge = [T::zero(); STRIP_BYTES / 4];
                edge[..cols].copy_from_slice(row);
                combine(simd, &mut edge, self.beta, self.alpha, sums[r]);
                row.copy_from_slice(&edge[..cols]);
            }
        }
    }
}

/// row ← β·row + α·sums, in vectors. β = 0 overwrites the row.
#[inline(always)]
fn combine<T: Scalar, S: Simd>(simd: S, row: &mut [T], beta: T, alpha: T, sums: [T::Lanes<S>; VECTORS]) {
    let (lanes, _) = T::lanes_mut::<S>(row);
    let lanes = lanes.first_chunk_mut::<VECTORS>().expect("the row has whole vectors");
    for v in 0..VECTORS {
        let sum = T::mul_lanes(simd, T::splat(simd, alpha), sums[v]);
        let before = T::splat(simd, beta);
        lanes[v] = if beta == T::zero() { sum } else { T::mul_add_lanes(simd, before, lanes[v], sum) };
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
        prefetch_line(other.as_ptr().wrapping_add(COLUMNS_AHEAD * height));
        for r in 0..R {
            let entry = T::splat(simd, other[r]);
            for v in 0..VECTORS {
                sums[r][v] = T::mul_add_lanes(simd, entry, column[v], sums[r][v]);
            }
        }
    }
    sums
}
