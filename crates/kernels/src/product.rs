//! Matrix products.

use crate::gemv::{rows_combined, rows_times};
use crate::memory::{self, Result};
#[cfg(not(any(blas, target_arch = "wasm32")))]
use crate::syrk::syrk_in_tiles;
use crate::{MatMut, MatRef, Scalar};

/// Largest order for which the symmetric product computes both triangles.
const SYMMETRIC_BLOCK: usize = 64;
/// Terms that a symmetric product sums at once, so that both factors stay in cache while their blocks meet.
const SYMMETRIC_DEPTH: usize = 256;
/// Side of the tiles by which transposed copies proceed.
const TILE: usize = 16;

/// C ← β·C + α·A·B, with A `m × k`, B `k × n` and C `m × n`. β = 0 overwrites C, whatever it held.
pub fn matmul<T: Scalar>(
    c: MatMut<'_, T>,
    beta: T,
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) -> Result<()> {
    let (m, n, k) = (c.rows(), c.cols(), a.cols());
    assert!(a.rows() == m && b.rows() == k && b.cols() == n, "shapes of a product must agree");
    #[cfg(target_arch = "wasm32")]
    return crate::packed::matmul(c, beta, alpha, a, b);
    #[cfg(not(target_arch = "wasm32"))]
    {
        native(c, beta, alpha, a, b);
        Ok(())
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn native<T: Scalar>(mut c: MatMut<'_, T>, beta: T, alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    #[cfg(blas)]
    if crate::blas::matmul(&mut c, beta, alpha, a, b) {
        return;
    }
    let (m, n, k) = (c.rows(), c.cols(), a.cols());
    let (c_row, c_col) = (c.row_stride() as isize, c.col_stride() as isize);
    // SAFETY: each view holds every entry that its shape and strides reach, C is borrowed mutably and so
    // overlaps neither A nor B, and `T` is `f32` or `f64`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.data().as_mut_ptr(),
            c_col,
            c_row,
            beta != T::zero(),
            a.data().as_ptr(),
            a.col_stride() as isize,
            a.row_stride() as isize,
            b.data().as_ptr(),
            b.col_stride() as isize,
            b.row_stride() as isize,
            beta,
            alpha,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Lower triangle of C ← β·C + α·A·Aᵀ, with A `n × k` and C `n × n`. Overwrites blocks of
/// the strict upper triangle next to the diagonal with scratch.
pub fn syrk<T: Scalar>(c: MatMut<'_, T>, beta: T, alpha: T, a: MatRef<'_, T>) -> Result<()> {
    assert!(c.rows() == a.rows() && c.cols() == a.rows(), "shapes of a product must agree");
    #[cfg(not(any(blas, target_arch = "wasm32")))]
    {
        let contiguous = |row: usize, col: usize| row == 1 || col == 1;
        let large = a.rows() > SYMMETRIC_BLOCK && a.cols() > 0;
        if large && contiguous(c.row_stride(), c.col_stride()) && contiguous(a.row_stride(), a.col_stride()) {
            return syrk_in_tiles(c, beta, alpha, a);
        }
    }
    symmetric_product(c, beta, alpha, a, a.t())
}

/// Lower triangle of C ← β·C + α·A·B where A·B is symmetric. Overwrites blocks of the strict upper
/// triangle next to the diagonal with scratch.
pub(crate) fn symmetric_product<T: Scalar>(
    mut c: MatMut<'_, T>,
    beta: T,
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) -> Result<()> {
    let (n, k) = (a.rows(), a.cols());
    assert!(c.rows() == n && c.cols() == n && b.cols() == n, "shapes of a product must agree");
    if n <= SYMMETRIC_BLOCK {
        return matmul(c, beta, alpha, a, b);
    }
    if k > SYMMETRIC_DEPTH {
        for from in (0..k).step_by(SYMMETRIC_DEPTH) {
            let depth = SYMMETRIC_DEPTH.min(k - from);
            let (a, b) = (a.block(0, from, n, depth), b.block(from, 0, depth, n));
            symmetric_product(c.rb_mut(), if from == 0 { beta } else { T::one() }, alpha, a, b)?;
        }
        return Ok(());
    }
    let half = (n / 2).next_multiple_of(SYMMETRIC_BLOCK);
    let rest = n - half;
    let (top, bottom) = (a.block(0, 0, half, k), a.block(half, 0, rest, k));
    let (left, right) = (b.block(0, 0, k, half), b.block(0, half, k, rest));
    symmetric_product(c.rb_mut().block(0, 0, half, half), beta, alpha, top, left)?;
    matmul(c.rb_mut().block(half, 0, rest, half), beta, alpha, bottom, left)?;
    symmetric_product(c.block(half, half, rest, rest), beta, alpha, bottom, right)
}

/// Lower triangle of C ← C + X diag(weights) Xᵀ, with X `n × k` and weights of either sign; columns without a weight cost
/// nothing. Overwrites blocks of the strict upper triangle next to the diagonal with scratch.
pub fn weighted_gram<T: Scalar>(mut c: MatMut<'_, T>, x: MatRef<'_, T>, weights: &[T]) -> Result<()> {
    let n = x.rows();
    assert_eq!(x.cols(), weights.len(), "shapes of a product must agree");
    let mut used: Vec<usize> = memory::reserved(weights.len())?;
    used.extend((0..weights.len()).filter(|&j| weights[j] != T::zero()));
    for part in used.chunks(SYMMETRIC_DEPTH) {
        let k = part.len();
        let mut plain = memory::reserved(n * k)?;
        let mut weighed = memory::reserved(n * k)?;
        for i in 0..n {
            plain.extend(part.iter().map(|&j| x.at(i, j)));
            weighed.extend(part.iter().map(|&j| x.at(i, j) * weights[j]));
        }
        let (plain, weighed) = (MatRef::new(&plain, n, k), MatRef::new(&weighed, n, k));
        symmetric_product(c.rb_mut(), T::one(), T::one(), weighed, plain.t())?;
    }
    Ok(())
}

/// Copies the strict lower triangle of a square matrix to its upper triangle.
pub fn mirror_lower<T: Scalar>(mut c: MatMut<'_, T>) {
    assert_eq!(c.rows(), c.cols(), "a symmetric matrix must be square");
    let (n, row, col) = (c.rows(), c.row_stride(), c.col_stride());
    let c = c.data();
    for i0 in (0..n).step_by(TILE) {
        for j0 in (0..=i0).step_by(TILE) {
            if col == 1 && j0 < i0 && i0 + TILE <= n {
                let mut tile = [[T::zero(); TILE]; TILE];
                for (i, line) in tile.iter_mut().enumerate() {
                    line.copy_from_slice(&c[(i0 + i) * row + j0..][..TILE]);
                }
                for j in 0..TILE {
                    let line = &mut c[(j0 + j) * row + i0..][..TILE];
                    (0..TILE).for_each(|i| line[i] = tile[i][j]);
                }
                continue;
            }
            for i in i0..(i0 + TILE).min(n) {
                for j in j0..(j0 + TILE).min(i) {
                    c[j * row + i * col] = c[i * row + j * col];
                }
            }
        }
    }
}

/// B ← Aᵀ, both `n × n` row-major.
pub(crate) fn transpose<T: Scalar>(n: usize, a: &[T], b: &mut [T]) {
    for i0 in (0..n).step_by(TILE) {
        for j0 in (0..n).step_by(TILE) {
            for i in i0..(i0 + TILE).min(n) {
                for j in j0..(j0 + TILE).min(n) {
                    b[i * n + j] = a[j * n + i];
                }
            }
        }
    }
}

/// y ← β·y + α·A·x, with A `m × n`. β = 0 overwrites y, whatever it held.
pub fn matvec<T: Scalar>(y: &mut [T], beta: T, alpha: T, a: MatRef<'_, T>, x: &[T]) {
    let (m, n) = (a.rows(), a.cols());
    match (a.row_stride(), a.col_stride()) {
        (_, 1) => rows_times(y, beta, alpha, a, x),
        (1, _) => rows_combined(y, beta, alpha, a.t(), x),
        _ => {
            for (i, y) in y[..m].iter_mut().enumerate() {
                let sum = (0..n).map(|j| a.at(i, j) * x[j]).sum::<T>();
                *y = alpha * sum + if beta == T::zero() { T::zero() } else { beta * *y };
            }
        }
    }
}

/// The system BLAS that computes large products: `"none"`, `"openblas"` or `"accelerate"`.
pub fn blas() -> &'static str {
    if cfg!(blas = "openblas") {
        "openblas"
    } else if cfg!(blas = "accelerate") {
        "accelerate"
    } else {
        "none"
    }
}

#[cfg(test)]
mod tests;
