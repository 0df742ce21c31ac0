//! An allocator that refuses one request.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes from which on requests count. Those of names, settings and errors are smaller.
const LEAST: usize = 896;

/// The system's allocator, but for one request.
pub struct Failing {
    /// Requests that count until the one that is refused, and 0 where none is.
    left: AtomicUsize,
}

impl Failing {
    pub const fn new() -> Self {
        Self { left: AtomicUsize::new(0) }
    }

    /// Calls `work`, of whose requests the k-th is refused, from 1 on. Returns whether it came to that.
    pub fn during<R>(&self, k: usize, work: impl FnOnce() -> R) -> (R, bool) {
        self.left.store(k, Ordering::SeqCst);
        let result = work();
        (result, self.left.swap(0, Ordering::SeqCst) == 0)
    }

    /// Texts don't count, nor what the gemm crate packs of a product, which is as large as the caches: they are bytes, or
    /// aligned to cache lines.
    fn refuses(&self, size: usize, align: usize) -> bool {
        let less = |left: usize| left.checked_sub(1);
        size >= LEAST
            && (2..64).contains(&align)
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) == Ok(1)
    }
}

// SAFETY: what is not refused is the system's, and null stands for a refusal.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.refuses(layout.size(), layout.align()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if self.refuses(layout.size(), layout.align()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.refuses(size, layout.align()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.realloc(start, layout, size) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }
}
