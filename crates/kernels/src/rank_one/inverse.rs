//! The inverse as a value: how it is made, read and saved, and its product with a vector.

use super::apply::{PENDING, Pairs};
use super::panels::{PANEL, mirror_diagonal, offset, position};
use super::pass::{Half, pass};
use crate::memory::{Result, append, copied, reserved, zeros};
use crate::threads::Team;
use crate::{Aligned, Scalar, vector};

/// A = F⁻¹, kept up to date while F gains outer products of gradients.
///
/// Sherman & Morrison 1950, Woodbury 1950. A is d × d, and its entries are symmetric to the bit.
#[derive(Debug)]
pub struct SymmetricInverse<T: Scalar> {
    pub(super) d: usize,
    pub(super) half: Aligned<T>,
    pub(super) scale: T,
    pub(super) weights: Vec<T>,
    /// One u_j per row, each padded with zeros to whole panels.
    pub(super) pending: Vec<T>,
    team: Team,
}

impl<T: Scalar> SymmetricInverse<T> {
    /// A = scale · I.
    pub fn identity(d: usize, scale: T) -> Result<Self> {
        let half = Aligned::zeros(offset(d.div_ceil(PANEL)))?;
        let (weights, pending, team) = (Vec::new(), Vec::new(), Team::new(1));
        let mut inverse = Self { d, half, scale: T::one(), weights, pending, team };
        inverse.set_diagonal(scale);
        Ok(inverse)
    }

    /// A ← scale · I.
    pub fn reset(&mut self, scale: T) {
        self.half.fill(T::zero());
        self.set_diagonal(scale);
        self.scale = T::one();
        self.weights.clear();
        self.pending.clear();
    }

    fn set_diagonal(&mut self, scale: T) {
        for i in 0..self.d {
            self.half[position(i, i)] = scale;
        }
    }

    /// The same inverse in memory of its own.
    pub fn copied(&self) -> Result<Self> {
        let (weights, pending) = (copied(&self.weights)?, copied(&self.pending)?);
        Ok(Self { half: self.half.copied()?, weights, pending, team: self.team.clone(), ..*self })
    }

    /// The symmetric matrix whose lower triangle is that of `full`, row-major d × d. Panics on another length.
    pub fn from_full(d: usize, full: &[T]) -> Result<Self> {
        assert_eq!(full.len(), d * d);
        let mut inverse = Self::identity(d, T::zero())?;
        for i in 0..d {
            let at = position(i, 0);
            inverse.half[at..at + i + 1].copy_from_slice(&full[i * d..i * d + i + 1]);
        }
        for panel in 0..inverse.panels() {
            let end = offset(panel + 1);
            mirror_diagonal(&mut inverse.half[offset(panel)..end], PANEL * panel);
        }
        Ok(inverse)
    }

    /// The whole matrix, row-major d × d.
    pub fn to_full(&self) -> Result<Vec<T>> {
        let d = self.d;
        let mut full: Vec<T> = zeros(d * d)?;
        for i in 0..d {
            for j in 0..=i {
                let pending = self.pending.chunks_exact(self.padded()).zip(&self.weights);
                let entry = pending.fold(self.half[position(i, j)], |a, (u, &w)| a + w * u[i] * u[j]);
                full[i * d + j] = self.scale * entry;
                full[j * d + i] = self.scale * entry;
            }
        }
        Ok(full)
    }

    /// The state that [`SymmetricInverse::from_parts`] continues with the same bits: the scale, the stored half, and
    /// the weight and the vector of each pending pair.
    pub fn parts(&self) -> Result<Vec<T>> {
        let mut parts = reserved(1 + self.half.len() + self.weights.len() + self.pending.len())?;
        parts.push(self.scale);
        parts.extend_from_slice(&self.half);
        for (&weight, u) in self.weights.iter().zip(self.pending.chunks_exact(self.padded().max(1))) {
            parts.push(weight);
            parts.extend_from_slice(u);
        }
        Ok(parts)
    }

