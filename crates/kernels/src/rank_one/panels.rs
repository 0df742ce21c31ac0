//! How the stored half is laid out: panels of rows up to and with their diagonal blocks.

use crate::skinny::WIDEST;

/// Rows of a panel: panel I holds rows 16 I .. 16 (I + 1) up to and with their diagonal block, row-major. The
/// diagonal block is whole, and its two triangles are kept equal.
pub(super) const PANEL: usize = WIDEST;
/// Panels from which on a pass is split into two chunks, and into eight.
pub(super) const PANELS_OF_TWO: usize = 32;
pub(super) const PANELS_OF_EIGHT: usize = 128;

/// Entries before panel `i`.
pub(super) fn offset(i: usize) -> usize {
    PANEL * PANEL * i * (i + 1) / 2
}

/// Where entry (i, j), j ≤ i, is stored.
pub(super) fn position(i: usize, j: usize) -> usize {
    let panel = i / PANEL;
    offset(panel) + (i % PANEL) * PANEL * (panel + 1) + j
}

/// Copies the lower triangle of a panel's diagonal block, which starts at column `from`, to the upper one.
pub(super) fn mirror_diagonal<T: Copy>(panel: &mut [T], from: usize) {
    let stride = from + PANEL;
    for i in 0..PANEL {
        for j in 0..i {
            panel[j * stride + from + i] = panel[i * stride + from + j];
        }
    }
}
