//! Triangular solves with many right-hand sides.

use std::mem::size_of;

use pulp::{Simd, WithSimd};

use crate::memory::{self, Result};
use crate::product::matmul;
use crate::simd::dispatch;
use crate::vector::{Axpy, Dot};
use crate::{MatMut, MatRef, Scalar};

/// Largest order of a triangle that is solved by substitution. Above it, [`matmul`] does half of the work.
const BLOCK: usize = 32;
/// Number of columns that fills whole vectors on any instruction set. Fewer columns are padded to it.
const TAIL: usize = 16;

/// B ← L⁻¹·B, with L `n × n` lower triangular and B `n × k`. The strict upper triangle of L isn't read.
pub fn solve_lower<T: Scalar>(l: MatRef<'_, T>, b: MatMut<'_, T>) -> Result<()> {
    assert!(l.rows() == b.rows() && l.cols() == b.rows(), "shapes of a triangular solve must agree");
    by_rows(b, |b| solve::<T, true>(l, b))
}

/// B ← L⁻ᵀ·B, with L `n × n` lower triangular and B `n × k`. The strict upper triangle of L isn't read.
pub fn solve_lower_transposed<T: Scalar>(l: MatRef<'_, T>, b: MatMut<'_, T>) -> Result<()> {
    assert!(l.rows() == b.rows() && l.cols() == b.rows(), "shapes of a triangular solve must agree");
    by_rows(b, |b| solve::<T, false>(l.t(), b))
}

/// Runs `op` on B, or on a copy of B whose rows are contiguous.
fn by_rows<T: Scalar>(mut b: MatMut<'_, T>, op: impl Fn(MatMut<'_, T>) -> Result<()>) -> Result<()> {
    if b.col_stride() == 1 && b.cols() <= b.row_stride() {
        return op(b);
    }
    let (n, k) = (b.rows(), b.cols());
    let mut rows = memory::collected((0..n * k).map(|at| *b.at(at / k, at % k)))?;
    op(MatMut::new(&mut rows, n, k))?;
    rows.iter().enumerate().for_each(|(at, &x)| *b.at(at / k, at % k) = x);
    Ok(())
}

/// B ← T⁻¹·B, with T lower triangular if `LOWER`, else upper.
///
/// With T in blocks: B₁ ← T₁₁⁻¹·B₁, then B₂ ← T₂₂⁻¹·(B₂ − T₂₁·B₁); from the other end if T is upper.
fn solve<T: Scalar, const LOWER: bool>(t: MatRef<'_, T>, mut b: MatMut<'_, T>) -> Result<()> {
    let n = b.rows();
    if b.cols() == 1 && b.row_stride() == 1 {
        dispatch(SubstituteOne::<T, LOWER> { t, b: b.data() });
        return Ok(());
    }
    if n <= BLOCK {
        substitute::<T, LOWER>(t, b);
        return Ok(());
    }
    let half = (n / 2).next_multiple_of(BLOCK);
    let rest = n - half;
    let (mut top, mut bottom) = b.split_rows(half);
    if LOWER {
        solve::<T, LOWER>(t.block(0, 0, half, half), top.rb_mut())?;
        matmul(bottom.rb_mut(), T::one(), -T::one(), t.block(half, 0, rest, half), top.rb())?;
        solve::<T, LOWER>(t.block(half, half, rest, rest), bottom)
    } else {
        solve::<T, LOWER>(t.block(half, half, rest, rest), bottom.rb_mut())?;
        matmul(top.rb_mut(), T::one(), -T::one(), t.block(0, half, half, rest), bottom.rb())?;
        solve::<T, LOWER>(t.block(0, 0, half, half), top)
    }
}

/// [`solve`] of one column: products with the rows of T if they are contiguous, else sums of its columns.
struct SubstituteOne<'a, T, const LOWER: bool> {
    t: MatRef<'a, T>,
    b: &'a mut [T],
}

