//! Cholesky factorisation A = L·Lᵀ of a symmetric positive definite matrix.

use std::error::Error;
use std::fmt;

use crate::product::{matmul, mirror_lower, syrk};
use crate::simd::dispatch;
use crate::triangular::{solve_lower, solve_lower_transposed};
use crate::{MatMut, MatRef, Scalar};

/// Largest order of a diagonal block that is factored in registers and cache.
const BLOCK: usize = 32;
/// Rows of the inverse that one product computes.
const PANEL: usize = 96;

/// A matrix that has no Cholesky factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPositiveDefinite {
    /// Row of the first pivot that isn't positive: the leading minor of order `index + 1` is at fault.
    pub index: usize,
}

impl fmt::Display for NotPositiveDefinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "matrix isn't positive definite: pivot {} isn't positive", self.index)
    }
}

impl Error for NotPositiveDefinite {}

/// The factor L of A = L·Lᵀ.
#[derive(Clone, Debug)]
pub struct Cholesky<T> {
    n: usize,
    /// U = Lᵀ in the upper triangle. The entries below it have no meaning.
    u: Vec<T>,
}

impl<T: Scalar> Cholesky<T> {
    /// Factors the symmetric `n × n` matrix whose lower triangle is that of the row-major `a`.
    pub fn factor(n: usize, mut a: Vec<T>) -> Result<Self, NotPositiveDefinite> {
        assert_eq!(a.len(), n * n, "an n × n matrix must have n² entries");
        mirror_lower(MatMut::new(&mut a, n, n));
        factor(MatMut::new(&mut a, n, n)).map_err(|index| NotPositiveDefinite { index })?;
        Ok(Self { n, u: a })
    }

    /// Order n of the matrix.
    pub fn size(&self) -> usize {
        self.n
    }

    /// The factor L. The entries above its diagonal have no meaning.
    pub fn lower(&self) -> MatRef<'_, T> {
        MatRef::new(&self.u, self.n, self.n).t()
    }

    /// b ← A⁻¹·b.
    pub fn solve(&self, b: &mut [T]) {
        self.solve_many(MatMut::new(b, self.n, 1));
    }

    /// B ← A⁻¹·B, with B `n × k`.
    pub fn solve_many(&self, mut b: MatMut<'_, T>) {
        solve_lower(self.lower(), b.rb_mut());
        solve_lower_transposed(self.lower(), b);
    }

    /// A⁻¹, `n × n`, symmetric to the bit.
    pub fn inverse(self) -> Vec<T> {
        let Self { n, u: mut a } = self;
        let mut panel = vec![T::zero(); PANEL.min(n) * n];
        invert_lower(MatMut::new(&mut a, n, n), &mut panel);
        // A⁻¹ = MᵀM with M = L⁻¹: row block i of its lower triangle sums over the rows of M from i on, so that M may
        // be overwritten on the way.
        for i in (0..n).step_by(PANEL) {
            let (rows, end) = (PANEL.min(n - i), n.min(i + PANEL));
            let (mut here, below) = MatMut::new(&mut a, n, n).block(i, 0, n - i, end).split_rows(rows);
            (0..rows).for_each(|r| panel[r * end..][..end].copy_from_slice(here.rb().row(r)));
            let own = MatRef::new(&panel[..rows * end], rows, end);
            matmul(here.rb_mut(), T::zero(), T::one(), own.block(0, i, rows, rows).t(), own);
            matmul(here, T::one(), T::one(), below.rb().block(0, i, n - end, rows).t(), below.rb());
        }
        mirror_lower(MatMut::new(&mut a, n, n));
        a
    }

    /// log det A.
    pub fn log_det(&self) -> f64 {
        (0..self.n).map(|i| 2.0 * self.u[i * self.n + i].wide().ln()).sum()
    }
}

/// The lower triangle of A ← M = L⁻¹, in blocks that are zero above the diagonal, from U = Lᵀ in its upper triangle.
///
/// Row block i solves Lᵢᵢ·Mᵢ = Iᵢ − Σₚ Lᵢₚ·Mₚ over the row blocks p above it. `panel` is scratch.
fn invert_lower<T: Scalar>(mut a: MatMut<'_, T>, panel: &mut [T]) {
    let n = a.rows();
    for i in (0..n).step_by(PANEL) {
        let (rows, end) = (PANEL.min(n - i), n.min(i + PANEL));
        let (above, mut here) = a.rb_mut().split_rows(i);
        let above = above.rb();
        for j in (0..i).step_by(PANEL) {
            let sum = here.rb_mut().block(0, j, rows, PANEL);
            let (l, m) = (above.block(j, i, i - j, rows).t(), above.block(j, j, i - j, PANEL));
            matmul(sum, T::zero(), -T::one(), l, m);
        }
        let diagonal = &mut panel[..rows * rows];
        for (r, line) in diagonal.chunks_exact_mut(rows).enumerate() {
            let row = &mut here.rb_mut().block(r, i, 1, rows);
            line.copy_from_slice(row.rb().row(0));
            row.data()[..rows].fill(T::zero());
            *row.at(0, r) = T::one();
        }
        solve_lower(MatRef::new(diagonal, rows, rows).t(), here.block(0, 0, rows, end));
    }
}

