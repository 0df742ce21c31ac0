//! Matrix products.

use crate::gemv::{rows_combined, rows_times};
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
pub fn matmul<T: Scalar>(c: MatMut<'_, T>, beta: T, alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let (m, n, k) = (c.rows(), c.cols(), a.cols());
    assert!(a.rows() == m && b.rows() == k && b.cols() == n, "shapes of a product must agree");
    #[cfg(target_arch = "wasm32")]
    crate::packed::matmul(c, beta, alpha, a, b);
    #[cfg(not(target_arch = "wasm32"))]
    native(c, beta, alpha, a, b);
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
pub fn syrk<T: Scalar>(c: MatMut<'_, T>, beta: T, alpha: T, a: MatRef<'_, T>) {
    assert!(c.rows() == a.rows() && c.cols() == a.rows(), "shapes of a product must agree");
    #[cfg(not(any(blas, target_arch = "wasm32")))]
    {
        let contiguous = |row: usize, col: usize| row == 1 || col == 1;
        let large = a.rows() > SYMMETRIC_BLOCK && a.cols() > 0;
        if large && contiguous(c.row_stride(), c.col_stride()) && contiguous(a.row_stride(), a.col_stride()) {
            return syrk_in_tiles(c, beta, alpha, a);
        }
    }
    symmetric_product(c, beta, alpha, a, a.t());
}

/// Lower triangle of C ← β·C + α·A·B where A·B is symmetric. Overwrites blocks of the strict upper
/// triangle next to the diagonal with scratch.
pub(crate) fn symmetric_product<T: Scalar>(
    mut c: MatMut<'_, T>,
    beta: T,
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) {
    let (n, k) = (a.rows(), a.cols());
    assert!(c.rows() == n && c.cols() == n && b.cols() == n, "shapes of a product must agree");
    if n <= SYMMETRIC_BLOCK {
        return matmul(c, beta, alpha, a, b);
    }
    if k > SYMMETRIC_DEPTH {
        for from in (0..k).step_by(SYMMETRIC_DEPTH) {
            let depth = SYMMETRIC_DEPTH.min(k - from);
            let (a, b) = (a.block(0, from, n, depth), b.block(from, 0, depth, n));
            symmetric_product(c.rb_mut(), if from == 0 { beta } else { T::one() }, alpha, a, b);
        }
        return;
    }
    let half = (n / 2).next_multiple_of(SYMMETRIC_BLOCK);
    let rest = n - half;
    let (top, bottom) = (a.block(0, 0, half, k), a.block(half, 0, rest, k));
    let (left, right) = (b.block(0, 0, k, half), b.block(0, half, k, rest));
    symmetric_product(c.rb_mut().block(0, 0, half, half), beta, alpha, top, left);
    matmul(c.rb_mut().block(half, 0, rest, half), beta, alpha, bottom, left);
    symmetric_product(c.block(half, half, rest, rest), beta, alpha, bottom, right);
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
        _ => matmul(MatMut::new(y, m, 1), beta, alpha, a, MatRef::new(x, n, 1)),
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
mod tests {
    use super::*;
    use crate::naive::{ORDERS, distance, numbers, product};
    use crate::simd::on_each_level;

    /// What C ← β·C + α·P should be.
    fn combine<T: Scalar>(c: &[T], beta: f64, alpha: f64, p: &[f64]) -> Vec<f64> {
        c.iter()
            .zip(p)
            .map(|(c, p)| if beta == 0.0 { alpha * p } else { beta * c.wide() + alpha * p })
            .collect()
    }

    fn tolerance<T: Scalar>(k: usize) -> f64 {
        8.0 * (k + 1) as f64 * T::epsilon().wide()
    }

    fn check_matmul<T: Scalar>(m: usize, n: usize, k: usize) {
        let (a, b) = (numbers::<T>(m * k, 1), numbers::<T>(k * n, 2));
        let turned = |x: &[T], rows: usize, cols: usize| -> Vec<T> {
            (0..cols * rows).map(|at| x[at % rows * cols + at / rows]).collect()
        };
        let (a_t, b_t) = (turned(&a, m, k), turned(&b, k, n));
        let straight = (MatRef::new(&a, m, k), MatRef::new(&b, k, n));
        let transposed = (MatRef::new(&a_t, k, m).t(), MatRef::new(&b_t, n, k).t());
        let exact = product(straight.0, straight.1);
        for (a, b) in [straight, transposed, (straight.0, transposed.1), (transposed.0, straight.1)] {
            for (beta, alpha) in [(0.0, 1.0), (1.0, -1.0), (0.5, 2.0)] {
                let before = if beta == 0.0 { vec![T::nan(); m * n] } else { numbers(m * n, 3) };
                let expected = combine(&before, beta, alpha, &exact);
                let mut c = before.clone();
                matmul(MatMut::new(&mut c, m, n), T::of(beta), T::of(alpha), a, b);
                assert!(distance(&c, &expected) <= tolerance::<T>(k), "{m} × {k} × {n}, β = {beta}");

                let mut c = turned(&before, m, n);
                matmul(MatMut::new(&mut c, n, m).t(), T::of(beta), T::of(alpha), a, b);
                assert!(distance(&turned(&c, n, m), &expected) <= tolerance::<T>(k), "into a transpose");
            }
        }
    }

    #[test]
    fn matmul_is_the_product() {
        for n in ORDERS {
            check_matmul::<f32>(n, n, n);
            check_matmul::<f64>(n, n, n);
        }
        for (m, n, k) in
            [(64, 10, 784), (10, 784, 64), (784, 10, 64), (5, 1, 300), (1, 300, 5), (7, 9, 0), (0, 3, 2)]
        {
            check_matmul::<f32>(m, n, k);
            check_matmul::<f64>(m, n, k);
        }
    }

    #[test]
    fn the_system_blas_is_named_if_it_was_asked_for() {
        assert!(cfg!(feature = "blas") || blas() == "none");
    }

    #[test]
    fn matmul_of_blocks_leaves_their_surroundings() {
        let n = 40;
        let (a, b, before) = (numbers::<f32>(n * n, 1), numbers(n * n, 2), numbers(n * n, 3));
        let mut c = before.clone();
        let (a, b) = (MatRef::new(&a, n, n).block(3, 5, 20, 30), MatRef::new(&b, n, n).block(1, 2, 30, 17));
        matmul(MatMut::new(&mut c, n, n).block(7, 11, 20, 17), 0.0, 1.0, a, b);
        let exact = product(a, b);
        for i in 0..n {
            for j in 0..n {
                let inside = (7..27).contains(&i) && (11..28).contains(&j);
                let expected = if inside { exact[(i - 7) * 17 + j - 11] } else { before[i * n + j].wide() };
                assert!((c[i * n + j].wide() - expected).abs() <= tolerance::<f32>(30), "({i}, {j})");
            }
        }
    }

    fn check_syrk<T: Scalar>(n: usize, k: usize) {
        let (a, a_t) = (numbers::<T>(n * k, 1), numbers::<T>(n * k, 1));
        for a in [MatRef::new(&a, n, k), MatRef::new(&a_t, k, n).t()] {
            let exact = product(a, a.t());
            for (beta, alpha) in [(0.0, 1.0), (1.0, -1.0), (0.9, 0.1)] {
                let before = if beta == 0.0 { vec![T::nan(); n * n] } else { numbers(n * n, 3) };
                let expected = combine(&before, beta, alpha, &exact);
                let (mut c, mut turned) = (before.clone(), before.clone());
                syrk(MatMut::new(&mut c, n, n), T::of(beta), T::of(alpha), a);
                mirror_lower(MatMut::new(&mut turned, n, n));
                syrk(MatMut::new(&mut turned, n, n).t(), T::of(beta), T::of(alpha), a);
                for i in 0..n {
                    for j in 0..=i {
                        let place = (i * n + j, j * n + i);
                        let error =
                            |x: T| if x.is_nan() { 1.0 } else { (x.wide() - expected[place.0]).abs() };
                        assert!(error(c[place.0]) <= tolerance::<T>(k), "({i}, {j}) of {n} × {k}");
                        assert!(error(turned[place.1]) <= tolerance::<T>(k), "transposed ({i}, {j})");
                    }
                }
            }
        }
    }

    #[test]
    fn syrk_is_the_lower_triangle_of_the_product() {
        on_each_level(|_| {
            for n in ORDERS {
                for k in [0, 1, 5, 70, 256, 300] {
                    check_syrk::<f32>(n, k);
                    check_syrk::<f64>(n, k);
                }
            }
            check_syrk::<f32>(400, 530); // past the rows and the terms that go together
            check_syrk::<f64>(250, 270);
        });
    }

    #[test]
    fn mirror_lower_copies_bits_and_keeps_the_rest() {
        for n in ORDERS {
            let before = numbers::<f32>(n * (n + 3), 1);
            let mut c = before.clone();
            mirror_lower(MatMut::strided(&mut c, n, n, n + 3, 1));
            let mut turned = before.clone();
            mirror_lower(MatMut::strided(&mut turned, n, n, 1, n + 3));
            for i in 0..n {
                for j in 0..n + 3 {
                    let (low, high) = (i.max(j), i.min(j));
                    let expected = if j < n { before[low * (n + 3) + high] } else { before[i * (n + 3) + j] };
                    assert_eq!(c[i * (n + 3) + j], expected, "({i}, {j}) of {n}");
                    let expected = if j < n { before[high * (n + 3) + low] } else { before[i * (n + 3) + j] };
                    assert_eq!(turned[i * (n + 3) + j], expected, "transposed ({i}, {j}) of {n}");
                }
            }
        }
    }

    #[test]
    fn matvec_is_the_product() {
        for (m, n) in [(0, 3), (1, 1), (3, 0), (17, 65), (200, 129), (129, 200)] {
            let (a, x, before) = (numbers::<f64>(m * n, 1), numbers(n, 2), numbers(m, 3));
            let mut y = before.clone();
            matvec(&mut y, -0.5, 2.0, MatRef::new(&a, m, n), &x);
            let exact = product(MatRef::new(&a, m, n), MatRef::new(&x, n, 1));
            assert!(distance(&y, &combine(&before, -0.5, 2.0, &exact)) <= tolerance::<f64>(n), "{m} × {n}");

            let mut y = vec![f64::NAN; n];
            let x = numbers(m, 4);
            matvec(&mut y, 0.0, 1.0, MatRef::new(&a, m, n).t(), &x);
            let exact = product(MatRef::new(&a, m, n).t(), MatRef::new(&x, m, 1));
            assert!(distance(&y, &exact) <= tolerance::<f64>(m), "transposed {m} × {n}");
        }
    }
}
