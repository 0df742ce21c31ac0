//! The routines of BLAS and LAPACK that the rivals use, with their shapes checked.

use std::ffi::{c_char, c_int};

use cblas_sys::{
    CBLAS_TRANSPOSE, CblasLower, CblasNoTrans, CblasRowMajor, CblasTrans, cblas_dgemm, cblas_saxpy,
    cblas_sdot, cblas_sgemm, cblas_sgemv, cblas_ssymv, cblas_ssyr, cblas_ssyrk,
};

unsafe extern "C" {
    fn spotrf_(uplo: *const c_char, n: *const c_int, a: *mut f32, lda: *const c_int, info: *mut c_int);
    fn spotri_(uplo: *const c_char, n: *const c_int, a: *mut f32, lda: *const c_int, info: *mut c_int);
}

/// Rows of a matrix `stride` apart, straight or transposed.
#[derive(Clone, Copy)]
pub struct Operand<'a, T> {
    data: &'a [T],
    stride: usize,
    transposed: bool,
}

/// A matrix as it lies in memory.
pub fn straight<T>(data: &[T], stride: usize) -> Operand<'_, T> {
    Operand { data, stride, transposed: false }
}

/// The transpose of a matrix in memory.
pub fn turned<T>(data: &[T], stride: usize) -> Operand<'_, T> {
    Operand { data, stride, transposed: true }
}

impl<T> Operand<'_, T> {
    /// Checks that rows × columns entries are there, and says how BLAS reads them.
    fn check(&self, rows: usize, columns: usize) -> CBLAS_TRANSPOSE {
        let (rows, columns) = if self.transposed { (columns, rows) } else { (rows, columns) };
        assert!(rows > 0 && self.stride >= columns && self.data.len() >= (rows - 1) * self.stride + columns);
        if self.transposed { CblasTrans } else { CblasNoTrans }
    }
}

fn int(n: usize) -> c_int {
    c_int::try_from(n).expect("sizes of a benchmark are small")
}

macro_rules! gemm {
    ($name:ident, $cblas:ident, $t:ty) => {
        /// C ← βC + A B; A m × k, B k × n, C m × n with rows `stride` apart.
        pub fn $name(
            (m, n, k): (usize, usize, usize),
            a: Operand<'_, $t>,
            b: Operand<'_, $t>,
            beta: $t,
            c: &mut [$t],
            stride: usize,
        ) {
            let (turn_a, turn_b) = (a.check(m, k), b.check(k, n));
            straight(c, stride).check(m, n);
            // SAFETY: every operand holds what its shape and stride reach.
            unsafe {
                $cblas(
                    CblasRowMajor,
                    turn_a,
                    turn_b,
                    int(m),
                    int(n),
                    int(k),
                    1.0,
                    a.data.as_ptr(),
                    int(a.stride),
                    b.data.as_ptr(),
                    int(b.stride),
                    beta,
                    c.as_mut_ptr(),
                    int(stride),
                )
            }
        }
    };
}
gemm!(sgemm, cblas_sgemm, f32);
gemm!(dgemm, cblas_dgemm, f64);

/// y ← A x, or Aᵀx where `transposed`; A m × n.
pub fn sgemv(transposed: bool, m: usize, n: usize, a: &[f32], x: &[f32], y: &mut [f32]) {
    let (inner, outer) = if transposed { (m, n) } else { (n, m) };
    assert!(a.len() == m * n && x.len() == inner && y.len() == outer);
    let turn = if transposed { CblasTrans } else { CblasNoTrans };
    // SAFETY: the lengths are checked above.
    unsafe {
        cblas_sgemv(
            CblasRowMajor,
            turn,
            int(m),
            int(n),
            1.0,
            a.as_ptr(),
            int(n),
            x.as_ptr(),
            1,
            0.0,
            y.as_mut_ptr(),
            1,
        )
    }
}

/// y ← A x with the lower triangle of A, n × n.
pub fn ssymv(n: usize, a: &[f32], x: &[f32], y: &mut [f32]) {
    assert!(a.len() == n * n && x.len() == n && y.len() == n);
    // SAFETY: the lengths are checked above.
    unsafe {
        cblas_ssymv(
            CblasRowMajor,
            CblasLower,
            int(n),
            1.0,
            a.as_ptr(),
            int(n),
            x.as_ptr(),
            1,
            0.0,
            y.as_mut_ptr(),
            1,
        )
    }
}

/// The lower triangle of A ← A + alpha x xᵀ; A n × n.
pub fn ssyr(n: usize, alpha: f32, x: &[f32], a: &mut [f32]) {
    assert!(a.len() == n * n && x.len() == n);
    // SAFETY: the lengths are checked above.
    unsafe {
        cblas_ssyr(CblasRowMajor, CblasLower, int(n), alpha, x.as_ptr(), 1, a.as_mut_ptr(), int(n));
    }
}

/// The lower triangle of C ← C + A Aᵀ; A n × k, C n × n.
pub fn ssyrk(n: usize, k: usize, a: &[f32], c: &mut [f32]) {
    assert!(a.len() == n * k && c.len() == n * n);
    let (a, c) = (a.as_ptr(), c.as_mut_ptr());
    // SAFETY: the lengths are checked above.
    unsafe {
        cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, int(n), int(k), 1.0, a, int(k), 1.0, c, int(n));
    }
}

/// The lower triangle of A ← A⁻¹ by Cholesky; A n × n positive definite.
pub fn spotrf_spotri(n: usize, a: &mut [f32]) {
    assert!(a.len() == n * n);
    // LAPACK's upper triangle, column-major, is the lower one, row-major.
    let (uplo, order, mut info) = (b'U' as c_char, int(n), 0);
    // SAFETY: `a` holds n columns of n entries.
    unsafe { spotrf_(&uplo, &order, a.as_mut_ptr(), &order, &mut info) };
    assert!(info == 0, "spotrf: {info}");
    // SAFETY: as above.
    unsafe { spotri_(&uplo, &order, a.as_mut_ptr(), &order, &mut info) };
    assert!(info == 0, "spotri: {info}");
}

/// y ← y + alpha x.
pub fn saxpy(alpha: f32, x: &[f32], y: &mut [f32]) {
    assert!(x.len() == y.len());
    // SAFETY: the lengths are equal.
    unsafe { cblas_saxpy(int(x.len()), alpha, x.as_ptr(), 1, y.as_mut_ptr(), 1) }
}

/// xᵀy.
pub fn sdot(x: &[f32], y: &[f32]) -> f32 {
    assert!(x.len() == y.len());
    // SAFETY: the lengths are equal.
    unsafe { cblas_sdot(int(x.len()), x.as_ptr(), 1, y.as_ptr(), 1) }
}
