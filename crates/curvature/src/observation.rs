//! What a representation is fed with.

use crate::{Factors, Rows};

/// The samples of a step, in the form that the representation wanted.
#[derive(Clone, Debug)]
pub enum Observation<T> {
    /// Gradients.
    Rows(Rows<T>),
    /// Per-sample factors.
    Factors(Factors<T>),
}
