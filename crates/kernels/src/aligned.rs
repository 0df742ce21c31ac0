//! Buffers that start on a cache line, so that no vector lies across two.

use std::ops::{Deref, DerefMut};

use crate::Scalar;
use crate::memory::{self, Result};

/// Size in bytes of a cache line and of the widest vector.
const LINE: usize = 64;

/// A slice of fixed length whose first entry is aligned to 64 bytes.
#[derive(Debug)]
pub struct Aligned<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Scalar> Aligned<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Result<Self> {
        if len == 0 {
            return Ok(Self { data: Vec::new(), start: 0, len });
        }
        let data: Vec<T> = memory::zeros(len.saturating_add(LINE / size_of::<T>()))?;
        let start = data.as_ptr().align_offset(LINE);
        Ok(Self { data, start, len })
    }

    /// The same entries in memory of its own.
    pub fn copied(&self) -> Result<Self> {
        let mut copy = Self::zeros(self.len)?;
        copy.copy_from_slice(self);
        Ok(copy)
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_line_and_is_copied_by_value() {
        for len in [0, 1, 17, 4096] {
            let mut x = Aligned::<f32>::zeros(len).unwrap();
            x.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
            let y = x.copied().unwrap();
            let aligned = |x: &[f32]| x.is_empty() || x.as_ptr().addr().is_multiple_of(LINE);
            assert!(aligned(&x) && aligned(&y));
            assert_eq!(x[..], y[..]);
            assert_eq!(x.len(), len);
        }
    }
}
