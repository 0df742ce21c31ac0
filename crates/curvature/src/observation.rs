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

impl<T> Observation<T> {
    /// Its arrays, in each of which every sample has as many entries as another.
    pub fn arrays(&mut self) -> Vec<&mut Vec<T>> {
        match self {
            Self::Rows(rows) => vec![&mut rows.data],
            Self::Factors(Factors { weights, layers, .. }) => {
                let parts = layers.iter_mut().flat_map(|layer| [&mut layer.inputs, &mut layer.outputs]);
                [weights].into_iter().chain(parts).collect()
            }
        }
    }
}
