//! Samples with their targets, and batches of them.

use std::ops::Range;
use std::sync::Arc;

use nhgd_kernels::memory::{Result, collected, reserved};
use nhgd_kernels::{Features, RowSet};

/// What a model should predict: one entry or row per sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// A class per sample, counted from 0.
    Classes(Vec<u32>),
    /// Numbers: samples × columns, row-major.
    Values(Vec<f64>, usize),
}

/// The targets of a batch.
#[derive(Clone, Copy, Debug)]
pub enum BatchTargets<'a> {
    /// A class per sample.
    Classes(&'a [u32]),
    /// Numbers: samples × columns, row-major.
    Values(&'a [f64], usize),
}

impl Targets {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(labels) => labels.len(),
            Self::Values(values, columns) => values.len() / columns,
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn view(&self) -> BatchTargets<'_> {
        match self {
            Self::Classes(labels) => BatchTargets::Classes(labels),
            Self::Values(values, columns) => BatchTargets::Values(values, *columns),
        }
    }

    fn at(&self, positions: &[u32]) -> Result<Self> {
        Ok(match self {
            Self::Classes(labels) => Self::Classes(collected(positions.iter().map(|&i| labels[i as usize]))?),
            Self::Values(values, k) => {
                let mut rows = reserved(positions.len() * k)?;
                positions.iter().for_each(|&i| rows.extend_from_slice(&values[i as usize * k..][..*k]));
                Self::Values(rows, *k)
            }
        })
    }
}

impl<'a> BatchTargets<'a> {
    /// Those of the samples in `range`.
    pub fn slice(&self, range: Range<usize>) -> Self {
        match *self {
            Self::Classes(labels) => Self::Classes(&labels[range]),
            Self::Values(values, k) => Self::Values(&values[range.start * k..range.end * k], k),
        }
    }
}

/// Rows of a shared feature matrix, each with its target. Copies share all of it.
#[derive(Clone, Debug)]
pub struct Samples {
    features: Arc<Features>,
    rows: Option<Arc<Vec<u32>>>,
    targets: Arc<Targets>,
}

/// A set of samples that an oracle works on.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Where the rows lie.
    pub features: &'a Features,
    /// Positions of the samples in their set, by which random numbers are drawn.
    pub positions: RowSet<'a>,
    /// Rows of `features`.
    pub rows: RowSet<'a>,
    /// The rows' targets.
    pub targets: BatchTargets<'a>,
}

impl Batch<'_> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Samples {
    /// Target i belongs to row `rows[i]`, or to row i where `rows` is absent.
    pub fn new(features: Arc<Features>, rows: Option<Vec<u32>>, targets: Targets) -> Self {
        assert_eq!(rows.as_ref().map_or(features.rows(), Vec::len), targets.len(), "one target per row");
        Self { features, rows: rows.map(Arc::new), targets: Arc::new(targets) }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.targets.len()
    }
    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
    /// All targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }
    /// The class of each sample; empty where the targets are numbers.
    pub fn labels(&self) -> &[u32] {
        if let Targets::Classes(labels) = &*self.targets { labels } else { &[] }
    }
    /// The matrix that the rows lie in.
    pub fn features(&self) -> &Arc<Features> {
        &self.features
    }

    /// The samples at `positions` as a set of their own, with other features or targets, one row per position, where
    /// these are given.
    pub fn replaced(
        &self,
        positions: RowSet<'_>,
        features: Option<Features>,
        targets: Option<Targets>,
    ) -> Result<Self> {
        let at = collected((0..positions.len()).map(|i| positions.get(i) as u32))?;
        let targets = targets.map_or_else(|| self.targets.at(&at), Ok)?;
        Ok(match (features, &self.rows) {
            (Some(features), _) => Self::new(Arc::new(features), None, targets),
            (None, None) => Self::new(self.features.clone(), Some(at), targets),
            (None, Some(rows)) => {
                let rows = collected(at.into_iter().map(|i| rows[i as usize]))?;
                Self::new(self.features.clone(), Some(rows), targets)
            }
        })
    }

    /// Calls `body` with the samples at `positions` of this set.
    pub fn with<R>(&self, positions: RowSet<'_>, body: impl FnOnce(Batch<'_>) -> Result<R>) -> Result<R> {
        let features = &*self.features;
        match positions {
            RowSet::Range { start, end } => {
                let rows = self.rows.as_ref().map_or(positions, |rows| RowSet::Indices(&rows[start..end]));
                body(Batch { features, positions, rows, targets: self.targets.view().slice(start..end) })
            }
            RowSet::Indices(at) => {
                let targets = self.targets.at(at)?;
                let targets = targets.view();
                match &self.rows {
                    None => body(Batch { features, positions, rows: positions, targets }),
                    Some(rows) => {
                        let rows = collected(at.iter().map(|&i| rows[i as usize]))?;
                        body(Batch { features, positions, rows: RowSet::Indices(&rows), targets })
                    }
                }
            }
        }
    }
}
