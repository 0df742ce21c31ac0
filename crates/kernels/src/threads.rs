//! Loops over fixed chunks, so that sums have the same bits whatever the number of threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether this target has one thread and no more.
const ALONE: bool = cfg!(all(target_family = "wasm", not(target_feature = "atomics")));

/// Calls `body(index, range)` for each chunk of `0..n` and returns the results in the order of the chunks.
///
/// Chunks are `chunk` long, the last one the rest. Up to `threads` threads take them as they come, the caller's
/// among them.
pub fn for_chunks<R: Send>(
    n: usize,
    chunk: usize,
    threads: usize,
    body: impl Fn(usize, Range<usize>) -> R + Sync,
) -> Vec<R> {
    let chunks = n.div_ceil(chunk);
    let run = |i: usize| body(i, i * chunk..(i * chunk + chunk).min(n));
    // Where there is one thread, a constant: what follows the loop would be in the module for nothing.
    let threads = if ALONE { 1 } else { threads.min(chunks) };
    if threads <= 1 {
        return (0..chunks).map(run).collect();
    }

    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(chunks));
    together(threads - 1, &|| {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= chunks {
                return;
            }
            let result = run(i);
            done.lock().unwrap_or_else(|e| e.into_inner()).push((i, result));
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    done.sort_unstable_by_key(|&(i, _)| i);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Runs `work` here and on up to `others` threads at once; a panic of one is the caller's.
#[cfg(not(target_family = "wasm"))]
fn together(others: usize, work: &(dyn Fn() + Sync)) {
    std::thread::scope(|scope| {
        (0..others).for_each(|_| drop(scope.spawn(work)));
        work();
    });
}

#[cfg(all(target_family = "wasm", target_feature = "atomics"))]
use crate::helpers::together;

#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
fn together(_others: usize, work: &(dyn Fn() + Sync)) {
    work();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_every_index_once_and_in_order() {
        for n in [0, 1, 7, 64, 65] {
            for threads in 0..4 {
                let ranges = for_chunks(n, 8, threads, |i, range| {
                    assert_eq!(range.start, 8 * i);
                    range
                });
                assert!(ranges.into_iter().flatten().eq(0..n));
            }
        }
    }

    #[test]
    fn sums_have_the_same_bits_whatever_the_threads() {
        let x: Vec<f32> = crate::naive::numbers(10_001, 5);
        let total =
            |threads| for_chunks(x.len(), 64, threads, |_, at| x[at].iter().sum::<f32>()).into_iter().sum();
        let alone: f32 = total(1);
        assert_eq!(alone.to_bits(), f32::to_bits(total(2)));
        assert_eq!(alone.to_bits(), f32::to_bits(total(5)));
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let result = std::panic::catch_unwind(|| for_chunks(4, 1, 2, |i, _| assert!(i != 3)));
        assert!(result.is_err());
    }
}
