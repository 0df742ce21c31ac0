//! What a representation is fed with.

use crate::{Factors, LayerFactors, Rows};

/// The samples of a step, in the form that the representation wanted.
#[derive(Clone, Debug)]
pub enum Observation<T> {
    /// Gradients.
    Rows(Rows<T>),
    /// Per-sample factors.
    Factors(Factors<T>),
    /// What a Fisher makes of so many samples, where it is all that it needs of them; means over the samples.
    Moments(Vec<T>, usize),
}

impl<T> Observation<T> {
    /// Its arrays, in each of which every sample has as many entries as another.
    pub fn arrays(&self) -> Vec<&Vec<T>> {
        match self {
            Self::Rows(Rows { data, .. }) | Self::Moments(data, _) => vec![data],
            Self::Factors(Factors { weights, layers, .. }) => {
                let parts = layers.iter().flat_map(|layer| [&layer.inputs, &layer.outputs]);
                [weights].into_iter().chain(parts).collect()
            }
        }
    }

    /// One of the same form with other arrays, in the order of [`Observation::arrays`].
    pub fn with_arrays(&self, arrays: Vec<Vec<T>>) -> Self {
        let mut arrays = arrays.into_iter();
        let mut next = || arrays.next().unwrap_or_default();
        match self {
            Self::Rows(rows) => Self::Rows(Rows { data: next(), ..*rows }),
            Self::Moments(_, samples) => Self::Moments(next(), *samples),
            Self::Factors(factors) => Self::Factors(Factors {
                weights: next(),
                directions: factors.directions,
                layers: factors
                    .layers
                    .iter()
                    .map(|layer| LayerFactors { inputs: next(), outputs: next(), ..*layer })
                    .collect(),
            }),
        }
    }
}
