//! Matrix products in packed blocks, for WebAssembly.
//!
//! The gemm crate, which multiplies elsewhere, would bring each of its kernels with and without vectors: a tenth of
//! the module, and one that loads nowhere without vectors. Blocking as in Goto and van de Geijn, "Anatomy of
//! high-performance matrix multiplication", ACM TOMS 34 (2008).

use pulp::{Simd, WithSimd};

use crate::memory::{self, Result};
use crate::simd::dispatch;
use crate::skinny::{Project, Tile, WIDEST};
use crate::vector::{axpy, dot};
use crate::{Aligned, MatMut, MatRef, Scalar};

/// Terms that a tile sums at once: a panel of B stays in the first cache, a block of A in the second.
const DEPTH: usize = 256;
/// Rows of a block of A, and columns of one of B.
const ROWS: usize = 128;
const COLUMNS: usize = 512;
/// A tile of C in SSE's 16 registers: its height in vectors of rows, and its number of columns.
const TILE_VECTORS: usize = 2;
const TILE_COLUMNS: usize = 4;
/// Entries of the largest tile, that of AVX-512.
const TILE: usize = 32 * TILE_COLUMNS;
/// Smallest number of rows or columns for which vectors that run along them pay.
const NARROW: usize = 16;
/// Rows of A that stay in the second cache while the blocks of columns pass.
const NARROW_ROWS: usize = 64;

/// C ← β·C + α·A·B. β = 0 overwrites C, whatever it held.
pub(crate) fn matmul<T: Scalar>(
    mut c: MatMut<'_, T>,
    beta: T,
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) -> Result<()> {
    scale(&mut c, beta);
    let (m, n) = (c.rows(), c.cols());
    if m == 0 || n == 0 || a.cols() == 0 {
        return Ok(());
    }
    // Vectors run along the rows of C: its contiguous side, unless that is short.
    let along_rows = if m.min(n) < NARROW { m >= n } else { c.row_stride() == 1 };
    let (c, a, b) = if along_rows { (c, a, b) } else { (c.t(), b.t(), a.t()) };
    if c.cols() == 1 && (a.row_stride() == 1 || a.col_stride() == 1) {
        times_vector(c, alpha, a, b)
    } else if c.cols() < NARROW && a.col_stride() == 1 && a.cols() >= WIDEST {
        narrow(c, alpha, a, b)
    } else {
        dispatch(Product { c, alpha, a, b })
    }
}

fn scale<T: Scalar>(c: &mut MatMut<'_, T>, beta: T) {
    if beta == T::one() {
        return;
    }
    let (m, n, row, col) = (c.rows(), c.cols(), c.row_stride(), c.col_stride());
    if m == 0 || n == 0 {
        return;
    }
    let (lines, line, length, step) = if col <= row { (m, row, n, col) } else { (n, col, m, row) };
    let c = c.data();
    for i in 0..lines {
        for c in c[i * line..].iter_mut().step_by(step.max(1)).take(length) {
            *c = if beta == T::zero() { T::zero() } else { beta * *c };
        }
    }
}

/// c ← c + α·A·b, where rows or columns of A are contiguous.
fn times_vector<T: Scalar>(mut c: MatMut<'_, T>, alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>) -> Result<()> {
    let (m, k) = (a.rows(), a.cols());
    let b = (0..k).map(|p| b.at(p, 0));
    let mut product: Vec<T> = memory::zeros(m)?;
    if a.col_stride() == 1 {
        let b = memory::collected(b)?;
        product.iter_mut().enumerate().for_each(|(i, c)| *c = dot(a.row(i), &b));
    } else {
        b.enumerate().for_each(|(p, b)| axpy(b, a.t().row(p), &mut product));
    }
    let stride = c.row_stride().max(1);
    for (c, product) in c.data().iter_mut().step_by(stride).zip(product) {
        *c += alpha * product;
    }
    Ok(())
}

