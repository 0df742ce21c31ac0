//! Sorting by keys.

use crate::memory::{Result, collected};

/// The order that sorts `keys`, stable. One function serves all: a copy of the sort per type weighs on WebAssembly.
pub(super) fn ascending(keys: &[f64]) -> Result<Vec<usize>> {
    let mut order = collected(0..keys.len())?;
    order.sort_unstable_by(|&i, &j| keys[i].total_cmp(&keys[j]).then(i.cmp(&j)));
    Ok(order)
}