impl<T: Scalar, const LOWER: bool> WithSimd for SubstituteOne<'_, T, LOWER> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { t, b } = self;
        let n = t.rows();
        for step in 0..n {
            let i = if LOWER { step } else { n - 1 - step };
            let (solved, left) = if LOWER { (0..i, i + 1..n) } else { (i + 1..n, 0..i) };
            if t.col_stride() == 1 {
                let sum = Dot { x: &t.row(i)[solved.clone()], y: &b[solved] }.with_simd(simd);
                b[i] = (b[i] - sum) / t.at(i, i);
            } else {
                b[i] /= t.at(i, i);
                Axpy { alpha: -b[i], x: &t.t().row(i)[left.clone()], y: &mut b[left] }.with_simd(simd);
            }
        }
    }
}

/// Row by row, bᵢ ← (bᵢ − Σₚ tᵢₚ·bₚ) / tᵢᵢ over the rows p that are solved.
fn substitute<T: Scalar, const LOWER: bool>(t: MatRef<'_, T>, mut b: MatMut<'_, T>) {
    let (n, k, stride) = (b.rows(), b.cols(), b.row_stride());
    let mut factors = [[T::zero(); BLOCK]; BLOCK];
    for i in 0..n {
        let solved = if LOWER { 0..i } else { i + 1..n };
        solved.for_each(|p| factors[i][p] = -t.at(i, p));
        factors[i][i] = T::one() / t.at(i, i);
    }
    let whole = k - k % TAIL;
    let b = b.data();
    dispatch(Substitute::<T, LOWER> { n, factors: &factors, b, cols: whole, stride });
    if whole < k {
        let mut tail = [T::zero(); BLOCK * TAIL];
        for i in 0..n {
            tail[i * TAIL..][..k - whole].copy_from_slice(&b[i * stride + whole..i * stride + k]);
        }
        let padded = &mut tail[..n * TAIL];
        dispatch(Substitute::<T, LOWER> { n, factors: &factors, b: padded, cols: TAIL, stride: TAIL });
        for i in 0..n {
            b[i * stride + whole..i * stride + k].copy_from_slice(&tail[i * TAIL..][..k - whole]);
        }
    }
}

/// Substitution in columns that fill whole vectors.
struct Substitute<'a, T, const LOWER: bool> {
    n: usize,
    /// −tᵢₚ, and 1 / tᵢᵢ.
    factors: &'a [[T; BLOCK]; BLOCK],
    b: &'a mut [T],
    cols: usize,
    stride: usize,
}

impl<T: Scalar, const LOWER: bool> WithSimd for Substitute<'_, T, LOWER> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let mut column = 0;
        while column + 8 * lanes <= self.cols {
            self.columns::<S, 8>(simd, column);
            column += 8 * lanes;
        }
        while column + 2 * lanes <= self.cols {
            self.columns::<S, 2>(simd, column);
            column += 2 * lanes;
        }
        while column < self.cols {
            self.columns::<S, 1>(simd, column);
            column += lanes;
        }
    }
}

impl<T: Scalar, const LOWER: bool> Substitute<'_, T, LOWER> {
    /// W vectors of columns, whose sums stay in registers.
    #[inline(always)]
    fn columns<S: Simd, const W: usize>(&mut self, simd: S, column: usize) {
        let width = W * size_of::<T::Lanes<S>>() / size_of::<T>();
        for step in 0..self.n {
            let i = if LOWER { step } else { self.n - 1 - step };
            let factors = &self.factors[i];
            let mut sum = [T::splat(simd, T::zero()); W];
            sum.copy_from_slice(T::lanes::<S>(&self.b[i * self.stride + column..][..width]).0);
            for p in if LOWER { 0..i } else { i + 1..self.n } {
                let factor = T::splat(simd, factors[p]);
                let row = T::lanes::<S>(&self.b[p * self.stride + column..][..width]).0;
                for w in 0..W {
                    sum[w] = T::mul_add_lanes(simd, factor, row[w], sum[w]);
                }
            }
            let pivot = T::splat(simd, factors[i]);
            let row = T::lanes_mut::<S>(&mut self.b[i * self.stride + column..][..width]).0;
            for w in 0..W {
                row[w] = T::mul_lanes(simd, pivot, sum[w]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
