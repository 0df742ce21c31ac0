//! Threads for WebAssembly over shared memory, whose standard library can start none.
//!
//! A helper is a worker with an instance of this module on the same memory, in which it has called [`help`] for good.

use std::collections::VecDeque;
use std::mem::transmute;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

/// The helpers of this memory.
static POOL: Pool = Pool::new();

/// Tasks for whoever helps.
struct Pool {
    state: Mutex<State>,
    posted: Condvar,
    done: Condvar,
}

struct State {
    tasks: VecDeque<Task>,
    helpers: usize,
    /// Whether a helper broke down, amid a task that will never end.
    broken: bool,
    /// Calls of [`Pool::together`] so far.
    calls: usize,
}

struct Task {
    /// The call of [`Pool::together`] that it is a part of; 0 for none.
    call: usize,
    work: Box<dyn FnOnce() + Send>,
}

/// How many helpers there are; none once one of them broke down.
pub fn count() -> usize {
    POOL.count()
}

/// So many workers are about to call [`help`].
pub fn expect(helpers: usize) {
    POOL.lock().helpers = helpers;
}

/// Does the tasks that come. Never returns.
pub fn help() {
    POOL.help();
}

/// A helper broke down: whoever waits for what it did is told.
pub fn give_up() {
    let mut state = POOL.lock();
    state.broken = true;
    state.tasks.clear();
    drop(state);
    POOL.done.notify_all();
}

/// Has a helper do `work`, after what was posted before.
pub fn post(work: impl FnOnce() + Send + 'static) {
    POOL.post(work);
}

/// Wakes those that [`wait`], to look again.
pub fn announce() {
    POOL.announce();
}

/// Waits until `ready` has something, which a task of a helper brings and announces. `None` if a helper broke down.
pub fn wait<R>(ready: impl FnMut() -> Option<R>) -> Option<R> {
    POOL.wait(ready)
}

/// Runs `work` here, and on up to `others` helpers that are free meanwhile.
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
        drop(self.lock()); // whoever is about to sleep sleeps now
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
        // SAFETY: only the lifetime changes, and nothing uses the reference once this call has returned: tasks that are
        // not begun by then are taken back, those that are have ended. (A panic ends all of WebAssembly.)
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
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn pool(helpers: usize) -> &'static Pool {
        let pool: &'static Pool = Box::leak(Box::new(Pool::new()));
        pool.lock().helpers = helpers;
        (0..helpers).for_each(|_| drop(std::thread::spawn(|| pool.help())));
        pool
    }

    #[test]
    fn work_together_ends_before_the_call_does() {
        for helpers in [0, 1, 3] {
            let pool = pool(helpers);
            for round in 0..500 {
                let next = AtomicUsize::new(0);
                let sum = AtomicUsize::new(0);
                pool.together(helpers, &|| {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        if i >= 100 {
                            return;
                        }
                        sum.fetch_add(i, Ordering::Relaxed);
                    }
                });
                assert_eq!(sum.into_inner(), 4950, "round {round}, {helpers} helpers");
                assert!(pool.lock().tasks.is_empty());
            }
        }
    }

    #[test]
    fn a_helper_that_is_busy_is_not_waited_for() {
        let pool = pool(1);
        let (release, held) = channel::<()>();
        pool.post(move || held.recv().unwrap_or_default());
        let runs = AtomicUsize::new(0);
        for _ in 0..3 {
            pool.together(1, &|| {
                runs.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(runs.into_inner(), 3);
        release.send(()).unwrap();
    }

    #[test]
    fn waiting_ends_with_what_a_task_brings_or_with_a_breakdown() {
        let pool = pool(1);
        let (sender, receiver) = channel();
        pool.post(move || sender.send(5).unwrap());
        assert_eq!(pool.wait(|| receiver.try_recv().ok()), Some(5));
        std::thread::spawn(|| {
            pool.lock().broken = true;
            pool.announce();
        });
        assert_eq!(pool.wait(|| None::<()>), None);
        assert_eq!(pool.count(), 0);

        let runs = AtomicUsize::new(0);
        pool.together(1, &|| {
            runs.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(runs.into_inner(), 1);
    }
}
