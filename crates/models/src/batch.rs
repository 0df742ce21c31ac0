//! Labelled samples and batches of them.

use std::sync::Arc;

use nhgd_kernels::{Features, RowSet};

/// Labelled samples: rows of a shared feature matrix, one label each.
#[derive(Clone, Debug)]
pub struct Samples {
    features: Arc<Features>,
    rows: Option<Vec<u32>>,
    labels: Vec<u32>,
}

/// A set of samples that an oracle works on.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Where the rows lie.
    pub features: &'a Features,
    /// Rows of `features`.
    pub rows: RowSet<'a>,
    /// One label a row.
    pub labels: &'a [u32],
}

impl Batch<'_> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }
    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
    /// The samples at `range` of this batch.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self { features: self.features, rows: self.rows.slice(range.clone()), labels: &self.labels[range] }
    }
}

impl Samples {
    /// `labels[i]` belongs to row `rows[i]`, or to row i where all rows are meant.
    pub fn new(features: Arc<Features>, rows: Option<Vec<u32>>, labels: Vec<u32>) -> Self {
        assert_eq!(rows.as_ref().map_or(features.rows(), Vec::len), labels.len(), "one label a row");
        Self { features, rows, labels }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }
    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
    /// All labels.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }
    /// The matrix that the rows lie in.
    pub fn features(&self) -> &Arc<Features> {
        &self.features
    }

    /// Calls `body` with the samples at `positions` of this set.
    pub fn with<R>(&self, positions: RowSet<'_>, body: impl FnOnce(Batch<'_>) -> R) -> R {
        let features = &*self.features;
        match positions {
            RowSet::Range { start, end } => {
                let rows = self.rows.as_ref().map_or(positions, |rows| RowSet::Indices(&rows[start..end]));
                body(Batch { features, rows, labels: &self.labels[start..end] })
            }
            RowSet::Indices(at) => {
                let labels: Vec<u32> = at.iter().map(|&i| self.labels[i as usize]).collect();
                match &self.rows {
                    None => body(Batch { features, rows: positions, labels: &labels }),
                    Some(rows) => {
                        let rows: Vec<u32> = at.iter().map(|&i| rows[i as usize]).collect();
                        body(Batch { features, rows: RowSet::Indices(&rows), labels: &labels })
                    }
                }
            }
        }
    }
}
