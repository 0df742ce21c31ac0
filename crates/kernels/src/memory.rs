//! Memory whose size follows from input. It is asked for before it is used, so that a lack of it is an error that every
//! object survives, and not the end of the process.
//!
//! What has as many entries as samples, columns, parameters, classes, units or rows of a window comes from here. What has
//! a constant size, or as many entries as layers, blocks, folds or threads, does not.

use std::alloc::{Layout, alloc_zeroed};
use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;

/// There is no room for what a computation takes. As small as can be: nearly every function may return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory(NonZeroUsize);

impl OutOfMemory {
    /// For so many bytes; the most that a `usize` holds stands for more.
    pub fn new(bytes: usize) -> Self {
        Self(NonZeroUsize::new(bytes).unwrap_or(NonZeroUsize::MIN))
    }

    /// For `length` entries.
    #[cold]
    fn of<T>(length: usize) -> Self {
        Self::new(length.saturating_mul(size_of::<T>()))
    }

    /// Bytes that were asked for.
    pub fn bytes(self) -> usize {
        self.0.get()
    }

    /// The bytes in words.
    pub fn in_words(self) -> String {
        let more = if self.0 == NonZeroUsize::MAX { " or more" } else { "" };
        format!("{} bytes{more}", self.0)
    }
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"memory\" expected room for what the call computes, got none for {}", self.in_words())
    }
}

impl Error for OutOfMemory {}

/// Result whose error is [`OutOfMemory`] unless another is named.
pub type Result<T, E = OutOfMemory> = std::result::Result<T, E>;

/// A number whose zero is made of zero bytes.
///
/// # Safety
///
/// Memory of zero bytes is a value of this type, and needs no drop.
pub unsafe trait Number: Copy {}

macro_rules! numbers {
    // SAFETY: zero bytes are the number 0.
    ($($number:ty),*) => {$(unsafe impl Number for $number {})*};
}
numbers!(u8, u32, u64, usize, f32, f64);

/// An empty vector that has room for `length` entries.
#[inline(never)]
pub fn reserved<T>(length: usize) -> Result<Vec<T>> {
    let mut entries = Vec::new();
    match entries.try_reserve_exact(length) {
        Ok(()) => Ok(entries),
        Err(_) => Err(OutOfMemory::of::<T>(length)),
    }
}

/// `length` zeros.
#[inline(never)]
pub fn zeros<T: Number>(length: usize) -> Result<Vec<T>> {
    let full = || OutOfMemory::of::<T>(length);
    let layout = Layout::array::<T>(length).map_err(|_| full())?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    // Memory that comes as zeros from the system is not written before it is used.
    // SAFETY: the layout has a size.
    let start = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if start.is_null() {
        return Err(full());
    }
    // SAFETY: the memory has this layout and is not shared, and its bytes are `length` numbers.
    Ok(unsafe { Vec::from_raw_parts(start, length, length) })
}

/// `value` for each of `length` entries.
#[inline(never)]
pub fn filled<T: Copy>(value: T, length: usize) -> Result<Vec<T>> {
    let mut entries = reserved(length)?;
    entries.resize(length, value);
    Ok(entries)
}

/// A copy of `entries`.
#[inline(never)]
pub fn copied<T: Copy>(entries: &[T]) -> Result<Vec<T>> {
    let mut copy = reserved(entries.len())?;
    copy.extend_from_slice(entries);
    Ok(copy)
}

/// What the items are, whose number is known before.
pub fn collected<T>(items: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>> {
    let mut entries = reserved(items.len())?;
    entries.extend(items);
    Ok(entries)
}

/// The entries of all parts, one part after the other.
pub fn joined<T: Copy>(parts: &[impl AsRef<[T]>]) -> Result<Vec<T>> {
    let mut all = reserved(parts.iter().map(|part| part.as_ref().len()).sum())?;
    parts.iter().for_each(|part| all.extend_from_slice(part.as_ref()));
    Ok(all)
}

/// Makes room in `entries` for `more` of them. Often called, it asks for memory now and then.
#[inline(never)]
pub fn grow<T>(entries: &mut Vec<T>, more: usize) -> Result<()> {
    match entries.try_reserve(more) {
        Ok(()) => Ok(()),
        Err(_) => Err(OutOfMemory::of::<T>(entries.len().saturating_add(more))),
    }
}

/// Adds `more` to the end of `entries`, which stay as they are where there is no room.
#[inline(never)]
pub fn append<T: Copy>(entries: &mut Vec<T>, more: &[T]) -> Result<()> {
    grow(entries, more.len())?;
    entries.extend_from_slice(more);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUGE: usize = usize::MAX / 16;

    #[test]
    fn gives_what_was_asked_for() {
        assert_eq!(zeros::<f64>(3).unwrap(), [0.0; 3]);
        assert_eq!(zeros::<u8>(0).unwrap(), []);
        assert_eq!(filled(true, 2).unwrap(), [true; 2]);
        assert_eq!(copied(&[1, 2]).unwrap(), [1, 2]);
        assert_eq!(collected((0..3).map(|i| i * i)).unwrap(), [0, 1, 4]);
        assert_eq!(joined(&[vec![1], vec![2, 3]]).unwrap(), [1, 2, 3]);
        let mut entries = vec![1];
        append(&mut entries, &[2, 3]).unwrap();
        assert_eq!(entries, [1, 2, 3]);
    }

    #[test]
    fn refuses_what_has_no_room_with_its_bytes() {
        let full = OutOfMemory::new(8 * HUGE);
        assert_eq!(zeros::<f64>(HUGE), Err(full));
        assert_eq!(reserved::<u64>(HUGE), Err(full));
        assert_eq!(filled(1.0, HUGE), Err(full));
        assert_eq!(zeros::<f64>(usize::MAX).map_err(OutOfMemory::bytes), Err(usize::MAX));
        let mut entries = vec![7u64];
        assert!(grow(&mut entries, HUGE).is_err());
        assert_eq!(entries, [7]);
    }
}
