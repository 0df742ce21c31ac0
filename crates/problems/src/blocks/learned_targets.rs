//! The targets of the inner samples.

use nhgd_kernels::memory::{Result, reserved};
use nhgd_kernels::{RowSet, Scalar};
use nhgd_models::Loss;

/// v holds a row of as many entries as the model has outputs per inner sample. The targets y_i are their softmax under the
/// cross-entropy loss, their σ under the logistic one, and the entries themselves under the squared one (Bohdal
/// et al. 2020, label distillation).
#[derive(Clone, Copy, Debug)]
pub struct LearnedTargets {
    samples: usize,
    outputs: usize,
    loss: Loss,
}

impl LearnedTargets {
    /// `samples` rows of `outputs` entries.
    pub fn new(samples: usize, outputs: usize, loss: Loss) -> Self {
        Self { samples, outputs, loss }
    }

    /// Entries of its slice of v.
    pub fn outer_len(&self) -> usize {
        self.samples * self.outputs
    }

    /// The targets of the samples in `rows`, rows × outputs.
    pub fn targets<T: Scalar>(&self, outer: &[T], rows: RowSet<'_>) -> Result<Vec<f64>> {
        let mut targets: Vec<f64> = reserved(rows.len() * self.outputs)?;
        for i in 0..rows.len() {
            let row = &outer[rows.get(i) * self.outputs..][..self.outputs];
            let start = targets.len();
            targets.extend(row.iter().map(|v| v.wide()));
            let row = &mut targets[start..];
            match self.loss {
                Loss::Squared => {}
                Loss::Logistic => row.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
                Loss::CrossEntropy => {
                    let top = row.iter().fold(f64::NEG_INFINITY, |top, &v| top.max(v));
                    row.iter_mut().for_each(|v| *v = (*v - top).exp());
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|v| *v /= sum);
                }
            }
        }
        Ok(targets)
    }

    /// product ← product − w_i (∂y_i/∂v)ᵀ ż_i, where ż_i is how the scores of sample i change along u: every loss is
    /// −y_iᵀz_i but for terms that do not depend on both.
    pub fn pull_back<T: Scalar>(
        &self,
        outer: &[T],
        rows: RowSet<'_>,
        weights: &[T],
        changes: &[T],
        product: &mut [T],
    ) -> Result<()> {
        let targets = self.targets(outer, rows)?;
        let own = targets.chunks_exact(self.outputs).zip(changes.chunks_exact(self.outputs)).zip(weights);
        for (i, ((y, change), &w)) in own.enumerate() {
            let mean: f64 = y.iter().zip(change).map(|(y, change)| y * change.wide()).sum();
            let product = &mut product[rows.get(i) * self.outputs..][..self.outputs];
            for ((product, &y), change) in product.iter_mut().zip(y).zip(change) {
                let along = match self.loss {
                    Loss::Squared => change.wide(),
                    Loss::Logistic => y * (1.0 - y) * change.wide(),
                    Loss::CrossEntropy => y * (change.wide() - mean),
                };
                *product -= w * T::of(along);
            }
        }
        Ok(())
    }
}
