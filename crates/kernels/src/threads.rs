//! Loops over fixed chunks, so that sums have the same bits for any number of threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(target_family = "wasm"))]
use crate::crew::Crew;

/// Whether this target has a single thread.
const ALONE: bool = cfg!(all(target_family = "wasm", not(target_feature = "atomics")));

/// Calls `body(index, range)` for each chunk of `0..n` and returns the results in the order of the chunks.
///
/// Each chunk is `chunk` long, and the last one holds the rest. Up to `threads` threads, the caller's among them, take
/// the chunks in order. A panic of `body` reaches the caller.
pub fn for_chunks<R: Send>(
    n: usize,
    chunk: usize,
    threads: usize,
    body: impl Fn(usize, Range<usize>) -> R + Sync,
) -> Vec<R> {
    Team::new(threads).for_chunks(n, chunk, body)
}

/// The caller's thread and helpers that stay between its loops, for loops that are shorter than the start of a thread.
#[derive(Debug)]
pub struct Team {
    threads: usize,
    crew: Crew,
}

impl Team {
    /// Up to `threads` threads, the caller's among them. The others start with the first loop of more than one
    /// chunk and end with the team.
    pub fn new(threads: usize) -> Self {
        Self { threads, crew: Crew::default() }
    }

    /// [`for_chunks`].
    pub fn for_chunks<R: Send>(
        &self,
        n: usize,
        chunk: usize,
        body: impl Fn(usize, Range<usize>) -> R + Sync,
    ) -> Vec<R> {
        let chunks = n.div_ceil(chunk);
        let run = |i: usize| body(i, i * chunk..(i * chunk + chunk).min(n));
        // A constant if there is a single thread, so that the module does not hold the rest of this function.
        let threads = if ALONE { 1 } else { self.threads.min(chunks) };
        if threads <= 1 {
            return (0..chunks).map(run).collect();
        }

        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(chunks));
        self.crew.together(threads - 1, &|| {
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
}

impl Clone for Team {
    /// A team with as many threads, and helpers of its own.
    fn clone(&self) -> Self {
        Self::new(self.threads)
    }
}

/// The helpers of the memory, which all teams share.
#[cfg(target_family = "wasm")]
#[derive(Debug, Default)]
struct Crew;

#[cfg(all(target_family = "wasm", target_feature = "atomics"))]
impl Crew {
    fn together(&self, others: usize, work: &(dyn Fn() + Sync)) {
        crate::helpers::together(others, work);
    }
}

#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
impl Crew {
    fn together(&self, _others: usize, work: &(dyn Fn() + Sync)) {
        work();
    }
}

#[cfg(test)]
mod tests;
