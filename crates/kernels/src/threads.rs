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
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use super::*;

    #[test]
    fn covers_every_index_once_and_in_order() {
        for threads in 0..4 {
            let team = Team::new(threads);
            for n in [0, 1, 7, 64, 65] {
                let ranges = team.for_chunks(n, 8, |i, range| {
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
    fn helpers_stay_from_loop_to_loop() {
        let team = Team::new(2);
        let caller = thread::current().id();
        let mut others = std::collections::HashSet::new();
        for pause in [0, 0, 2, 0] {
            thread::sleep(std::time::Duration::from_millis(pause)); // past the last of its looks
            let both = std::sync::Barrier::new(2); // each chunk waits for the other: on two threads
            others.extend(team.for_chunks(2, 1, |_, _| {
                both.wait();
                thread::current().id()
            }));
        }
        assert!(others.remove(&caller) && others.len() == 1);
    }

    #[test]
    fn a_team_serves_callers_at_once_and_copies_apart() {
        let team = Team::new(3);
        let copy = team.clone();
        thread::scope(|scope| {
            for team in [&team, &team, &copy] {
                scope.spawn(move || {
                    for n in 0..500 {
                        assert_eq!(
                            team.for_chunks(n, 3, |_, at| at.sum::<usize>()).iter().sum::<usize>(),
                            (0..n).sum()
                        );
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_from_any_thread_and_leaves_the_team_whole() {
        let team = Team::new(2);
        for bad in 0..4 {
            let loops = || team.for_chunks(4, 1, |i, _| assert!(i != bad));
            assert!(catch_unwind(AssertUnwindSafe(loops)).is_err());
            assert_eq!(team.for_chunks(4, 1, |i, _| i), [0, 1, 2, 3]);
        }
        let both = std::sync::Barrier::new(2);
        let caller = thread::current().id();
        let helper_panics = || {
            team.for_chunks(2, 1, |_, _| {
                both.wait();
                assert!(thread::current().id() == caller);
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(helper_panics)).is_err());
    }
}
