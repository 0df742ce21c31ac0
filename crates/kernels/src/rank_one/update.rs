//! Updates by one gradient and by several, with what they add left pending.

use std::fmt;

use super::inverse::SymmetricInverse;
use super::multiply::BLOCK;
use crate::memory::{Result, copied, grow, reserved};
use crate::{Scalar, vector};

/// An update that would leave A indefinite: β + γ gᵀAg, or a pivot of the block form, was not positive.
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
    /// F ← βF + γ ggᵀ, that is A ← (1/β) [A − γ (Ag)(Ag)ᵀ / (β + γ gᵀAg)]. Returns gᵀAg of the old A.
    ///
    /// On an error A is what it was.
    pub fn update(&mut self, g: &[T], beta: T, gamma: T) -> Result<Result<T, Indefinite>> {
        assert_eq!(g.len(), self.d);
        self.reserve(1)?;
        let g = self.pad(&[g])?;
        let u = self.product(&g, 1)?; // A g / scale
        let curvature = self.scale * vector::dot(&g, &u);
        let pivot = beta + gamma * curvature;
        if !(pivot > T::zero() && pivot.is_finite()) {
            return Ok(Err(Indefinite { value: pivot.wide() }));
        }
        self.weights.push(-(gamma * self.scale) / pivot);
        self.pending.extend_from_slice(&u);
        self.scale /= beta;
        Ok(Ok(curvature))
    }

    /// Room for so many more pending pairs.
    fn reserve(&mut self, pairs: usize) -> Result<()> {
        grow(&mut self.weights, pairs)?;
        let entries = pairs * self.padded();
        grow(&mut self.pending, entries)
    }

    /// F ← βF + Σ_j weights[j] g_j g_jᵀ, with `gradients` row-major k × d and weights ≥ 0.
    ///
    /// k smoothed rank-1 updates are this with β^k and weights (1 − β) β^(k−1−j). With GGᵀ the sum,
    /// A ← (1/β) [A − AG (βI + GᵀAG)⁻¹ GᵀA], eight gradients per pass. On an error A is what it was, up to
    /// rounding if there are more than eight gradients.
    pub fn update_many(&mut self, gradients: &[T], beta: T, weights: &[T]) -> Result<Result<(), Indefinite>> {
        assert_eq!(gradients.len(), weights.len() * self.d);
        let mut taken = reserved(weights.len().div_ceil(BLOCK))?;
        for (block, weights) in gradients.chunks(BLOCK * self.d).zip(weights.chunks(BLOCK)) {
            let factor = if taken.is_empty() { beta } else { T::one() };
            match self.update_block(block, factor, weights) {
                Ok(Ok(rows)) => taken.push(rows),
                failed => {
                    self.give_back(&taken, beta)?;
                    return failed.map(|failed| failed.map(drop));
                }
            }
        }
        Ok(Ok(()))
    }

    /// Undoes blocks of an update from the last to the first: each subtracted Σ v vᵀ over its rows from A, the first
    /// before the division by β. It writes to what the updates had made room for.
    fn give_back(&mut self, taken: &[Vec<T>], beta: T) -> Result<()> {
        for (i, rows) in taken.iter().enumerate().rev() {
            self.flush()?;
            if i == 0 {
                self.scale = beta;
            }
            self.weights.resize(rows.len() / self.padded(), self.scale.recip());
            self.pending.extend_from_slice(rows);
        }
        Ok(())
    }

    /// Returns the rows v of the sum Σ v vᵀ that it subtracts from A before it divides by β.
    fn update_block(
        &mut self,
        gradients: &[T],
        beta: T,
        weights: &[T],
    ) -> Result<Result<Vec<T>, Indefinite>> {
        let (k, n) = (weights.len(), self.padded());
        self.reserve(k)?;
        let rows: Vec<&[T]> = gradients.chunks_exact(self.d).collect();
        let mut g = self.pad(&rows)?;
        for (g, weight) in g.chunks_exact_mut(n).zip(weights) {
            vector::scale(weight.sqrt(), g);
        }
        let mut u = self.product(&g, k)?; // A G / scale, one column per row

        // βI + GᵀAG = LLᵀ, and then U ← U L⁻ᵀ, whose columns are the new pairs.
        let mut lower = [[T::zero(); BLOCK]; BLOCK];
        for i in 0..k {
            for j in 0..=i {
                let mut entry = self.scale * vector::dot(&g[i * n..(i + 1) * n], &u[j * n..(j + 1) * n]);
                for p in 0..j {
                    entry -= lower[i][p] * lower[j][p];
                }
                if i == j {
                    entry += beta;
                    if !(entry > T::zero() && entry.is_finite()) {
                        return Ok(Err(Indefinite { value: entry.wide() }));
                    }
                    lower[i][i] = entry.sqrt();
                } else {
                    lower[i][j] = entry / lower[j][j];
                }
            }
        }
        for i in 0..k {
            let (before, u) = u.split_at_mut(i * n);
            for (j, v) in before.chunks_exact(n).enumerate() {
                vector::axpy(-lower[i][j], v, &mut u[..n]);
            }
            vector::scale(lower[i][i].recip(), &mut u[..n]);
        }
        let mut rows = copied(&u)?;
        self.weights.extend(std::iter::repeat_n(-self.scale, k));
        self.pending.extend_from_slice(&u);
        vector::scale(self.scale, &mut rows);
        self.scale /= beta;
        Ok(Ok(rows))
    }
}
