//! Settings of a Fisher as they arrive from outside.

use nhgd_curvature::Statistic;
use nhgd_fisher::{FisherConfig, Form, KroneckerDamping, RowKind, Smoothing, Start};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// JSON settings; what is absent stays at the representation's default.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FisherSettings {
    #[serde(default = "yes")]
    pub concurrent: bool,
    #[serde(default = "usual_form", with = "FormName")]
    form: Form,
    #[serde(default, with = "statistic")]
    statistic: Option<Statistic>,
    #[serde(default, with = "rows")]
    rows: Option<RowKind>,
    smoothing: Option<SmoothingName>,
    damping: Option<f64>,
    relative: Option<bool>,
    #[serde(default, with = "start")]
    start: Option<Start>,
    size: Option<usize>,
    #[serde(default, with = "kronecker_damping")]
    kronecker_damping: Option<KroneckerDamping>,
    keep: Option<f64>,
    basis_every: Option<usize>,
    tolerance: Option<f64>,
}

fn yes() -> bool {
    true
}

fn usual_form() -> Form {
    FisherConfig::default().form
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Form", rename_all = "camelCase")]
pub(crate) enum FormName {
    Dense,
    Window,
    Samples,
    Kronecker,
    #[serde(rename = "eigenkronecker")]
    EigenKronecker,
    Diagonal,
    Sketch,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum SmoothingName {
    Forget(f64),
    Named(Average),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Average {
    Average,
}

/// An optional value with a name for each variant.
macro_rules! names {
    ($module:ident, $type:ident { $($name:literal => $variant:ident),+ }) => {
        mod $module {
            use serde::{Deserialize, Deserializer, de::Error};

            pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<super::$type>, D::Error> {
                match Option::<String>::deserialize(d)?.as_deref() {
                    None => Ok(None),
                    $(Some($name) => Ok(Some(super::$type::$variant)),)+
                    Some(other) => Err(D::Error::unknown_variant(other, &[$($name),+])),
                }
            }
        }
    };
}

names!(statistic, Statistic { "empirical" => Empirical, "sampled" => Sampled, "expected" => Expected });
names!(rows, RowKind { "mean" => Mean, "signed" => Signed, "perSample" => PerSample });
names!(start, Start { "held" => Held, "decaying" => Decaying });
names!(kronecker_damping, KroneckerDamping { "joint" => Joint, "split" => Split });

impl FisherSettings {
    /// Reads JSON such as `{"form": "window", "size": 256}`.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(Error::settings)
    }

    /// The representation's settings.
    pub fn config(&self) -> FisherConfig {
        let usual = FisherConfig::default();
        FisherConfig {
            form: self.form,
            statistic: self.statistic.unwrap_or(usual.statistic),
            rows: self.rows.unwrap_or(usual.rows),
            smoothing: match self.smoothing {
                None => usual.smoothing,
                Some(SmoothingName::Forget(beta)) => Smoothing::Forget(beta),
                Some(SmoothingName::Named(Average::Average)) => Smoothing::Average,
            },
            damping: self.damping.unwrap_or(usual.damping),
            relative: self.relative.unwrap_or(usual.relative),
            start: self.start.unwrap_or(usual.start),
            size: self.size.unwrap_or(usual.size),
            kronecker_damping: self.kronecker_damping.unwrap_or(usual.kronecker_damping),
            keep: self.keep.unwrap_or(usual.keep),
            basis_every: self.basis_every.unwrap_or(usual.basis_every),
            tolerance: self.tolerance.unwrap_or(usual.tolerance),
        }
    }
}
