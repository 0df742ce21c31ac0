//! The TypeScript types of settings and codes, which are made from Rust's and stand in ts/backend/settings.ts.

use std::path::Path;

use nhgd_curvature::Statistic;
use nhgd_fisher::{
    DenseSettings, DiagonalSettings, EigenKroneckerSettings, FisherSettings, KroneckerDamping,
    KroneckerSettings, RowKind, SamplesSettings, Sharing, SketchSettings, Smoothing, Start, WindowSettings,
};
use nhgd_models::{Convolution, Image, Pooling};
use ts_rs::TS;

use crate::Code;
use crate::bilevel::{BilevelSettings, BlockSettings, PerKind, PriorSettings};
use crate::model::{ActivationKind, LossKind, ModelSettings};
use crate::optimizer::Rule;

/// A type as TypeScript declares it, with its documentation.
fn declared<T: TS>() -> String {
    format!("{}export {}\n", T::docs().unwrap_or_default(), T::decl())
}

/// The same for settings whose fields all have defaults.
fn optional<T: TS>() -> String {
    format!("{}export type {} = Partial<{}>;\n", T::docs().unwrap_or_default(), T::name(), T::inline())
}

#[test]
fn typescript_has_the_types_of_the_engine() {
    let types = [
        declared::<Code>(),
        declared::<Rule>(),
        declared::<FisherSettings>(),
        optional::<DenseSettings>(),
        optional::<WindowSettings>(),
        optional::<SamplesSettings>(),
        optional::<KroneckerSettings>(),
        optional::<EigenKroneckerSettings>(),
        optional::<DiagonalSettings>(),
        optional::<SketchSettings>(),
        declared::<Statistic>(),
        declared::<RowKind>(),
        declared::<Smoothing>(),
        declared::<Start>(),
        declared::<KroneckerDamping>(),
        declared::<Sharing>(),
        declared::<BilevelSettings>(),
        declared::<ModelSettings>(),
        declared::<Image>(),
        declared::<Convolution>(),
        declared::<Pooling>(),
        declared::<ActivationKind>(),
        declared::<LossKind>(),
        declared::<BlockSettings>(),
        declared::<PerKind>(),
        declared::<PriorSettings>(),
    ];
    let text = format!("// Made from Rust's types by crates/engine/src/types.rs.\n\n{}", types.join("\n"));
    let text = text
        .replace("/**\n * ", "/** ")
        .replace("\n */", " */")
        .replace(", \n", ",\n")
        .replace("{ \n", "{\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ts/backend/settings.ts");
    if std::env::var_os("NHGD_WRITE_TYPES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "settings.ts is old: run NHGD_WRITE_TYPES=1 cargo test -p nhgd-engine types");
}
