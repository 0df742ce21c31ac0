//! Inverses of Fisher matrices.

use napi::bindgen_prelude::{Float32ArraySlice, Float64ArraySlice};
use napi_derive::napi;

use crate::blas;
use crate::out::Out;

/// A = scale · B after F⁺ = βF + γ ggᵀ by ssymv and ssyr on the lower triangle of B, d × d; returns the new scale,
/// which spares a pass for 1/β.
#[napi]
pub fn inverse_update(
    d: u32,
    mut b: Float32ArraySlice,
    g: &[f32],
    mut product: Float32ArraySlice,
    beta: f64,
    gamma: f64,
    scale: f64,
) -> f64 {
    let b = b.entries();
    let product = product.entries();
    blas::ssymv(d as usize, b, g, product);
    let pivot = beta + gamma * scale * f64::from(blas::sdot(g, product));
    blas::ssyr(d as usize, (-gamma * scale / pivot) as f32, product, b);
    scale / beta
}

/// y ← B x with the lower triangle of B.
#[napi]
pub fn ssymv(d: u32, b: &[f32], x: &[f32], mut y: Float32ArraySlice) {
    let y = y.entries();
    blas::ssymv(d as usize, b, x, y);
}

/// The lower triangle of C ← (damping I + X Xᵀ)⁻¹ by ssyrk, spotrf, spotri; X n × k, C n × n.
#[napi]
pub fn sfactor_inverse(n: u32, k: u32, x: &[f32], damping: f64, mut c: Float32ArraySlice) {
    let c = c.entries();
    let n = n as usize;
    c.fill(0.0);
    c.iter_mut().step_by(n + 1).for_each(|c| *c = damping as f32);
    blas::sfactor_inverse(n, k as usize, x, c);
}

/// The same in double precision.
#[napi]
pub fn dfactor_inverse(n: u32, k: u32, x: &[f64], damping: f64, mut c: Float64ArraySlice) {
    let c = c.entries();
    let n = n as usize;
    c.fill(0.0);
    c.iter_mut().step_by(n + 1).for_each(|c| *c = damping);
    blas::dfactor_inverse(n, k as usize, x, c);
}