/// A ← U in the upper triangle of A = Uᵀ·U, or the index of the pivot that isn't positive.
///
/// With A in blocks: U₁₁ = chol(A₁₁), U₁₂ = U₁₁⁻ᵀ·A₁₂, U₂₂ = chol(A₂₂ − U₁₂ᵀ·U₁₂). Upper, so that U₁₂ has long
/// contiguous rows to substitute in.
fn factor<T: Scalar>(mut a: MatMut<'_, T>) -> Result<(), usize> {
    let n = a.rows();
    if n <= BLOCK {
        return factor_block(a);
    }
    let half = (n / 2).next_multiple_of(BLOCK);
    let rest = n - half;
    factor(a.rb_mut().block(0, 0, half, half))?;
    let (mut top, bottom) = a.split_rows(half);
    let mut u11 = Vec::with_capacity(half * half);
    (0..half).for_each(|i| u11.extend_from_slice(&top.rb().row(i)[..half]));
    let mut u12 = top.rb_mut().block(0, half, half, rest);
    solve_lower(MatRef::new(&u11, half, half).t(), u12.rb_mut());
    let mut a22 = bottom.block(0, half, rest, rest);
    syrk(a22.rb_mut().t(), T::one(), -T::one(), u12.rb().t());
    factor(a22).map_err(|index| half + index)
}

