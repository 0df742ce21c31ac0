//! Products of dense matrices.

use nhgd_kernels::{MatMut, MatRef, Scalar, matmul, matvec, mirror_lower};

use crate::{Result, Vector};

/// C ← βC + α A B with A m × k, B k × n, C m × n; 2mnk flops.
pub fn gemm(
    m: usize,
    n: usize,
    k: usize,
    alpha: f64,
    a: &Vector,
    b: &Vector,
    beta: f64,
    c: &Vector,
) -> Result<()> {
    operands!(T of c; a: [m, k], b: [k, n], c: [m, n] => {
        matmul(MatMut::new(c, m, n), T::of(beta), T::of(alpha), MatRef::new(a, m, k), MatRef::new(b, k, n))?;
        Ok(())
    })
}

/// C ← βC + α A Aᵀ with A n × k, C n × n symmetric; n²k flops.
pub fn syrk(n: usize, k: usize, alpha: f64, a: &Vector, beta: f64, c: &Vector) -> Result<()> {
    operands!(T of c; a: [n, k], c: [n, n] => {
        nhgd_kernels::syrk(MatMut::new(c, n, n), T::of(beta), T::of(alpha), MatRef::new(a, n, k))?;
        mirror_lower(MatMut::new(c, n, n));
        Ok(())
    })
}

/// C ← C + X diag(weights) Xᵀ with X n × k, C n × n symmetric; 2n²k flops for k weights other than 0.
pub fn weighted_gram(n: usize, k: usize, x: &Vector, weights: &Vector, c: &Vector) -> Result<()> {
    operands!(T of c; x: [n, k], weights: [k], c: [n, n] => {
        nhgd_kernels::weighted_gram(MatMut::new(c, n, n), MatRef::new(x, n, k), weights)?;
        mirror_lower(MatMut::new(c, n, n));
        Ok(())
    })
}

/// y ← βy + α A x with A n × n; 2n² flops.
pub fn symv(n: usize, alpha: f64, a: &Vector, x: &Vector, beta: f64, y: &Vector) -> Result<()> {
    operands!(T of y; a: [n, n], x: [n], y: [n] => {
        matvec(y, T::of(beta), T::of(alpha), MatRef::new(a, n, n), x);
        Ok(())
    })
}
