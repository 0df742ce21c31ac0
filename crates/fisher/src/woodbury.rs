//! Solves with F = Gᵀ C G for few rows G and a diagonal D̃.

use nhgd_kernels::memory::{Result, collected, zeros};
use nhgd_kernels::vector::norm;
use nhgd_kernels::{Cholesky, MatRef, Scalar, matvec};

use crate::wide::{combination, narrow, products, widen};
use nhgd_curvature::Diagonal;

/// Rounding errors of the scalar type times the condition of the inner system from which on a solve is computed in f64
/// and its residual is told. The bound is on the worst right-hand side: one among the rows.
const CAREFUL: f64 = 1e-3;

/// (D̃ + Gᵀ C G)⁻¹ = D̃⁻¹ − D̃⁻¹ Gᵀ √C (I + √C G D̃⁻¹ Gᵀ √C)⁻¹ √C G D̃⁻¹, with C diagonal.
pub(crate) struct Woodbury {
    /// √C.
    roots: Vec<f64>,
    /// Of I + √C G D̃⁻¹ Gᵀ √C.
    inner: Cholesky<f64>,
    /// The trace of that matrix less its order, and 1: a bound on its condition.
    condition: f64,
}

impl Woodbury {
    /// From the lower triangle of scale · G D̃⁻¹ Gᵀ and the diagonal of √C; nothing if the factorisation fails.
    pub fn factor(gram: MatRef<'_, f64>, roots: Vec<f64>, scale: f64) -> Result<Option<Self>> {
        let k = roots.len();
        let (mut inner, mut condition): (Vec<f64>, f64) = (zeros(k * k)?, 1.0);
        for i in 0..k {
            for j in 0..=i {
                inner[i * k + j] = roots[i] * gram.at(i, j) * roots[j] / scale;
            }
            condition += inner[i * k + i];
            inner[i * k + i] += 1.0;
        }
        Ok(Cholesky::factor(k, inner)?.ok().map(|inner| Self { roots, inner, condition }))
    }

    /// Whether the scalar type's rounding could spoil a solve.
    pub fn is_delicate<T: Scalar>(&self) -> bool {
        T::epsilon().wide() * self.condition > CAREFUL
    }

    /// y ← √C (I + √C G D̃⁻¹ Gᵀ √C)⁻¹ √C y.
    pub fn inner_solve(&self, y: &mut [f64]) -> Result<()> {
        y.iter_mut().zip(&self.roots).for_each(|(y, &c)| *y *= c);
        self.inner.solve(y)?;
        y.iter_mut().zip(&self.roots).for_each(|(y, &c)| *y *= c);
        Ok(())
    }

    /// x ← (D̃ + Gᵀ C G)⁻¹ b with the rows G; returns the residual where it was computed.
    pub fn solve<T: Scalar>(
        &self,
        rows: &[T],
        tilde: &Diagonal<T>,
        b: &[T],
        x: &mut [T],
    ) -> Result<Option<f64>> {
        let d = b.len();
        if self.is_delicate::<T>() {
            let times = |x: &[f64]| products(rows, d, MatRef::new(x, d, 1));
            return self.solve_carefully(times, |y| combination(rows, d, y), tilde, b, x).map(Some);
        }
        x.iter_mut().zip(b).enumerate().for_each(|(i, (x, &b))| *x = b / tilde.at(i));
        let rows = MatRef::new(rows, self.roots.len(), d);
        let mut y = zeros(self.roots.len())?;
        matvec(&mut y, T::zero(), T::one(), rows, x);
        let mut wide = widen(&y)?;
        self.inner_solve(&mut wide)?;
        let y: Vec<T> = narrow(&wide)?;
        match tilde {
            Diagonal::Scalar(c) => matvec(x, T::one(), -T::one() / *c, rows.t(), &y),
            Diagonal::Vector(tilde) => {
                let mut correction = zeros(d)?;
                matvec(&mut correction, T::zero(), T::one(), rows.t(), &y);
                x.iter_mut().zip(&correction).zip(tilde).for_each(|((x, &r), &d)| *x -= r / d);
            }
        }
        Ok(None)
    }

    /// The same in f64, with one step of iterative refinement; `times` gives G x and `combine` gives Gᵀ y. Returns the
    /// residual of the rounded x.
    pub fn solve_carefully<T: Scalar>(
        &self,
        times: impl Fn(&[f64]) -> Result<Vec<f64>>,
        combine: impl Fn(&[f64]) -> Result<Vec<f64>>,
        tilde: &Diagonal<T>,
        b: &[T],
        x: &mut [T],
    ) -> Result<f64> {
        let (b, tilde) = (widen(b)?, collected((0..b.len()).map(|i| tilde.at(i).wide()))?);
        let solve = |b: &[f64]| {
            let x: Vec<f64> = collected(b.iter().zip(&tilde).map(|(b, d)| b / d))?;
            let mut y = times(&x)?;
            self.inner_solve(&mut y)?;
            collected(x.iter().zip(combine(&y)?).zip(&tilde).map(|((x, r), d)| x - r / d))
        };
        let remainder = |x: &[f64]| {
            let mut y = times(x)?;
            y.iter_mut().zip(&self.roots).for_each(|(y, c)| *y *= c * c);
            let fx = combine(&y)?;
            collected((0..b.len()).map(|i| b[i] - tilde[i] * x[i] - fx[i]))
        };
        let mut solution: Vec<f64> = solve(&b)?;
        let correction: Vec<f64> = solve(&remainder(&solution)?)?;
        solution.iter_mut().zip(&correction).for_each(|(x, c)| *x += c);
        x.copy_from_slice(&narrow(&solution)?);
        let size = norm(&b);
        Ok(if size > 0.0 { norm(&remainder(&widen(x)?)?) / size } else { 0.0 })
    }

    pub fn bytes(&self) -> usize {
        size_of::<f64>() * self.roots.len() * (self.roots.len() + 1)
    }
}