    /// Restores what [`SymmetricInverse::parts`] gave. Returns `None` if `parts` has a length that no d × d inverse
    /// gives.
    pub fn from_parts(d: usize, parts: &[T]) -> Result<Option<Self>> {
        let mut inverse = Self::identity(d, T::one())?;
        let Some((&scale, rest)) = parts.split_first() else { return Ok(None) };
        let Some((half, pairs)) = rest.split_at_checked(inverse.half.len()) else { return Ok(None) };
        let pairs = pairs.chunks_exact(inverse.padded() + 1);
        if !pairs.remainder().is_empty() || pairs.len() > PENDING {
            return Ok(None);
        }
        inverse.scale = scale;
        inverse.half.copy_from_slice(half);
        for pair in pairs {
            inverse.weights.push(pair[0]);
            append(&mut inverse.pending, &pair[1..])?;
        }
        Ok(Some(inverse))
    }

    /// The number of rows, d.
    pub fn dim(&self) -> usize {
        self.d
    }

    /// Lets passes over a large matrix use up to `threads` threads, by default one. The threads stay until this is
    /// dropped. The bits do not depend on their number.
    pub fn set_threads(&mut self, threads: usize) {
        self.team = Team::new(threads);
    }

    /// y = A x, both of length d.
    pub fn multiply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        assert!(x.len() == self.d && y.len() == self.d);
        let x = self.pad(&[x])?;
        let mut product = pass(self.panels(), Half::Read(&self.half), &x, 1, &self.team)?;
        self.add_pending(&x, &mut product);
        for (y, &u) in y.iter_mut().zip(&product[..]) {
            *y = self.scale * u;
        }
        Ok(())
    }

    /// A ← scale · A.
    pub fn scale(&mut self, scale: T) {
        self.scale *= scale;
    }

    /// Writes pending updates into the stored half.
    pub fn flush(&mut self) -> Result<()> {
        self.write_pending(&[], 0).map(drop)
    }

    fn panels(&self) -> usize {
        self.d.div_ceil(PANEL)
    }

    pub(super) fn padded(&self) -> usize {
        PANEL * self.panels()
    }

    pub(super) fn pad(&self, rows: &[&[T]]) -> Result<Aligned<T>> {
        let n = self.padded();
        let mut padded = Aligned::zeros(rows.len() * n)?;
        for (padded, row) in padded.chunks_exact_mut(n.max(1)).zip(rows) {
            padded[..self.d].copy_from_slice(row);
        }
        Ok(padded)
    }

    /// (B + Σ_j w_j u_j u_jᵀ) x for each of the `k` padded rows of `x`. Afterwards `k` more pairs can be pending.
    pub(super) fn product(&mut self, x: &[T], k: usize) -> Result<Aligned<T>> {
        if self.weights.len() + k > PENDING || !self.scale_is_moderate() {
            return self.write_pending(x, k);
        }
        let mut product = pass(self.panels(), Half::Read(&self.half), x, k, &self.team)?;
        self.add_pending(x, &mut product);
        Ok(product)
    }

    /// Each update multiplies the scale by 1/β, while cancellation shrinks the sum in A by as much and takes digits
    /// of B.
    fn scale_is_moderate(&self) -> bool {
        self.scale < T::of(16.0) && self.scale > T::of(1.0 / 16.0)
    }

    fn write_pending(&mut self, x: &[T], k: usize) -> Result<Aligned<T>> {
        let pairs = Pairs { scale: self.scale, weights: &self.weights, rows: &self.pending };
        let product = pass(self.panels(), Half::Write(&mut self.half, pairs), x, k, &self.team)?;
        self.weights.clear();
        self.pending.clear();
        self.scale = T::one();
        Ok(product)
    }

    /// y += Σ_j w_j u_j (u_jᵀ x) for each row of `x`.
    fn add_pending(&self, x: &[T], y: &mut [T]) {
        let n = self.padded();
        for (u, &w) in self.pending.chunks_exact(n.max(1)).zip(&self.weights) {
            for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
                vector::axpy(w * vector::dot(u, x), u, y);
            }
        }
    }
}
