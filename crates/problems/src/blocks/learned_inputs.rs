//! The features of the inner samples themselves.

use nhgd_kernels::memory::{Result, reserved};
use nhgd_kernels::{FeatureData, Features, RowSet, Scalar, vector};

/// v is the feature matrix of the inner samples, samples × columns, row-major (Wang et al. 2018, dataset distillation).
#[derive(Clone, Copy, Debug)]
pub struct LearnedInputs {
    samples: usize,
    columns: usize,
}

impl LearnedInputs {
    /// `samples` rows of `columns` features.
    pub fn new(samples: usize, columns: usize) -> Self {
        Self { samples, columns }
    }

    /// Entries of its slice of v.
    pub fn outer_len(&self) -> usize {
        self.samples * self.columns
    }

    /// The features of the samples in `rows`, in their order.
    pub fn features<T: Scalar>(&self, outer: &[T], rows: RowSet<'_>) -> Result<Features> {
        let mut data = reserved(rows.len() * self.columns)?;
        for i in 0..rows.len() {
            data.extend(outer[rows.get(i) * self.columns..][..self.columns].iter().map(|x| x.wide()));
        }
        Ok(Features::new(FeatureData::F64(data.into()), rows.len(), self.columns, 1.0))
    }

    /// product ← product + the rows of `changes`, each at the place of its sample.
    pub fn pull_back<T: Scalar>(&self, rows: RowSet<'_>, changes: &[T], product: &mut [T]) {
        for (i, change) in changes.chunks_exact(self.columns).enumerate() {
            vector::axpy(T::one(), change, &mut product[rows.get(i) * self.columns..][..self.columns]);
        }
    }
}
