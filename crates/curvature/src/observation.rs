//! What a representation is fed with.

use crate::Factors;

/// `count` gradients of `d` entries each, row-major: the observation's term of F is Σ row rowᵀ.
#[derive(Clone, Debug, Default)]
pub struct Rows<T> {
    /// count × d entries.
    pub data: Vec<T>,
    /// Number of rows.
    pub count: usize,
}

/// The samples of a step, in the form that the representation wanted.
#[derive(Clone, Debug)]
pub enum Observation<T> {
    /// Gradients.
    Rows(Rows<T>),
    /// Per-sample factors.
    Factors(Factors<T>),
}
