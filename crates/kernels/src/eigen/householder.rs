//! Reduction of a symmetric matrix to tridiagonal form by Householder reflections, H = I − τ·v·vᵀ.
//!
//! It works in panels (Dongarra, Sorensen and Hammarling, 1989): half of the work is a rank-2k update by matrix
//! products, and the other half multiplies each v by the part of the matrix that remains.

use std::mem::size_of;

use pulp::{Simd, WithSimd};

use crate::memory::{Result, zeros};
use crate::product::{matmul, matvec, symmetric_product};
use crate::simd::dispatch;
use crate::vector::{axpy, dot, norm, scale};
use crate::{MatMut, MatRef, Scalar};

/// Reflections between two updates of the matrix.
const PANEL: usize = 32;
/// Reflections that are applied to eigenvectors at once.
const BLOCK: usize = 64;
/// Rows of the matrix that one pass multiplies.
const ROWS: usize = 4;

/// A = H₀·H₁⋯·T·⋯H₁·H₀ with T tridiagonal.
pub(crate) struct Tridiagonal<T> {
    /// Diagonal of T.
    pub diagonal: Vec<T>,
    /// Entries (j, j+1) of T.
    pub off_diagonal: Vec<T>,
    /// Row j holds the v of reflection j in its entries from j + 1 on; the first of them is 1.
    reflectors: Vec<T>,
    /// τ of each reflection.
    factors: Vec<T>,
}

/// Reduces the symmetric `n × n` matrix whose upper triangle is that of the row-major `a`.
pub(crate) fn tridiagonalize<T: Scalar>(n: usize, mut a: Vec<T>) -> Result<Tridiagonal<T>> {
    let mut diagonal = zeros(n)?;
    let (mut off_diagonal, mut factors): (Vec<T>, Vec<T>) =
        (zeros(n.saturating_sub(1))?, zeros(n.saturating_sub(1))?);
    // Rows v₀, w₀, v₁, w₁, … and the same with each pair swapped: A ← A − Σ vₚ·wₚᵀ + wₚ·vₚᵀ is one product.
    let (mut pairs, mut swapped): (Vec<T>, Vec<T>) = (zeros(2 * PANEL * n)?, zeros(2 * PANEL * n)?);
    let mut w: Vec<T> = zeros(n)?;

    for first in (0..n).step_by(PANEL) {
        let end = n.min(first + PANEL);
        for j in first..end {
            let used = 2 * (j - first);
            let pair =
                |from: usize, rows: &[T]| -> Vec<T> { (0..used).map(|q| rows[q * n + from]).collect() };
            let coefficients = pair(j, &pairs);
            let row = &mut a[j * n + j..(j + 1) * n];
            let past = MatRef::new(&swapped, 2 * PANEL, n).block(0, j, used, n - j);
            matvec(row, T::one(), -T::one(), past.t(), &coefficients);
            diagonal[j] = row[0];
            if j + 1 == n {
                break;
            }
            let v = &mut row[1..];
            (off_diagonal[j], factors[j]) = reflector(v);

            // w = τ·(A·v) − ½·τ·(w·v)·v, where A already includes the panel's updates.
            let (m, from) = (n - j - 1, j + 1);
            let w = &mut w[..m];
            let (top, rest) = a.split_at(from * n);
            let v = &top[j * n + from..];
            dispatch(Symv { a: &rest[from..], stride: n, x: v, y: w });
            let mut coefficients = vec![T::zero(); used];
            let past = |rows| MatRef::new(rows, 2 * PANEL, n).block(0, from, used, m);
            matvec(&mut coefficients, T::zero(), T::one(), past(&pairs), v);
            matvec(w, T::one(), -T::one(), past(&swapped).t(), &coefficients);
            scale(factors[j], w);
            axpy(T::of(-0.5) * factors[j] * dot(w, v), v, w);
            for (rows, x, y) in [(&mut pairs, v, &*w), (&mut swapped, &*w, v)] {
                rows[used * n + from..(used + 1) * n].copy_from_slice(x);
                rows[(used + 1) * n + from..(used + 2) * n].copy_from_slice(y);
            }
        }
        if end < n {
            let m = n - end;
            let rows = |rows| MatRef::new(rows, 2 * PANEL, n).block(0, end, 2 * PANEL, m);
            let left = MatMut::new(&mut a, n, n).block(end, end, m, m).t();
            symmetric_product(left, T::one(), -T::one(), rows(&pairs).t(), rows(&swapped))?;
        }
    }
    Ok(Tridiagonal { diagonal, off_diagonal, reflectors: a, factors })
}

