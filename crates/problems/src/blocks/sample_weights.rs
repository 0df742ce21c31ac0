//! One logit per sample.

use nhgd_kernels::memory::Result;
use nhgd_kernels::{RowSet, Scalar};

use super::{Weights, sigmoid};

/// w_i = σ(v_i): the weighting of the data-cleaning literature (Franceschi et al. 2017).
#[derive(Clone, Debug)]
pub struct SampleWeights {
    samples: usize,
}

impl SampleWeights {
    /// `samples` logits.
    pub fn new(samples: usize) -> Self {
        Self { samples }
    }
}

impl<T: Scalar> Weights<T> for SampleWeights {
    fn outer_len(&self) -> usize {
        self.samples
    }

    fn weights(&self, outer: &[T], _signals: &[T], rows: RowSet<'_>, out: &mut [T]) -> Result<()> {
        for (i, out) in out.iter_mut().enumerate() {
            *out = sigmoid(outer[rows.get(i)]);
        }
        Ok(())
    }

    fn pull_back(
        &self,
        outer: &[T],
        _signals: &[T],
        rows: RowSet<'_>,
        q: &[T],
        scale: T,
        product: &mut [T],
    ) -> Result<()> {
        for (i, &q) in q.iter().enumerate() {
            let i = rows.get(i);
            let w = sigmoid(outer[i]);
            product[i] += scale * w * (T::one() - w) * q;
        }
        Ok(())
    }
}
