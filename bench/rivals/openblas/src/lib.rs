//! OpenBLAS as a rival: the calls that a user of BLAS and LAPACK would write, over typed arrays, row-major.
//!
//! Each function asserts its shapes; a panic ends the benchmark.

#![allow(missing_docs, reason = "the operations are those of the rows that use them")]

mod blas;
mod inverse;
mod network;
mod out;
mod products;
mod softmax;

use std::ffi::{CStr, c_char, c_int};

use napi_derive::napi;

unsafe extern "C" {
    fn openblas_get_corename() -> *const c_char;
    fn openblas_get_config() -> *const c_char;
    fn openblas_set_num_threads(threads: c_int);
}

/// The processor that OpenBLAS takes this one for.
#[napi]
pub fn core() -> String {
    // SAFETY: OpenBLAS returns a static string.
    unsafe { CStr::from_ptr(openblas_get_corename()) }.to_string_lossy().into_owned()
}

/// Version and build.
#[napi]
pub fn config() -> String {
    // SAFETY: OpenBLAS returns a static string.
    unsafe { CStr::from_ptr(openblas_get_config()) }.to_string_lossy().into_owned()
}

#[napi]
pub fn set_threads(threads: i32) {
    // SAFETY: no call of OpenBLAS is under way, all are made from JavaScript's thread and joined.
    unsafe { openblas_set_num_threads(threads) }
}