/// Overwrites x with the v that has v₀ = 1 and (I − τ·v·vᵀ)·x = (β, 0, …). Returns β and τ.
fn reflector<T: Scalar>(x: &mut [T]) -> (T, T) {
    let (first, rest) = x.split_at_mut(1);
    let alpha = first[0];
    first[0] = T::one();
    let size = norm(rest);
    // The matrix is scaled to 1, so that entries this small are rounding errors of rounding errors.
    if size <= T::min_positive_value() / T::epsilon() {
        rest.fill(T::zero());
        return (alpha, T::zero());
    }
    let beta = -alpha.signum() * alpha.hypot(size);
    scale(T::one() / (alpha - beta), rest);
    (beta, (beta - alpha) / beta)
}

impl<T: Scalar> Tridiagonal<T> {
    /// Turns the eigenvectors of T, one per row, into those of A.
    ///
    /// Per block of reflections, H_i ⋯ H_j = I − V·F·Vᵀ with F upper triangular (Schreiber and Van Loan, 1989).
    pub(crate) fn back_transform(&self, mut vectors: MatMut<'_, T>) -> Result<()> {
        let n = self.diagonal.len();
        for first in (0..n.saturating_sub(1)).step_by(BLOCK).rev() {
            let (count, m) = (BLOCK.min(n - 1 - first), n - 1 - first);
            let mut v = zeros(count * m)?;
            for r in 0..count {
                let row = (first + r) * n;
                v[r * m + r..(r + 1) * m].copy_from_slice(&self.reflectors[row + first + r + 1..row + n]);
            }
            let v = MatRef::new(&v, count, m);
            let f = self.block_factor(first, v)?;
            let f = MatRef::new(&f, count, count);

            let (mut y, mut z) = (zeros(n * count)?, zeros(n * count)?);
            let mut tail = vectors.rb_mut().block(0, first + 1, n, m);
            matmul(MatMut::new(&mut y, n, count), T::zero(), T::one(), tail.rb(), v.t())?;
            matmul(MatMut::new(&mut z, n, count), T::zero(), T::one(), MatRef::new(&y, n, count), f.t())?;
            matmul(tail.rb_mut(), T::one(), -T::one(), MatRef::new(&z, n, count), v)?;
        }
        Ok(())
    }

    /// F of the reflections from `first` on, whose vectors are the rows of `v`.
    fn block_factor(&self, first: usize, v: MatRef<'_, T>) -> Result<Vec<T>> {
        let count = v.rows();
        let mut gram: Vec<T> = zeros(count * count)?;
        matmul(MatMut::new(&mut gram, count, count), T::zero(), T::one(), v, v.t())?;
        let mut f: Vec<T> = zeros(count * count)?;
        for i in 0..count {
            let factor = self.factors[first + i];
            for r in 0..i {
                let sum: T = (r..i).map(|s| f[r * count + s] * gram[s * count + i]).sum();
                f[r * count + i] = -factor * sum;
            }
            f[i * count + i] = factor;
        }
        Ok(f)
    }
}

