//! A Fisher's jobs in order: on a thread of its own, or in line, with the same results.

use std::sync::mpsc::Receiver;

/// Number of gathered jobs that wake a sleeping thread. To wake it for each job would be one system call per step.
#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
const WAKE: usize = 8;

/// Greatest number of jobs that wait; jobs of [`Place::Always`] may exceed it.
#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
const JOBS: usize = 64;

/// Bytes that may wait with them: 256 MB, some eight batches of 1024 gradients of 7850 numbers each. The last job may
/// exceed it.
#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
const BYTES: usize = 256 << 20;

/// What a representation is told to do.
pub(crate) type Job<F> = Box<dyn FnOnce(&mut F) + Send>;

/// The result of a job, to be waited for off the caller's thread.
pub(crate) type Ticket<R> = Receiver<R>;

/// How a job takes its place in a queue, with the bytes that wait with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Only where there is room; the thread may sleep until more jobs have come.
    Gathered(usize),
    /// Only where there is room.
    Bounded(usize),
    /// In any case.
    Always,
}

/// Jobs in order, with the bytes that wait with them.
#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
struct Line<F> {
    jobs: std::collections::VecDeque<(Job<F>, usize)>,
    bytes: usize,
}

#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
impl<F> Line<F> {
    fn new() -> Self {
        Self { jobs: std::collections::VecDeque::new(), bytes: 0 }
    }

    fn has_room(&self) -> bool {
        self.jobs.len() < JOBS && self.bytes < BYTES
    }

    /// Whether so much waits that a sleeping thread is woken for a gathered job.
    fn wakes(&self) -> bool {
        self.jobs.len() >= WAKE || !self.has_room()
    }

    /// Puts a job at the end; `false` if there is no room for it.
    fn push(&mut self, job: Job<F>, place: Place) -> bool {
        let bytes = match place {
            Place::Always => 0,
            Place::Gathered(_) | Place::Bounded(_) if !self.has_room() => return false,
            Place::Gathered(bytes) | Place::Bounded(bytes) => bytes,
        };
        self.jobs.push_back((job, bytes));
        self.bytes += bytes;
        true
    }

    fn pop(&mut self) -> Option<Job<F>> {
        let (job, bytes) = self.jobs.pop_front()?;
        self.bytes -= bytes;
        Some(job)
    }
}

/// Runs jobs on `F` in the order in which they were posted.
pub(crate) trait Queue<F>: Send + Sync {
    /// Posts a job; `false` (and the job is dropped) if there is no room for it.
    fn post(&self, job: Job<F>, place: Place) -> bool;

    /// Waits until there is room.
    fn wait(&self);
}

/// Runs every job at once, on the caller's thread.
pub(crate) struct InLine<F>(std::sync::Mutex<F>);

impl<F> InLine<F> {
    pub fn new(worker: F) -> Self {
        Self(std::sync::Mutex::new(worker))
    }
}

impl<F: Send> Queue<F> for InLine<F> {
    fn post(&self, job: Job<F>, _place: Place) -> bool {
        job(&mut self.0.lock().unwrap_or_else(|e| e.into_inner()));
        true
    }

    fn wait(&self) {}
}

/// Waits for the result of a job; `None` if the job was dropped or the thread that had it broke down.
#[cfg(not(all(target_arch = "wasm32", target_feature = "atomics")))]
pub(crate) fn receive<R>(ticket: &Ticket<R>) -> Option<R> {
    ticket.recv().ok()
}

#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
pub(crate) use helped::{Helped, receive};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use threaded::Threaded;

#[cfg(not(target_arch = "wasm32"))]
mod threaded;

#[cfg(any(all(target_arch = "wasm32", target_feature = "atomics"), test))]
mod helped;

#[cfg(test)]
mod tests;