/// C ← C + α·A·B with few columns and contiguous rows of A, which are not copied, because each is used once.
fn narrow<T: Scalar>(mut c: MatMut<'_, T>, alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>) -> Result<()> {
    let (n, k, stride) = (c.cols(), a.cols(), a.row_stride());
    let cols = k - k % WIDEST;
    let mut columns = Aligned::zeros(n * cols)?;
    for (j, column) in columns.chunks_exact_mut(cols).enumerate() {
        column.iter_mut().enumerate().for_each(|(p, x)| *x = b.at(p, j));
    }
    let (row, col) = (c.row_stride(), c.col_stride());
    let mut products: Vec<T> = memory::zeros(NARROW_ROWS * n)?;
    for begin in (0..a.rows()).step_by(NARROW_ROWS) {
        let rows = NARROW_ROWS.min(a.rows() - begin);
        let tile = Tile { data: &a.data()[begin * stride..], rows, stride, cols };
        dispatch(Project { tile, weights: &columns, stride: cols, classes: n, scores: &mut products });
        for (r, products) in products.chunks_exact(n).take(rows).enumerate() {
            for (j, &product) in products.iter().enumerate() {
                let i = begin + r;
                let whole = (cols..k).fold(product, |sum, p| sum + a.at(i, p) * b.at(p, j));
                c.data()[i * row + j * col] += alpha * whole;
            }
        }
    }
    Ok(())
}

/// C ← C + α·A·B.
struct Product<'a, T> {
    c: MatMut<'a, T>,
    alpha: T,
    a: MatRef<'a, T>,
    b: MatRef<'a, T>,
}

impl<T: Scalar> WithSimd for Product<'_, T> {
    type Output = Result<()>;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
        let Self { mut c, alpha, a, b } = self;
        let (m, n, k) = (c.rows(), c.cols(), a.cols());
        let tile_rows = TILE_VECTORS * size_of::<T::Lanes<S>>() / size_of::<T>();
        let depth = DEPTH.min(k);
        let mut packed_a = Aligned::zeros(ROWS.min(m).next_multiple_of(tile_rows) * depth)?;
        let mut packed_b = Aligned::zeros(COLUMNS.min(n).next_multiple_of(TILE_COLUMNS) * depth)?;
        for j in (0..n).step_by(COLUMNS) {
            let columns = COLUMNS.min(n - j);
            for p in (0..k).step_by(DEPTH) {
                let depth = DEPTH.min(k - p);
                pack::<T, TILE_COLUMNS>(b.block(p, j, depth, columns).t(), &mut packed_b);
                for i in (0..m).step_by(ROWS) {
                    let rows = ROWS.min(m - i);
                    pack_rows(tile_rows, a.block(i, p, rows, depth), &mut packed_a);
                    let c = c.rb_mut().block(i, j, rows, columns);
                    block::<T, S>(simd, c, alpha, depth, &packed_a, &packed_b);
                }
            }
        }
        Ok(())
    }
}

/// [`pack`] for the height of a tile.
#[inline(always)]
fn pack_rows<T: Scalar>(tile_rows: usize, a: MatRef<'_, T>, packed: &mut [T]) {
    match tile_rows {
        2 => pack::<T, 2>(a, packed),
        4 => pack::<T, 4>(a, packed),
        8 => pack::<T, 8>(a, packed),
        16 => pack::<T, 16>(a, packed),
        32 => pack::<T, 32>(a, packed),
        _ => unreachable!("a tile has {TILE_VECTORS} vectors of 1 to 16 entries"),
    }
}

/// Lays A out in panels of `W` rows, column after column, zeros below its last row.
#[inline(never)]
fn pack<T: Scalar, const W: usize>(a: MatRef<'_, T>, packed: &mut [T]) {
    let depth = a.cols();
    for (panel, i) in packed.chunks_exact_mut(W * depth).zip((0..a.rows()).step_by(W)) {
        let rows = W.min(a.rows() - i);
        let (row, col) = (a.row_stride(), a.col_stride());
        let data = &a.data()[i * row..];
        let (columns, _) = panel.as_chunks_mut::<W>();
        if rows < W {
            columns.as_flattened_mut().fill(T::zero());
        }
        if rows == W && row == 1 {
            for (p, column) in columns.iter_mut().enumerate() {
                column.copy_from_slice(&data[p * col..][..W]);
            }
        } else {
            for i in 0..rows {
                let line = data[i * row..].iter().step_by(col.max(1));
                columns.iter_mut().zip(line).for_each(|(column, &x)| column[i] = x);
            }
        }
    }
}

