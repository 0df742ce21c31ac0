//! Weights that no outer variable moves.

use nhgd_kernels::memory::Result;
use nhgd_kernels::{RowSet, Scalar};

use super::Weights;

/// w_i given once: plain (weighted) training.
#[derive(Clone, Debug)]
pub struct FixedWeights<T> {
    weights: Vec<T>,
}

impl<T> FixedWeights<T> {
    /// One weight per sample.
    pub fn new(weights: Vec<T>) -> Self {
        Self { weights }
    }
}

impl<T: Scalar> Weights<T> for FixedWeights<T> {
    fn outer_len(&self) -> usize {
        0
    }

    fn weights(&self, _outer: &[T], _signals: &[T], rows: RowSet<'_>, out: &mut [T]) -> Result<()> {
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.weights[rows.get(i)];
        }
        Ok(())
    }

    fn pull_back(
        &self,
        _outer: &[T],
        _signals: &[T],
        _rows: RowSet<'_>,
        _q: &[T],
        _scale: T,
        _product: &mut [T],
    ) -> Result<()> {
        Ok(())
    }
}
