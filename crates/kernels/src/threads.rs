//! Loops over fixed chunks, so that sums have the same bits for any number of threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(not(target_family = "wasm"))]
use crate::crew::Crew;
use crate::memory::{self, Result};

/// Whether this target has a single thread.
const ALONE: bool = cfg!(all(target_family = "wasm", not(target_feature = "atomics")));

/// Calls `body(index, range)` for each chunk of `0..n` and returns the results in the order of the chunks.
///
/// Each chunk is `chunk` long, and the last one holds the rest. Up to `threads` threads, the caller's among them, take
/// the chunks in order, until one of them finds no memory. A panic of `body` reaches the caller.
pub fn for_chunks<R: Send>(
    n: usize,
    chunk: usize,
    threads: usize,
    body: impl Fn(usize, Range<usize>) -> Result<R> + Sync,
) -> Result<Vec<R>> {
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
        body: impl Fn(usize, Range<usize>) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let chunks = n.div_ceil(chunk);
        let mut results = memory::reserved(chunks)?;
        let run = |i: usize| body(i, i * chunk..(i * chunk + chunk).min(n));
        // A constant if there is a single thread, so that the module does not hold the rest of this function.
        let threads = if ALONE { 1 } else { self.threads.min(chunks) };
        if threads <= 1 {
            for i in 0..chunks {
                results.push(run(i)?);
            }
            return Ok(results);
        }

        let rest = Rest::new(chunks);
        let is_caller = caller();
        let done = Mutex::new((memory::reserved(chunks)?, None));
        self.crew.together(threads - 1, &|| {
            let from_front = is_caller();
            while let Some(i) = rest.take(from_front) {
                let result = run(i);
                let (done, failure) = &mut *done.lock().unwrap_or_else(|e| e.into_inner());
                match result {
                    Ok(result) => done.push((i, result)),
                    Err(error) => {
                        *failure = Some(error);
                        rest.0.store(0, Ordering::Relaxed); // nothing is left
                    }
                }
            }
        });
        let (mut done, failure) = done.into_inner().unwrap_or_else(|e| e.into_inner());
        if let Some(error) = failure {
            return Err(error);
        }
        done.sort_unstable_by_key(|&(i, _)| i);
        results.extend(done.into_iter().map(|(_, result)| result));
        Ok(results)
    }
}

/// The chunks that nobody has taken: the caller takes the first of them and a helper the last, so that a chunk
/// tends to come back to the core whose cache still has it.
struct Rest(AtomicU64);

impl Rest {
    fn new(chunks: usize) -> Self {
        Self(AtomicU64::new((chunks as u64) << 32))
    }

    /// The end is in the upper half, and the front in the lower one.
    fn take(&self, from_front: bool) -> Option<usize> {
        let next = |rest: u64| {
            let (front, end) = (rest & u64::from(u32::MAX), rest >> 32);
            (front < end).then(|| if from_front { rest + 1 } else { rest - (1 << 32) })
        };
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(if from_front { before & u64::from(u32::MAX) } else { (before >> 32) - 1 } as usize)
    }
}

/// Tells whether a thread is this one; WebAssembly's all count as it.
fn caller() -> impl Fn() -> bool + Sync {
    #[cfg(not(target_family = "wasm"))]
    let own = std::thread::current().id();
    move || {
        #[cfg(not(target_family = "wasm"))]
        return std::thread::current().id() == own;
        #[cfg(target_family = "wasm")]
        true
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
