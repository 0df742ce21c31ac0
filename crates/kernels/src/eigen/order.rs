//! Sorting by keys.

/// The order that sorts `keys`, stable. One function serves all: a copy of the sort per type weighs on WebAssembly.
pub(super) fn ascending(keys: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by(|&i, &j| keys[i].total_cmp(&keys[j]).then(i.cmp(&j)));
    order
}
