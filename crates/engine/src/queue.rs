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
mod threaded {
    use std::sync::{Arc, Condvar, Mutex, MutexGuard};
    use std::thread::JoinHandle;

    use super::{Job, Line, Place, Queue};

    /// A thread that owns the worker.
    pub(crate) struct Threaded<F> {
        shared: Arc<Shared<F>>,
        thread: Option<JoinHandle<()>>,
    }

    struct Shared<F> {
        state: Mutex<State<F>>,
        posted: Condvar,
        taken: Condvar,
    }

    struct State<F> {
        line: Line<F>,
        closed: bool,
    }

    impl<F> Shared<F> {
        fn lock(&self) -> MutexGuard<'_, State<F>> {
            self.state.lock().unwrap_or_else(|e| e.into_inner())
        }
    }

    impl<F: Send + 'static> Threaded<F> {
        pub fn new(mut worker: F) -> Self {
            let state = Mutex::new(State { line: Line::new(), closed: false });
            let shared = Arc::new(Shared { state, posted: Condvar::new(), taken: Condvar::new() });
            let ours = shared.clone();
            let thread = std::thread::spawn(move || {
                while let Some(job) = next(&ours) {
                    job(&mut worker);
                }
            });
            Self { shared, thread: Some(thread) }
        }
    }

    /// The next job, or `None` once the queue is closed; jobs that are left then are dropped.
    fn next<F>(shared: &Shared<F>) -> Option<Job<F>> {
        let mut state = shared.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.line.pop() {
                shared.taken.notify_all();
                return Some(job);
            }
            state = shared.posted.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }

    impl<F: Send> Queue<F> for Threaded<F> {
        fn post(&self, job: Job<F>, place: Place) -> bool {
            let mut state = self.shared.lock();
            if !state.line.push(job, place) {
                return false;
            }
            if !matches!(place, Place::Gathered(_)) || state.line.wakes() {
                self.shared.posted.notify_one();
            }
            true
        }

        fn wait(&self) {
            let mut state = self.shared.lock();
            while !state.line.has_room() && !state.closed {
                state = self.shared.taken.wait(state).unwrap_or_else(|e| e.into_inner());
            }
        }
    }

    impl<F> Drop for Threaded<F> {
        fn drop(&mut self) {
            self.shared.lock().closed = true;
            self.shared.posted.notify_all();
            self.shared.taken.notify_all();
            if let Some(thread) = self.thread.take() {
                // A worker that panicked has told so through its tickets.
                let _ = thread.join();
            }
        }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
mod helped {
    use std::sync::mpsc::TryRecvError;
    use std::sync::{Arc, Mutex, MutexGuard};

    use nhgd_kernels::helpers;

    use super::{Job, Line, Place, Queue, Ticket};

    /// Jobs that whichever helper is free works off.
    pub(crate) struct Helped<F> {
        shared: Arc<Shared<F>>,
    }

    struct Shared<F> {
        state: Mutex<State<F>>,
        worker: Mutex<F>,
    }

    struct State<F> {
        line: Line<F>,
        /// Whether a helper works them off, or is about to.
        served: bool,
        closed: bool,
    }

    impl<F> Shared<F> {
        fn lock(&self) -> MutexGuard<'_, State<F>> {
            self.state.lock().unwrap_or_else(|e| e.into_inner())
        }

        /// The next job; without one the queue is served no longer. Jobs that are left once it is closed are dropped.
        fn next(&self) -> Option<Job<F>> {
            let mut state = self.lock();
            if state.closed {
                state.line = Line::new();
            }
            let job = state.line.pop();
            state.served = job.is_some();
            job
        }

        fn work_off(&self) {
            while let Some(job) = self.next() {
                job(&mut self.worker.lock().unwrap_or_else(|e| e.into_inner()));
                helpers::announce();
            }
        }
    }

    impl<F> Helped<F> {
        pub fn new(worker: F) -> Self {
            let state = Mutex::new(State { line: Line::new(), served: false, closed: false });
            Self { shared: Arc::new(Shared { state, worker: Mutex::new(worker) }) }
        }
    }

    impl<F: Send + 'static> Queue<F> for Helped<F> {
        fn post(&self, job: Job<F>, place: Place) -> bool {
            if helpers::count() == 0 {
                return true; // no helper does it any more; the next call that waits reports that
            }
            let mut state = self.shared.lock();
            if !state.line.push(job, place) {
                return false;
            }
            if !state.served && (!matches!(place, Place::Gathered(_)) || state.line.wakes()) {
                state.served = true;
                drop(state);
                let shared = self.shared.clone();
                helpers::post(move || shared.work_off());
            }
            true
        }

        fn wait(&self) {
            helpers::wait(|| self.shared.lock().line.has_room().then_some(()));
        }
    }

    impl<F> Drop for Helped<F> {
        fn drop(&mut self) {
            self.shared.lock().closed = true;
        }
    }

    pub(crate) fn receive<R>(ticket: &Ticket<R>) -> Option<R> {
        helpers::wait(|| match ticket.try_recv() {
            Ok(result) => Some(Some(result)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_bounded_by_jobs_and_by_bytes() {
        let post = |line: &mut Line<()>, bytes: usize| line.push(Box::new(|()| ()), Place::Gathered(bytes));
        let mut many = Line::new();
        assert_eq!((0..2 * JOBS).filter(|_| post(&mut many, 1)).count(), JOBS);
        let mut large = Line::new();
        let batch = 1024 * 7850 * 4;
        let posted = (0..JOBS).filter(|_| post(&mut large, batch)).count();
        assert!(posted * batch < BYTES + batch && large.wakes(), "{posted} batches");
        assert!(large.push(Box::new(|()| ()), Place::Always), "a solve always finds a place");
        large.pop();
        assert!(post(&mut large, batch));
        while large.pop().is_some() {}
        assert_eq!(large.bytes, 0);
        // What alone is larger than the bound still gets through.
        assert!(post(&mut large, 2 * BYTES) && !post(&mut large, 1));
    }
}