/// y ← A·x, where the upper triangle of A starts at `a`; each entry of it is loaded once.
struct Symv<'a, T> {
    a: &'a [T],
    stride: usize,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Scalar> WithSimd for Symv<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, stride, x, y } = self;
        let n = x.len();
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        y.fill(T::zero());
        for i in (0..n).step_by(ROWS) {
            let count = ROWS.min(n - i);
            for r in i..i + count {
                y[r] += a[r * stride + r] * x[r];
                for c in r + 1..i + count {
                    let entry = a[r * stride + c];
                    y[r] += entry * x[c];
                    y[c] += entry * x[r];
                }
            }
            let from = i + ROWS;
            if from >= n {
                break;
            }
            let rows: [&[T]; ROWS] =
                std::array::from_fn(|r| &a[(i + r) * stride + from..(i + r) * stride + n]);
            let whole = (n - from) / lanes * lanes;
            let xs = T::lanes::<S>(&x[from..from + whole]).0;
            let (done, left) = y.split_at_mut(from);
            let ys = T::lanes_mut::<S>(&mut left[..whole]).0;
            let packed = rows.map(|row| &T::lanes::<S>(&row[..whole]).0[..xs.len()]);
            let factors: [_; ROWS] = std::array::from_fn(|r| T::splat(simd, x[i + r]));
            let mut sums = [T::splat(simd, T::zero()); ROWS];
            for (k, (&x, y)) in xs.iter().zip(ys).enumerate() {
                let mut sum = *y;
                for r in 0..ROWS {
                    sums[r] = T::mul_add_lanes(simd, packed[r][k], x, sums[r]);
                    sum = T::mul_add_lanes(simd, packed[r][k], factors[r], sum);
                }
                *y = sum;
            }
            for r in 0..ROWS {
                let mut sum = T::sum_lanes(simd, sums[r]);
                for k in whole..n - from {
                    sum += rows[r][k] * x[from + k];
                    left[k] += rows[r][k] * x[i + r];
                }
                done[i + r] += sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::{distance, numbers, orders, product};
    use crate::simd::on_each_level;

    fn check<T: Scalar>(n: usize) {
        let a = numbers::<T>(n * n, 1);
        let a: Vec<T> = (0..n * n).map(|at| a[(at / n).min(at % n) * n + (at / n).max(at % n)]).collect();
        let mut upper = a.clone();
        (0..n * n).filter(|at| at % n < at / n).for_each(|at| upper[at] = T::nan());
        let reduced = tridiagonalize(n, upper).unwrap();
        // The rows of the identity become those of Hᵀ: A = H·T·Hᵀ.
        let mut h = vec![T::zero(); n * n];
        (0..n).for_each(|i| h[i * n + i] = T::one());
        reduced.back_transform(MatMut::new(&mut h, n, n)).unwrap();
        let mut t = vec![T::zero(); n * n];
        for i in 0..n {
            t[i * n + i] = reduced.diagonal[i];
            if i + 1 < n {
                (t[i * n + i + 1], t[(i + 1) * n + i]) = (reduced.off_diagonal[i], reduced.off_diagonal[i]);
            }
        }
        let h = MatRef::new(&h, n, n);
        let exact: Vec<f64> = a.iter().map(|x| x.wide()).collect();
        let narrow = |x: Vec<f64>| x.into_iter().map(T::of).collect::<Vec<T>>();
        let th = narrow(product(MatRef::new(&t, n, n), h));
        let back = narrow(product(h.t(), MatRef::new(&th, n, n)));
        let size = exact.iter().map(|x| x * x).sum::<f64>().sqrt();
        let tolerance = 8.0 * (n + 1) as f64 * T::epsilon().wide();
        assert!(distance(&back, &exact) <= tolerance * size, "H·T·Hᵀ = A, n = {n}");
    }

    #[test]
    fn reflections_take_the_matrix_to_tridiagonal_form() {
        on_each_level(|_| {
            for n in orders() {
                check::<f32>(n);
                check::<f64>(n);
            }
        });
    }

    #[test]
    fn symv_is_the_product() {
        on_each_level(|level| {
            for n in orders() {
                let stride = n + 3;
                let a = numbers::<f64>(stride * n.max(1), 1);
                let x = numbers::<f64>(n, 2);
                let mut y = vec![f64::NAN; n];
                dispatch(Symv { a: &a, stride, x: &x, y: &mut y });
                let entry = |i: usize, j: usize| a[i.min(j) * stride + i.max(j)];
                let exact: Vec<f64> = (0..n).map(|i| (0..n).map(|j| entry(i, j) * x[j]).sum()).collect();
                assert!(distance(&y, &exact) <= 1e-14 * (n + 1) as f64, "n = {n} on {level}");
            }
        });
    }
}
