//! Woodbury with the Gram matrix of the samples: one layer, one direction per sample, D̃ = cI.

use nhgd_curvature::{Diagonal, LayerShape};
use nhgd_kernels::memory::{Result, collected};
use nhgd_kernels::vector::{dot, mul_into};
use nhgd_kernels::{MatMut, MatRef, Scalar, matmul};

use super::held::Held;
use crate::basis::product;
use crate::wide::{gram, widen};
use crate::woodbury::Woodbury;

/// The inner system of the samples for D̃ = cI; nothing if its factorisation fails.
pub(super) fn factor<T: Scalar>(held: &Held<T>, gram: &[f64], c: T) -> Result<Option<Woodbury>> {
    let n = held.len();
    let roots = collected(held.factors.weights.iter().map(|w| (w.wide() / n as f64).sqrt()))?;
    Woodbury::factor(MatRef::new(gram, n, n), roots, c.wide())
}

/// The Gram matrix (XXᵀ) ∘ (EEᵀ), lower triangle.
pub(super) fn samples_gram<T: Scalar>(held: &Held<T>) -> Result<Vec<f64>> {
    let (layer, LayerShape { inputs, outputs }) = (&held.factors.layers[0], held.shapes[0]);
    let mut both = gram(&layer.inputs, inputs, None)?;
    mul_into(&gram(&layer.outputs, outputs, None)?, &mut both);
    Ok(both)
}

/// x ← (F + cI)⁻¹ b; returns the residual where it was computed.
pub(super) fn solve<T: Scalar>(
    held: &Held<T>,
    inner: &Woodbury,
    c: T,
    b: &[T],
    x: &mut [T],
) -> Result<Option<f64>> {
    let (n, LayerShape { inputs, outputs }) = (held.len(), held.shapes[0]);
    if inner.is_delicate::<T>() {
        let layer = &held.factors.layers[0];
        let (a, s) = (widen(&layer.inputs)?, widen(&layer.outputs)?);
        let a = MatRef::new(&a, n, inputs);
        let times = |x: &[f64]| {
            let z = product(a, MatRef::new(x, inputs, outputs))?;
            collected(z.chunks_exact(outputs).zip(s.chunks_exact(outputs)).map(|(z, s)| dot(z, s)))
        };
        let combine = |y: &[f64]| {
            let scaled: Vec<f64> = collected(s.iter().enumerate().map(|(at, s)| s * y[at / outputs]))?;
            product(a.t(), MatRef::new(&scaled, n, outputs))
        };
        return inner.solve_carefully(times, combine, &Diagonal::Scalar(c), b, x).map(Some);
    }
    let (a, s) = held.columns();
    let mut z = product(a, MatRef::new(b, inputs, outputs))?;
    let rows = z.chunks_exact(outputs).enumerate();
    let mut y: Vec<f64> = collected(rows.map(|(i, z)| (dot(z, s.row(i)) / c).wide()))?;
    inner.inner_solve(&mut y)?;
    for (i, z) in z.chunks_exact_mut(outputs).enumerate() {
        z.iter_mut().zip(s.row(i)).for_each(|(z, &s)| *z = T::of(y[i]) * s);
    }
    x.copy_from_slice(b);
    let minus = -T::one() / c;
    let x = MatMut::new(x, inputs, outputs);
    matmul(x, T::one() / c, minus, a.t(), MatRef::new(&z, n, outputs))?;
    Ok(None)
}
