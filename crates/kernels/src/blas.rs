//! Products by the system BLAS, with the cargo feature `blas`.

use std::any::TypeId;
use std::ffi::c_int;

use cblas_sys::{CBLAS_TRANSPOSE, CblasNoTrans, CblasRowMajor, CblasTrans, cblas_dgemm, cblas_sgemm};

use crate::{MatMut, MatRef, Scalar};

/// Number of multiplications above which a call is worth its overhead.
const LARGE: usize = 64 * 64 * 64;

/// C ← β·C + α·A·B, unless the product is small or a BLAS cannot take the strides. Then it returns `false` and
/// leaves C as it was.
pub(crate) fn matmul<T: Scalar>(
    c: &mut MatMut<'_, T>,
    beta: T,
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) -> bool {
    let (m, n, k) = (c.rows(), c.cols(), a.cols());
    if m * n * k < LARGE {
        return false;
    }
    if c.col_stride() != 1 {
        // Cᵀ = Bᵀ·Aᵀ
        return c.row_stride() == 1 && matmul(&mut c.rb_mut().t(), beta, alpha, b.t(), a.t());
    }
    let (Some((turn_a, stride_a)), Some((turn_b, stride_b))) = (operand(a), operand(b)) else { return false };
    let Some((_, stride_c)) = operand(c.rb()) else { return false };
    let [Ok(m), Ok(n), Ok(k)] = [m, n, k].map(c_int::try_from) else { return false };
    let (a, b, c) = (a.data().as_ptr(), b.data().as_ptr(), c.data().as_mut_ptr());
    macro_rules! gemm {
        ($gemm:ident, $t:ty) => {{
            let (alpha, beta) = (alpha.wide() as $t, beta.wide() as $t);
            // SAFETY: `T` is this type; the views hold every entry that their shapes and strides reach, and C,
            // borrowed mutably, overlaps neither A nor B.
            unsafe {
                $gemm(
                    CblasRowMajor,
                    turn_a,
                    turn_b,
                    m,
                    n,
                    k,
                    alpha,
                    a.cast(),
                    stride_a,
                    b.cast(),
                    stride_b,
                    beta,
                    c.cast(),
                    stride_c,
                )
            }
        }};
    }
    if TypeId::of::<T>() == TypeId::of::<f32>() {
        gemm!(cblas_sgemm, f32);
    } else if TypeId::of::<T>() == TypeId::of::<f64>() {
        gemm!(cblas_dgemm, f64);
    } else {
        return false;
    }
    true
}

/// How a BLAS reads a view: as it is or transposed, and the distance between its contiguous rows.
fn operand<T: Scalar>(x: MatRef<'_, T>) -> Option<(CBLAS_TRANSPOSE, c_int)> {
    let (turn, stride, width) = match (x.row_stride(), x.col_stride()) {
        (stride, 1) => (CblasNoTrans, stride, x.cols()),
        (1, stride) => (CblasTrans, stride, x.rows()),
        _ => return None,
    };
    if stride < width { None } else { Some((turn, c_int::try_from(stride).ok()?)) }
}
