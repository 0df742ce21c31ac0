//! Working memory that a model keeps between calls. Fresh pages for every gradient would cost as much time as a matrix
//! product.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nhgd_kernels::Scalar;
use nhgd_kernels::memory::{Result, reserved};

/// Buffers at rest.
#[derive(Debug, Default)]
pub(crate) struct Pool<T>(Mutex<Vec<Vec<T>>>);

/// A buffer at work; it returns to its pool when dropped.
#[derive(Debug)]
pub(crate) struct Buffer<'a, T: Scalar> {
    data: Vec<T>,
    pool: &'a Pool<T>,
}

impl<T: Scalar> Pool<T> {
    /// A buffer of `len` entries of any value.
    pub(crate) fn take(&self, len: usize) -> Result<Buffer<'_, T>> {
        let mut resting = self.resting();
        // The smallest that fits. If none does, the largest is replaced, so that the pool never holds more buffers than
        // were once at work together.
        let size = |i: &usize| (resting[*i].capacity() < len, resting[*i].capacity().abs_diff(len));
        let mut data = match (0..resting.len()).min_by_key(size) {
            Some(i) => resting.swap_remove(i),
            None => Vec::new(),
        };
        drop(resting);
        if data.capacity() < len {
            drop(data);
            data = reserved(len)?;
        }
        data.resize(len, T::zero());
        Ok(Buffer { data, pool: self })
    }

    fn resting(&self) -> MutexGuard<'_, Vec<Vec<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Scalar> Drop for Buffer<'_, T> {
    fn drop(&mut self) {
        self.pool.resting().push(std::mem::take(&mut self.data));
    }
}

impl<T: Scalar> Deref for Buffer<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.data
    }
}

impl<T: Scalar> DerefMut for Buffer<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again() {
        let pool = Pool::<f32>::default();
        let (large, small) = (pool.take(1000).unwrap(), pool.take(10).unwrap());
        let (at_large, at_small) = (large.as_ptr(), small.as_ptr());
        drop((large, small));
        let (small, large) = (pool.take(8).unwrap(), pool.take(900).unwrap());
        assert_eq!((small.as_ptr(), small.len()), (at_small, 8));
        assert_eq!((large.as_ptr(), large.len()), (at_large, 900));
        assert_eq!(pool.resting().len(), 0);
        drop((small, large));
        drop(pool.take(5000).unwrap());
        assert_eq!(pool.resting().len(), 2);
    }
}
