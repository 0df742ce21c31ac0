//! Solves with F = Gᵀ C G for few rows G and a diagonal D̃.

use nhgd_kernels::{Cholesky, MatRef, Scalar, matvec};

use crate::Diagonal;

/// (D̃ + Gᵀ C G)⁻¹ = D̃⁻¹ − D̃⁻¹ Gᵀ √C (I + √C G D̃⁻¹ Gᵀ √C)⁻¹ √C G D̃⁻¹, with C diagonal.
pub(crate) struct Woodbury<T> {
    /// √C.
    roots: Vec<T>,
    /// Of I + √C G D̃⁻¹ Gᵀ √C.
    inner: Cholesky<T>,
}

impl<T: Scalar> Woodbury<T> {
    /// From the lower triangle of scale · G D̃⁻¹ Gᵀ and the diagonal of √C; nothing if the factorisation fails.
    pub fn factor(gram: MatRef<'_, T>, roots: Vec<T>, scale: T) -> Option<Self> {
        let k = roots.len();
        let mut inner = vec![T::zero(); k * k];
        for i in 0..k {
            for j in 0..=i {
                inner[i * k + j] = roots[i] * gram.at(i, j) * roots[j] / scale;
            }
            inner[i * k + i] += T::one();
        }
        Some(Self { roots, inner: Cholesky::factor(k, inner).ok()? })
    }

    /// y ← √C (I + √C G D̃⁻¹ Gᵀ √C)⁻¹ √C y.
    pub fn inner_solve(&self, y: &mut [T]) {
        y.iter_mut().zip(&self.roots).for_each(|(y, &c)| *y *= c);
        self.inner.solve(y);
        y.iter_mut().zip(&self.roots).for_each(|(y, &c)| *y *= c);
    }

    /// x ← (D̃ + Gᵀ C G)⁻¹ b with the rows G.
    pub fn solve(&self, rows: MatRef<'_, T>, tilde: &Diagonal<T>, b: &[T], x: &mut [T]) {
        match tilde {
            Diagonal::Scalar(c) => x.iter_mut().zip(b).for_each(|(x, &b)| *x = b / *c),
            Diagonal::Vector(d) => x.iter_mut().zip(b).zip(d).for_each(|((x, &b), &d)| *x = b / d),
        }
        let mut y = vec![T::zero(); rows.rows()];
        matvec(&mut y, T::zero(), T::one(), rows, x);
        self.inner_solve(&mut y);
        match tilde {
            Diagonal::Scalar(c) => matvec(x, T::one(), -T::one() / *c, rows.t(), &y),
            Diagonal::Vector(d) => {
                let mut correction = vec![T::zero(); x.len()];
                matvec(&mut correction, T::zero(), T::one(), rows.t(), &y);
                x.iter_mut().zip(&correction).zip(d).for_each(|((x, &r), &d)| *x -= r / d);
            }
        }
    }

    pub fn bytes(&self) -> usize {
        size_of::<T>() * self.roots.len() * (self.roots.len() + 1)
    }
}
