//! The TypeScript types of settings and codes, which are made from Rust's and stand in ts/backend/settings.ts.

use std::path::Path;

use ts_rs::TS;

use crate::Code;
use crate::optimizer::Rule;

/// A type as TypeScript declares it, with its documentation.
fn declared<T: TS>() -> String {
    format!("{}export {}\n", T::docs().unwrap_or_default(), T::decl())
}

#[test]
fn typescript_has_the_types_of_the_engine() {
    let types = [declared::<Code>(), declared::<Rule>()];
    let text = format!("// Made from Rust's types by crates/engine/src/types.rs.\n\n{}", types.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ts/backend/settings.ts");
    if std::env::var_os("NHGD_WRITE_TYPES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "settings.ts is old: run NHGD_WRITE_TYPES=1 cargo test -p nhgd-engine types");
}
