//! Diagonal matrices, such as the Hessian of a penalty.

use nhgd_kernels::Scalar;
use nhgd_kernels::memory::{self, Result};

/// A diagonal matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum Diagonal<T> {
    /// cI.
    Scalar(T),
    /// One entry per parameter.
    Vector(Vec<T>),
}

impl<T: Scalar> Diagonal<T> {
    /// The same matrix in memory of its own.
    pub fn copied(&self) -> Result<Self> {
        Ok(match self {
            Self::Scalar(c) => Self::Scalar(*c),
            Self::Vector(d) => Self::Vector(memory::copied(d)?),
        })
    }

    /// Entry i.
    pub fn at(&self, i: usize) -> T {
        match self {
            Self::Scalar(c) => *c,
            Self::Vector(d) => d[i],
        }
    }

    /// Smallest entry; +∞ for an empty vector.
    pub fn min(&self) -> T {
        match self {
            Self::Scalar(c) => *c,
            Self::Vector(d) => d.iter().copied().fold(T::infinity(), T::min),
        }
    }

    /// Mean entry.
    pub fn mean(&self) -> T {
        match self {
            Self::Scalar(c) => *c,
            Self::Vector(d) => T::of(d.iter().map(|x| x.wide()).sum::<f64>() / d.len().max(1) as f64),
        }
    }
}
