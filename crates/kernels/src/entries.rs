//! Entries of a data set, in memory of their own or in a file.

use std::ops::Deref;

#[cfg(not(target_family = "wasm"))]
use crate::mapping::Mapped;

/// A slice that never changes.
#[derive(Clone, Debug)]
pub enum Entries<X> {
    /// In memory of their own.
    Own(Vec<X>),
    /// In a file.
    #[cfg(not(target_family = "wasm"))]
    Mapped(Mapped<X>),
}

impl<X> Entries<X> {
    /// Memory of their own that the entries take, in bytes. The pages of a file belong to the system.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Own(entries) => size_of_val(&entries[..]),
            #[cfg(not(target_family = "wasm"))]
            Self::Mapped(_) => 0,
        }
    }
}

impl<X> From<Vec<X>> for Entries<X> {
    fn from(entries: Vec<X>) -> Self {
        Self::Own(entries)
    }
}

impl<X> Deref for Entries<X> {
    type Target = [X];
    fn deref(&self) -> &[X] {
        match self {
            Self::Own(entries) => entries,
            #[cfg(not(target_family = "wasm"))]
            Self::Mapped(entries) => entries,
        }
    }
}
