//! Gradients as the rows of a matrix.

/// `count` gradients of `d` entries each, row-major: the observation's term of F is Σ row rowᵀ.
#[derive(Clone, Debug, Default)]
pub struct Rows<T> {
    /// count × d entries.
    pub data: Vec<T>,
    /// Number of rows.
    pub count: usize,
}
