//! Threads for WebAssembly over shared memory, whose standard library cannot start threads.
//!
//! A helper is a worker with an instance of this module on the same memory, which has called [`help`], a call that never returns.

use std::collections::VecDeque;
use std::mem::transmute;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

/// The helpers of this memory.
static POOL: Pool = Pool::new();

/// Tasks for the helpers.
struct Pool {
    state: Mutex<State>,
    posted: Condvar,
    done: Condvar,
}

struct State {
    tasks: VecDeque<Task>,
    helpers: usize,
    /// Whether a helper broke down; its task never ends.
    broken: bool,
    /// Calls of [`Pool::together`] so far.
    calls: usize,
}

struct Task {
    /// The number of the call of [`Pool::together`] that posted the task, or 0.
    call: usize,
    work: Box<dyn FnOnce() + Send>,
}

/// The number of helpers, or 0 once one of them has broken down.
pub fn count() -> usize {
    POOL.count()
}

/// Announces that `helpers` workers are about to call [`help`].
pub fn expect(helpers: usize) {
    POOL.lock().helpers = helpers;
}

/// Runs tasks as they are posted. Never returns.
pub fn help() {
    POOL.help();
}

/// Records that a helper broke down, drops the tasks, and wakes everyone who waits.
pub fn give_up() {
    let mut state = POOL.lock();
    state.broken = true;
    state.tasks.clear();
    drop(state);
    POOL.done.notify_all();
}

/// Has a helper run `work` after the tasks that were posted before.
pub fn post(work: impl FnOnce() + Send + 'static) {
    POOL.post(work);
}

/// Wakes everyone in [`wait`] so that they look again.
pub fn announce() {
    POOL.announce();
}

/// Waits until `ready` returns a value, which a helper's task provides and announces. Returns `None` if a helper broke
/// down.
pub fn wait<R>(ready: impl FnMut() -> Option<R>) -> Option<R> {
    POOL.wait(ready)
}

/// Runs `work` on this thread and, at the same time, on up to `others` free helpers.
pub fn together(others: usize, work: &(dyn Fn() + Sync)) {
    POOL.together(others, work);
}

impl Pool {
    const fn new() -> Self {
        let state = State { tasks: VecDeque::new(), helpers: 0, broken: false, calls: 0 };
        Self { state: Mutex::new(state), posted: Condvar::new(), done: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn count(&self) -> usize {
        let state = self.lock();
        if state.broken { 0 } else { state.helpers }
    }

    fn help(&self) {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.tasks.pop_front() {
                drop(state);
                (task.work)();
                self.announce();
                state = self.lock();
            } else {
                state = self.posted.wait(state).unwrap_or_else(|e| e.into_inner());
            }
        }
    }

    fn post(&self, work: impl FnOnce() + Send + 'static) {
        self.lock().tasks.push_back(Task { call: 0, work: Box::new(work) });
        self.posted.notify_one();
    }

    fn announce(&self) {
        drop(self.lock()); // a waiter that is about to sleep is asleep after this
        self.done.notify_all();
    }

    fn wait<R>(&self, mut ready: impl FnMut() -> Option<R>) -> Option<R> {
        let mut state = self.lock();
        loop {
            let found = ready();
            if found.is_some() || state.broken {
                return found;
            }
            state = self.done.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }

    fn together(&self, others: usize, work: &(dyn Fn() + Sync)) {
        let ended = AtomicUsize::new(0);
        let counted = || {
            work();
            ended.fetch_add(1, Ordering::Release);
        };
        let counted: &(dyn Fn() + Sync) = &counted;
        // SAFETY: only the lifetime changes, and nothing uses the reference once this call has returned: tasks that have
        // not begun by then are taken back, and those that have begun have ended. (A panic ends all of WebAssembly.)
        let shared = unsafe { transmute::<&(dyn Fn() + Sync), &'static (dyn Fn() + Sync)>(counted) };
        let mut state = self.lock();
        let others = if state.broken { 0 } else { others };
        state.calls += 1;
        let call = state.calls;
        state.tasks.extend((0..others).map(|_| Task { call, work: Box::new(shared) }));
        drop(state);
        self.posted.notify_all();

        work();
        let mut state = self.lock();
        let before = state.tasks.len();
        state.tasks.retain(|task| task.call != call);
        let begun = others - (before - state.tasks.len());
        drop(state);
        let all = self.wait(|| (ended.load(Ordering::Acquire) == begun).then_some(()));
        assert!(all.is_some(), "a helper broke down amid its part of a pass");
    }
}

#[cfg(test)]
mod tests;