/// [`factor`] of one block, on rows whose fixed length vectorises.
fn factor_block<T: Scalar>(mut a: MatMut<'_, T>) -> Result<(), usize> {
    let (n, stride) = (a.rows(), a.row_stride());
    let a = a.data();
    dispatch(|| {
        let mut u = [[T::zero(); BLOCK]; BLOCK];
        for i in 0..n {
            u[i][i..n].copy_from_slice(&a[i * stride + i..i * stride + n]);
        }
        for j in 0..n {
            let pivot = u[j][j];
            if pivot.is_nan() || pivot <= T::zero() {
                return Err(j);
            }
            let root = pivot.sqrt();
            u[j].iter_mut().for_each(|x| *x /= root);
            let row = u[j];
            for i in j + 1..n {
                let factor = row[i];
                for (x, &y) in u[i].iter_mut().zip(&row) {
                    *x -= factor * y;
                }
            }
        }
        for i in 0..n {
            a[i * stride + i..i * stride + n].copy_from_slice(&u[i][i..n]);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::{ORDERS, distance, numbers, product};
    use crate::simd::on_each_level;

    /// X·Xᵀ + damping·I with X `n × n`; NaN above the diagonal, which nobody may read.
    fn positive<T: Scalar>(n: usize, damping: f64) -> Vec<T> {
        let x = numbers::<T>(n * n, 7);
        let mut a = product(MatRef::new(&x, n, n), MatRef::new(&x, n, n).t());
        (0..n).for_each(|i| a[i * n + i] += damping);
        (0..n * n).for_each(|at| {
            if at % n > at / n {
                a[at] = f64::NAN
            }
        });
        a.into_iter().map(T::of).collect()
    }

    fn whole<T: Scalar>(n: usize, a: &[T]) -> Vec<T> {
        (0..n * n).map(|at| a[(at / n).max(at % n) * n + (at / n).min(at % n)]).collect()
    }

    fn lower<T: Scalar>(l: MatRef<'_, T>) -> Vec<T> {
        let n = l.rows();
        (0..n * n).map(|at| if at % n > at / n { T::zero() } else { l.at(at / n, at % n) }).collect()
    }

    fn norm<T: Scalar>(a: &[T]) -> f64 {
        a.iter().map(|x| x.wide() * x.wide()).sum::<f64>().sqrt()
    }

    fn tolerance<T: Scalar>(n: usize, a: &[T]) -> f64 {
        8.0 * (n + 1) as f64 * T::epsilon().wide() * norm(a)
    }

    fn identity(n: usize) -> Vec<f64> {
        (0..n * n).map(|at| if at / n.max(1) == at % n.max(1) { 1.0 } else { 0.0 }).collect()
    }

    fn check<T: Scalar>(n: usize, damping: f64) {
        let a = positive::<T>(n, damping);
        let chol = Cholesky::factor(n, a.clone()).unwrap();
        assert_eq!(chol.size(), n);
        let (a, l) = (whole(n, &a), lower(chol.lower()));
        let exact: Vec<f64> = a.iter().map(|x| x.wide()).collect();
        let back: Vec<T> =
            product(MatRef::new(&l, n, n), MatRef::new(&l, n, n).t()).into_iter().map(T::of).collect();
        assert!(distance(&back, &exact) <= tolerance(n, &a), "L·Lᵀ = A, n = {n}, damping {damping}");

        // Backward error: ‖A·x − b‖ ≤ 8·n·ε·‖A‖·‖x‖.
        for k in [1, 3, 40] {
            let b = numbers::<T>(n * k, 9);
            let mut x = b.clone();
            chol.solve_many(MatMut::new(&mut x, n, k));
            let back: Vec<T> =
                product(MatRef::new(&a, n, n), MatRef::new(&x, n, k)).into_iter().map(T::of).collect();
            let exact: Vec<f64> = b.iter().map(|x| x.wide()).collect();
            let bound = tolerance(n, &a) * norm(&x) + 2.0 * T::epsilon().wide();
            assert!(distance(&back, &exact) <= bound, "A·x = b, n = {n}, k = {k}, damping {damping}");
            if k == 1 {
                let mut y = b.clone();
                chol.solve(&mut y);
                assert_eq!(x, y);
            }
        }

        let inverse = chol.inverse();
        assert_eq!(inverse, whole(n, &inverse), "inverse is symmetric to the bit, n = {n}");
        let back: Vec<T> =
            product(MatRef::new(&a, n, n), MatRef::new(&inverse, n, n)).into_iter().map(T::of).collect();
        let bound = tolerance(n, &a) * norm(&inverse) + T::epsilon().wide();
        assert!(distance(&back, &identity(n)) <= bound, "A·A⁻¹ = I, n = {n}, damping {damping}");
    }

    #[test]
    fn factors_solutions_and_inverses_satisfy_their_equations() {
        on_each_level(|_| {
            for n in ORDERS {
                for damping in [1.0, 100.0] {
                    check::<f32>(n, damping);
                    check::<f64>(n, damping);
                }
                check::<f64>(n, 1e-6);
            }
        });
    }

    #[test]
    fn ill_conditioned_matrices_factor_backward_stably() {
        // Hilbert matrices: condition 1e16 at n = 12, and 3e10 at n = 8.
        for n in [4, 8, 10] {
            let a: Vec<f64> = (0..n * n).map(|at| 1.0 / (at / n + at % n + 1) as f64).collect();
            let chol = Cholesky::factor(n, a.clone()).unwrap();
            let l = lower(chol.lower());
            let back = product(MatRef::new(&l, n, n), MatRef::new(&l, n, n).t());
            assert!(distance(&back, &a) <= 1e-15);
        }
        // A Schur complement that nearly vanishes past a block boundary: κ ≈ 1e12, blocks of 32 and 96.
        for n in [65, 129, 200] {
            let x = numbers::<f64>(n * n, 3);
            let scaled: Vec<f64> =
                (0..n * n).map(|at| x[at] * 10f64.powf(-6.0 * (at % n) as f64 / n as f64)).collect();
            let view = MatRef::new(&scaled, n, n);
            let a = product(view, view.t());
            let chol = Cholesky::factor(n, a.clone()).unwrap();
            let l = lower(chol.lower());
            let back = product(MatRef::new(&l, n, n), MatRef::new(&l, n, n).t());
            assert!(distance(&back, &a) <= tolerance(n, &a));
        }
    }

    #[test]
    fn an_indefinite_matrix_reports_its_pivot() {
        for n in ORDERS {
            for index in [0, 1, 31, 32, 40, 64, 100, 199].into_iter().filter(|&i| i < n) {
                for bad in [0.0, -1.0, f64::NAN] {
                    let mut a = positive::<f64>(n, 1.0);
                    let chol = Cholesky::factor(n, a.clone()).unwrap();
                    let pivot = chol.lower().at(index, index);
                    // Lowers pivot `index`, which is squared in L, to about `bad`.
                    a[index * n + index] += bad - pivot * pivot - 1e-9;
                    let error = Cholesky::factor(n, a).unwrap_err();
                    assert_eq!(error, NotPositiveDefinite { index }, "n = {n}, pivot {bad}");
                }
            }
        }
        assert!(NotPositiveDefinite { index: 3 }.to_string().contains("pivot 3"));
        assert!(Cholesky::factor(1, vec![f32::NAN]).is_err());
    }

    #[test]
    fn log_det_is_the_logarithm_of_the_determinant() {
        let a = vec![4.0, 0.0, 2.0, 10.0]; // lower triangle of [[4, 2], [2, 10]], determinant 36
        assert!((Cholesky::factor(2, a).unwrap().log_det() - 36f64.ln()).abs() < 1e-15);
        assert_eq!(Cholesky::<f64>::factor(0, vec![]).unwrap().log_det(), 0.0);
    }
}
