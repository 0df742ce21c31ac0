//! Linear systems and eigenvalues of one symmetric matrix.

use nhgd_kernels::{Cholesky, MatMut, MatRef, Scalar, matvec};

use crate::{Code, Error, Result, Vector, taken};

/// X ← A⁻¹ B in place of B, by Cholesky; A n × n symmetric positive definite, B n × k; n³/3 + 2n²k flops.
pub fn cholesky_solve(n: usize, k: usize, a: &Vector, b: &Vector) -> Result<()> {
    operands!(T of b; a: [n, n], b: [n, k] => {
        Ok(factor::<T>(n, a)?.solve_many(MatMut::new(b, n, k))?)
    })
}

/// inverse ← A⁻¹ by Cholesky; A n × n symmetric positive definite; n³ flops.
pub fn cholesky_inverse(n: usize, a: &Vector, inverse: &Vector) -> Result<()> {
    operands!(T of a; a: [n, n], inverse: [n, n] => {
        *inverse = factor::<T>(n, a)?.inverse()?;
        Ok(())
    })
}

/// A = V diag(values) Vᵀ with A n × n symmetric: values ascending, eigenvectors in the columns of V; about 9n³ flops.
pub fn symmetric_eigen(n: usize, a: &Vector, values: &Vector, vectors: &Vector) -> Result<()> {
    operands!(T of a; a: [n, n], values: [n], vectors: [n, n] => {
        let eigen = nhgd_kernels::symmetric_eigen(n, taken("a", a)?)?.map_err(|_| Error {
            code: Code::Numeric,
            message: "\"a\" expected finite entries, got a matrix whose eigenvalues don't converge".into(),
        })?;
        *values = eigen.values;
        *vectors = eigen.vectors;
        Ok(())
    })
}

/// x ← A⁻¹ b by conjugate gradients from x; A n × n symmetric positive definite. Returns ‖b − Ax‖ / ‖b‖; 2n² flops per
/// step.
pub fn conjugate_gradients(
    n: usize,
    a: &Vector,
    b: &Vector,
    x: &Vector,
    tolerance: f64,
    steps: usize,
) -> Result<f64> {
    operands!(T of b; a: [n, n], b: [n], x: [n] => {
        let a = MatRef::new(a, n, n);
        let mut apply = |p: &[T], product: &mut [T]| {
            matvec(product, T::of(0.0), T::of(1.0), a, p);
            Ok::<(), Error>(())
        };
        let mut precondition = |r: &[T], z: &mut [T]| {
            z.copy_from_slice(r);
            Ok(())
        };
        Ok(nhgd_kernels::conjugate_gradients(&mut apply, &mut precondition, b, x, tolerance, steps)?.residual)
    })
}

fn factor<T: Scalar>(n: usize, a: &[T]) -> Result<Cholesky<T>> {
    Cholesky::factor(n, taken("a", a)?)?.map_err(|e| {
        let got = format!("pivot {} ≤ 0", e.index);
        Error::expected(Code::Numeric, "a", "a positive definite matrix", got)
    })
}
