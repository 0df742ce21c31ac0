//! Cholesky factorisation A = L·Lᵀ of a symmetric positive definite matrix.

use std::error::Error;
use std::fmt;

use crate::memory::{self, Result};
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
    /// Factors the symmetric `n × n` matrix whose lower triangle is that of the row-major `a`, unless it has no factor.
    pub fn factor(n: usize, mut a: Vec<T>) -> Result<Result<Self, NotPositiveDefinite>> {
        assert_eq!(a.len(), n * n, "an n × n matrix must have n² entries");
        mirror_lower(MatMut::new(&mut a, n, n));
        Ok(match factor(MatMut::new(&mut a, n, n))? {
            Some(index) => Err(NotPositiveDefinite { index }),
            None => Ok(Self { n, u: a }),
        })
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
    pub fn solve(&self, b: &mut [T]) -> Result<()> {
        self.solve_many(MatMut::new(b, self.n, 1))
    }

    /// B ← A⁻¹·B, with B `n × k`.
    pub fn solve_many(&self, mut b: MatMut<'_, T>) -> Result<()> {
        solve_lower(self.lower(), b.rb_mut())?;
        solve_lower_transposed(self.lower(), b)
    }

    /// A⁻¹, `n × n`, symmetric to the bit.
    pub fn inverse(self) -> Result<Vec<T>> {
        let Self { n, u: mut a } = self;
        let mut panel = memory::zeros(PANEL.min(n) * n)?;
        invert_lower(MatMut::new(&mut a, n, n), &mut panel)?;
        // A⁻¹ = MᵀM with M = L⁻¹: row block i of its lower triangle sums over the rows of M from i on, so that M may
        // be overwritten on the way.
        for i in (0..n).step_by(PANEL) {
            let (rows, end) = (PANEL.min(n - i), n.min(i + PANEL));
            let (mut here, below) = MatMut::new(&mut a, n, n).block(i, 0, n - i, end).split_rows(rows);
            (0..rows).for_each(|r| panel[r * end..][..end].copy_from_slice(here.rb().row(r)));
            let own = MatRef::new(&panel[..rows * end], rows, end);
            matmul(here.rb_mut(), T::zero(), T::one(), own.block(0, i, rows, rows).t(), own)?;
            matmul(here, T::one(), T::one(), below.rb().block(0, i, n - end, rows).t(), below.rb())?;
        }
        mirror_lower(MatMut::new(&mut a, n, n));
        Ok(a)
    }

    /// log det A.
    pub fn log_det(&self) -> f64 {
        (0..self.n).map(|i| 2.0 * self.u[i * self.n + i].wide().ln()).sum()
    }
}

/// The lower triangle of A ← M = L⁻¹, in blocks that are zero above the diagonal, from U = Lᵀ in its upper triangle.
///
/// Row block i solves Lᵢᵢ·Mᵢ = Iᵢ − Σₚ Lᵢₚ·Mₚ over the row blocks p above it. `panel` is scratch.
fn invert_lower<T: Scalar>(mut a: MatMut<'_, T>, panel: &mut [T]) -> Result<()> {
    let n = a.rows();
    for i in (0..n).step_by(PANEL) {
        let (rows, end) = (PANEL.min(n - i), n.min(i + PANEL));
        let (above, mut here) = a.rb_mut().split_rows(i);
        let above = above.rb();
        for j in (0..i).step_by(PANEL) {
            let sum = here.rb_mut().block(0, j, rows, PANEL);
            let (l, m) = (above.block(j, i, i - j, rows).t(), above.block(j, j, i - j, PANEL));
            matmul(sum, T::zero(), -T::one(), l, m)?;
        }
        let diagonal = &mut panel[..rows * rows];
        for (r, line) in diagonal.chunks_exact_mut(rows).enumerate() {
            let row = &mut here.rb_mut().block(r, i, 1, rows);
            line.copy_from_slice(row.rb().row(0));
            row.data()[..rows].fill(T::zero());
            *row.at(0, r) = T::one();
        }
        solve_lower(MatRef::new(diagonal, rows, rows).t(), here.block(0, 0, rows, end))?;
    }
    Ok(())
}

/// A ← U in the upper triangle of A = Uᵀ·U. Returns the index of the pivot that isn't positive, if there is one.
///
/// With A in blocks: U₁₁ = chol(A₁₁), U₁₂ = U₁₁⁻ᵀ·A₁₂, U₂₂ = chol(A₂₂ − U₁₂ᵀ·U₁₂). Upper, so that U₁₂ has long
/// contiguous rows to substitute in.
fn factor<T: Scalar>(mut a: MatMut<'_, T>) -> Result<Option<usize>> {
    let n = a.rows();
    if n <= BLOCK {
        return Ok(factor_block(a));
    }
    let half = (n / 2).next_multiple_of(BLOCK);
    let rest = n - half;
    if let Some(index) = factor(a.rb_mut().block(0, 0, half, half))? {
        return Ok(Some(index));
    }
    let (mut top, bottom) = a.split_rows(half);
    let mut u11 = memory::reserved(half * half)?;
    (0..half).for_each(|i| u11.extend_from_slice(&top.rb().row(i)[..half]));
    let mut u12 = top.rb_mut().block(0, half, half, rest);
    solve_lower(MatRef::new(&u11, half, half).t(), u12.rb_mut())?;
    let mut a22 = bottom.block(0, half, rest, rest);
    syrk(a22.rb_mut().t(), T::one(), -T::one(), u12.rb().t())?;
    Ok(factor(a22)?.map(|index| half + index))
}

/// [`factor`] of one block, on rows whose fixed length vectorises.
fn factor_block<T: Scalar>(mut a: MatMut<'_, T>) -> Option<usize> {
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
                return Some(j);
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
        None
    })
}

#[cfg(test)]
mod tests;
