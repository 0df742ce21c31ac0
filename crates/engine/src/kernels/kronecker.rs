//! What Kronecker-factored curvature is made of.

use nhgd_kernels::{MatMut, MatRef, Scalar, matmul, mirror_lower, syrk};

use crate::{Code, Error, Result, Vector, room};

/// X ← (A ⊗ S + cI)⁻¹ B in place of B, from eigenvalues and eigenvectors of A (n × n) and S (k × k); B is n × k;
/// 4nk(n + k) flops.
#[allow(non_snake_case, reason = "errors tell the names that callers know")]
pub fn kronecker_solve(
    n: usize,
    k: usize,
    aValues: &Vector,
    aVectors: &Vector,
    sValues: &Vector,
    sVectors: &Vector,
    damping: f64,
    b: &Vector,
) -> Result<()> {
    if !(damping >= 0.0 && damping.is_finite()) {
        return Err(Error::expected(Code::Range, "damping", "a number ≥ 0", damping));
    }
    if n == 0 || k == 0 {
        return Err(Error::expected(Code::Shape, "b", "at least one row and column", format!("{n} × {k}")));
    }
    operands!(T of b; aValues: [n], aVectors: [n, n], sValues: [k], sVectors: [k, k], b: [n, k] => {
        let (u, v) = (MatRef::new(aVectors, n, n), MatRef::new(sVectors, k, k));
        let (mut half, mut rotated) = (room::<T>("b", n * k)?, room::<T>("b", n * k)?);
        let (zero, one) = (T::of(0.0), T::of(1.0));
        matmul(MatMut::new(&mut half, n, k), zero, one, u.t(), MatRef::new(b, n, k))?;
        matmul(MatMut::new(&mut rotated, n, k), zero, one, MatRef::new(&half, n, k), v)?;
        for (i, row) in rotated.chunks_exact_mut(k).enumerate() {
            for (x, &s) in row.iter_mut().zip(sValues.iter()) {
                *x /= aValues[i] * s + T::of(damping);
            }
        }
        matmul(MatMut::new(&mut half, n, k), zero, one, u, MatRef::new(&rotated, n, k))?;
        matmul(MatMut::new(b, n, k), zero, one, MatRef::new(&half, n, k), v.t())?;
        Ok(())
    })
}

/// gram ← (E Eᵀ) ∘ (X Xᵀ), the inner products of m per-sample gradients x_i e_iᵀ that are never formed; X is m × n,
/// E is m × k; m²(n + k) flops.
pub fn per_sample_gram(m: usize, n: usize, k: usize, x: &Vector, e: &Vector, gram: &Vector) -> Result<()> {
    operands!(T of gram; x: [m, n], e: [m, k], gram: [m, m] => {
        let mut other = room::<T>("gram", m * m)?;
        let (zero, one) = (T::of(0.0), T::of(1.0));
        syrk(MatMut::new(gram, m, m), zero, one, MatRef::new(x, m, n))?;
        syrk(MatMut::new(&mut other, m, m), zero, one, MatRef::new(e, m, k))?;
        gram.iter_mut().zip(other).for_each(|(g, o)| *g *= o);
        mirror_lower(MatMut::new(gram, m, m));
        Ok(())
    })
}
