//! Which rows the forms that take rows ask for.

use nhgd_curvature::{Statistic, Wants};
use nhgd_settings::words;

/// What a form that takes rows sees of a batch: its mean gradient, one random-sign sum of the gradients of its samples,
/// or each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub enum RowKind {
    /// The mean gradient of the batch; it takes the labels as given, whatever the statistic.
    Mean,
    /// One random-sign sum.
    Signed,
    /// One row per sample.
    PerSample,
}

words!(RowKind { "mean" Mean, "signed" Signed, "perSample" PerSample });

impl RowKind {
    /// What a form that takes rows wants.
    pub(crate) fn wants(self, statistic: Statistic) -> Wants {
        match self {
            Self::Mean => Wants::Mean,
            Self::Signed => Wants::Signed(statistic),
            Self::PerSample => Wants::Rows(statistic),
        }
    }
}
