//! Products.

use napi::bindgen_prelude::{Float32ArraySlice, Float64ArraySlice};
use napi_derive::napi;

use crate::blas::{self, straight};
use crate::out::Out;

/// C ← A B; A m × k, B k × n.
#[napi]
pub fn sgemm(m: u32, n: u32, k: u32, a: &[f32], b: &[f32], mut c: Float32ArraySlice) {
    let c = c.entries();
    let (m, n, k) = (m as usize, n as usize, k as usize);
    blas::sgemm((m, n, k), straight(a, k), straight(b, n), 0.0, c, n);
}

/// The same in double precision.
#[napi]
pub fn dgemm(m: u32, n: u32, k: u32, a: &[f64], b: &[f64], mut c: Float64ArraySlice) {
    let c = c.entries();
    let (m, n, k) = (m as usize, n as usize, k as usize);
    blas::dgemm((m, n, k), straight(a, k), straight(b, n), 0.0, c, n);
}

/// y ← G b, x ← Gᵀy: the two products of a window's solve; G m × d.
#[napi]
pub fn gemv_twice(m: u32, d: u32, g: &[f32], b: &[f32], mut y: Float32ArraySlice, mut x: Float32ArraySlice) {
    let y = y.entries();
    let x = x.entries();
    blas::sgemv(false, m as usize, d as usize, g, b, y);
    blas::sgemv(true, m as usize, d as usize, g, y, x);
}

/// y ← y + alpha x.
#[napi]
pub fn saxpy(alpha: f64, x: &[f32], mut y: Float32ArraySlice) {
    let y = y.entries();
    blas::saxpy(alpha as f32, x, y);
}

/// xᵀy.
#[napi]
pub fn sdot(x: &[f32], y: &[f32]) -> f64 {
    blas::sdot(x, y).into()
}
