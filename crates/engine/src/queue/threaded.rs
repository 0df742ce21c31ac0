//! Jobs on a thread of their own.

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
