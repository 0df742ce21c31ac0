//! The dense reference: the curvature column by column, and its Cholesky factor.

use nhgd_kernels::{Cholesky, RowSet, Scalar};
use nhgd_problems::{Point, Problem};

use crate::reduce::curvature_product;
use crate::{Code, Error, Result};

/// Largest d of the dense reference.
const LIMIT: usize = 8192;

/// x ← C⁻¹ b with the curvature C over all samples (implicit differentiation without approximation).
pub(crate) fn exact_direction<T: Scalar>(
    problem: &dyn Problem<T>,
    point: Point<'_, T>,
    b: &[T],
) -> Result<Vec<T>> {
    let d = problem.inner_len();
    if d > LIMIT {
        let expected = format!("at most {LIMIT} parameters for a dense Hessian");
        return Err(Error::expected(Code::Range, "inner", expected, d));
    }
    let mut dense = vec![T::zero(); d * d];
    let mut unit = vec![T::zero(); d];
    for (i, column) in dense.chunks_exact_mut(d).enumerate() {
        unit[i] = T::one();
        curvature_product(problem, point, RowSet::all(problem.samples()), &unit, column, false);
        unit[i] = T::zero();
    }
    let factor = Cholesky::factor(d, dense).map_err(|e| Error {
        code: Code::Numeric,
        message: format!(
            "the Hessian is not positive definite (pivot {}): add regularization or train longer",
            e.index
        ),
    })?;
    let mut x = b.to_vec();
    factor.solve(&mut x);
    Ok(x)
}
