//! Jobs on whichever helper is free.

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