/// C ← C + α·A·B for a block of packed panels.
#[inline(always)]
fn block<T: Scalar, S: Simd>(simd: S, mut c: MatMut<'_, T>, alpha: T, depth: usize, a: &[T], b: &[T]) {
    let (m, n, row, col) = (c.rows(), c.cols(), c.row_stride(), c.col_stride());
    let tile_rows = TILE_VECTORS * size_of::<T::Lanes<S>>() / size_of::<T>();
    let scale = T::splat(simd, alpha);
    let c = c.data();
    for (b, j) in b.chunks_exact(TILE_COLUMNS * depth).zip((0..n).step_by(TILE_COLUMNS)) {
        for (a, i) in a.chunks_exact(tile_rows * depth).zip((0..m).step_by(tile_rows)) {
            let sums = tile::<T, S>(simd, a, b);
            let (rows, columns) = (tile_rows.min(m - i), TILE_COLUMNS.min(n - j));
            if rows == tile_rows && row == 1 {
                for q in 0..columns {
                    let c = T::lanes_mut::<S>(&mut c[i + (j + q) * col..][..tile_rows]).0;
                    for v in 0..TILE_VECTORS {
                        c[v] = T::mul_add_lanes(simd, scale, sums[q][v], c[v]);
                    }
                }
                continue;
            }
            let mut spread = [T::zero(); TILE];
            let (vectors, _) = T::lanes_mut::<S>(&mut spread);
            for q in 0..TILE_COLUMNS {
                for v in 0..TILE_VECTORS {
                    vectors[q * TILE_VECTORS + v] = sums[q][v];
                }
            }
            for q in 0..columns {
                for r in 0..rows {
                    c[(i + r) * row + (j + q) * col] += alpha * spread[q * tile_rows + r];
                }
            }
        }
    }
}

/// The product of a panel of A and one of B.
#[inline(always)]
fn tile<T: Scalar, S: Simd>(simd: S, a: &[T], b: &[T]) -> [[T::Lanes<S>; TILE_VECTORS]; TILE_COLUMNS] {
    let (a, _) = T::lanes::<S>(a).0.as_chunks::<TILE_VECTORS>();
    let (b, _) = b.as_chunks::<TILE_COLUMNS>();
    let mut sums = [[T::splat(simd, T::zero()); TILE_VECTORS]; TILE_COLUMNS];
    for (a, b) in a.iter().zip(b) {
        for q in 0..TILE_COLUMNS {
            let b = T::splat(simd, b[q]);
            for v in 0..TILE_VECTORS {
                sums[q][v] = T::mul_add_lanes(simd, a[v], b, sums[q][v]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::{distance, numbers, product};
    use crate::simd::on_each_level;

    fn check<T: Scalar>(m: usize, n: usize, k: usize, level: &str) {
        let (a, b) = (numbers::<T>(m * k, 1), numbers::<T>(k * n, 2));
        let operands = [
            (MatRef::new(&a, m, k), MatRef::new(&b, k, n)),
            (MatRef::new(&a, k, m).t(), MatRef::new(&b, n, k).t()),
        ];
        for (a, b) in operands {
            let exact = product(a, b);
            for (beta, alpha) in [(0.0, 1.0), (1.0, -1.0), (0.5, 2.0)] {
                // C is row-major, column-major, and a block between others' entries.
                for (row, col) in [(n, 1), (1, m), (2 * n + 1, 2)] {
                    let size = (m * row + n * col).max(1);
                    let before = numbers::<T>(size, 3);
                    let mut c = before.clone();
                    let mut expected: Vec<f64> = before.iter().map(|c| c.wide()).collect();
                    for i in 0..m {
                        for j in 0..n {
                            let at = i * row + j * col;
                            expected[at] = beta * expected[at] + alpha * exact[i * n + j];
                            if beta == 0.0 {
                                c[at] = T::nan();
                            }
                        }
                    }
                    let view = MatMut::strided(&mut c, m, n, row, col);
                    matmul(view, T::of(beta), T::of(alpha), a, b).unwrap();
                    let tolerance = 8.0 * (k + 1) as f64 * T::epsilon().wide();
                    assert!(distance(&c, &expected) <= tolerance, "{m} × {k} × {n}, β = {beta}, {level}");
                }
            }
        }
    }

    #[test]
    fn it_is_the_product_in_every_layout() {
        on_each_level(|level| {
            for m in [0, 1, 2, 5, 15, 33, 130] {
                for n in [0, 1, 3, 4, 15, 17, 40] {
                    for k in [0, 1, 7, 260] {
                        check::<f32>(m, n, k, level);
                        check::<f64>(m, n, k, level);
                    }
                }
            }
            check::<f32>(20, 520, 9, level);
        });
    }
}
