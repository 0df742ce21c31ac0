//! The routines of BLAS and LAPACK that the rivals use, with their shapes checked.

use std::ffi::{c_char, c_int};

use cblas_sys::{
    CBLAS_TRANSPOSE, CblasLower, CblasNoTrans, CblasRowMajor, CblasTrans, cblas_dgemm, cblas_dsyrk, cblas_saxpy,
    cblas_sdot, cblas_sgemm, cblas_sgemv, cblas_ssymv, cblas_ssyr, cblas_ssyrk,
};

unsafe extern "C" {
    fn spotrf_(uplo: *const c_char, n: *const c_int, a: *mut f32, lda: *const c_int, info: *mut c_int);
    fn spotri_(uplo: *const c_char, n: *const c_int, a: *mut f32, lda: *const c_int, info: *mut c_int);
    fn dpotrf_(uplo: *const c_char, n: *const c_int, a: *mut f64, lda: *const c_int, info: *mut c_int);
    fn dpotri_(uplo: *const c_char, n: *const c_int, a: *mut f64, lda: *const c_int, info: *mut c_int);
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

macro_rules! factor_inverse {
    ($name:ident, $syrk:ident, $potrf:ident, $potri:ident, $t:ty) => {
        /// The lower triangle of C ← (C + A Aᵀ)⁻¹ by Cholesky; A n × k, C n × n with a positive definite sum.
        pub fn $name(n: usize, k: usize, a: &[$t], c: &mut [$t]) {
            assert!(a.len() == n * k && c.len() == n * n);
            let (a, c) = (a.as_ptr(), c.as_mut_ptr());
            // LAPACK's upper triangle, column-major, is the lower one, row-major.
            let (uplo, order, mut info) = (b'U' as c_char, int(n), 0);
            // SAFETY: the lengths are checked above.
            unsafe { $syrk(CblasRowMajor, CblasLower, CblasNoTrans, order, int(k), 1.0, a, int(k), 1.0, c, order) };
            // SAFETY: `c` holds n columns of n entries.
            unsafe { $potrf(&uplo, &order, c, &order, &mut info) };
            assert!(info == 0, "potrf: {info}");
            // SAFETY: as above.
            unsafe { $potri(&uplo, &order, c, &order, &mut info) };
            assert!(info == 0, "potri: {info}");
        }
    };
}
factor_inverse!(sfactor_inverse, cblas_ssyrk, spotrf_, spotri_, f32);
factor_inverse!(dfactor_inverse, cblas_dsyrk, dpotrf_, dpotri_, f64);

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
