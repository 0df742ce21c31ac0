//! Which Fisher matrix is meant, and in which form its samples are wanted.

use nhgd_settings::words;

/// The labels at which a Fisher takes its gradients: as given (`empirical`), one per sample that is drawn from the model
/// (`sampled`), or all of them, weighted by the model (`expected`, Gauss–Newton).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub enum Statistic {
    /// The labels as given: consistent only where the model is well specified.
    Empirical,
    /// One label per sample, drawn from the model.
    Sampled,
    /// All labels, weighted by the model: the generalised Gauss–Newton matrix.
    Expected,
}

words!(Statistic { "empirical" Empirical, "sampled" Sampled, "expected" Expected });

/// What a representation wants of the samples of a step. The regulariser is never part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The mean gradient of the batch as it is: (1/B) Σ w_i ∇ℓ_i, one row.
    Mean,
    /// One random-sign sum, B^(−½) Σ ε_i √w_i ∇ℓ_i with ε_i = ±1, whose expected outer product is F; one row.
    Signed(Statistic),
    /// The gradients √w_i ∇ℓ_i / √B of all samples, as B rows.
    Rows(Statistic),
    /// Per-sample factors of every layer.
    Factors(Statistic),
}
