//! Samples of weight one beside those that a block weighs.

use nhgd_kernels::memory::{Result, collected, reserved, zeros};
use nhgd_kernels::{RowSet, Scalar};

use super::Weights;

/// The first `free` samples are weighed as another block says; the rest, known to be right, have weight one.
pub struct Anchored<T> {
    weights: Box<dyn Weights<T>>,
    free: usize,
}

impl<T: Scalar> Anchored<T> {
    /// `weights` has the weights of the first `free` samples.
    pub fn new(weights: Box<dyn Weights<T>>, free: usize) -> Self {
        Self { weights, free }
    }

    /// The samples among `rows` that are weighed, and where they stand in `rows`.
    fn weighed(&self, rows: RowSet<'_>) -> Result<(Vec<u32>, Vec<usize>)> {
        let (mut samples, mut at) = (reserved(rows.len())?, reserved(rows.len())?);
        for i in (0..rows.len()).filter(|&i| rows.get(i) < self.free) {
            samples.push(rows.get(i) as u32);
            at.push(i);
        }
        Ok((samples, at))
    }
}

impl<T: Scalar> Weights<T> for Anchored<T> {
    fn outer_len(&self) -> usize {
        self.weights.outer_len()
    }

    fn weights(&self, outer: &[T], signals: &[T], rows: RowSet<'_>, out: &mut [T]) -> Result<()> {
        let (samples, at) = self.weighed(rows)?;
        let mut weights: Vec<T> = zeros(samples.len())?;
        self.weights.weights(outer, signals, RowSet::Indices(&samples), &mut weights)?;
        out.fill(T::one());
        at.into_iter().zip(weights).for_each(|(at, w)| out[at] = w);
        Ok(())
    }

    fn pull_back(
        &self,
        outer: &[T],
        signals: &[T],
        rows: RowSet<'_>,
        q: &[T],
        scale: T,
        product: &mut [T],
    ) -> Result<()> {
        let (samples, at) = self.weighed(rows)?;
        let q = collected(at.into_iter().map(|at| q[at]))?;
        self.weights.pull_back(outer, signals, RowSet::Indices(&samples), &q, scale, product)
    }

    fn direct(&self, outer: &[T], gradient: &mut [T]) -> Result<f64> {
        self.weights.direct(outer, gradient)
    }

    fn signals_len(&self) -> usize {
        self.weights.signals_len()
    }

    fn refresh(&self, outer: &[T], probabilities: &[T], signals: &mut [T]) -> Result<()> {
        self.weights.refresh(outer, probabilities, signals)
    }
}
