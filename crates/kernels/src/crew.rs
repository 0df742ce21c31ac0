//! Helper threads that stay between loops, for loops that are shorter than the start of a thread.

use std::hint::spin_loop;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// How often a thread looks for work before it sleeps: about as long as it takes to wake a thread.
const SPINS: usize = 1000;

type Work = &'static (dyn Fn() + Sync);

/// The threads that the loops of one caller share.
#[derive(Debug, Default)]
pub(crate) struct Crew(Mutex<Vec<Helper>>);

impl Crew {
    /// Runs `work` here and on up to `others` threads at once; a panic of any of them reaches the caller. The
    /// caller works alone while another caller uses the crew, or if no thread starts.
    pub fn together(&self, others: usize, work: &(dyn Fn() + Sync)) {
        let Ok(mut helpers) = self.0.try_lock() else {
            return work();
        };
        while helpers.len() < others
            && let Ok(helper) = Helper::start()
        {
            helpers.push(helper);
        }
        let panic = Mutex::new(None);
        let guarded = || {
            if let Err(cause) = catch_unwind(AssertUnwindSafe(work)) {
                *panic.lock().unwrap_or_else(|e| e.into_inner()) = Some(cause);
            }
        };
        let others = others.min(helpers.len());
        run(&helpers[..others], &guarded);
        drop(helpers);
        if let Some(cause) = panic.into_inner().unwrap_or_else(|e| e.into_inner()) {
            resume_unwind(cause);
        }
    }
}

/// Calls `work`, which doesn't panic, here and at most once on each helper. On return no helper holds it.
fn run(helpers: &[Helper], work: &(dyn Fn() + Sync)) {
    struct Calls<'a>(&'a [Helper]);
    impl Drop for Calls<'_> {
        fn drop(&mut self) {
            self.0.iter().for_each(Helper::finish);
        }
    }
    let calls = Calls(helpers);
    // SAFETY: a helper calls `work` between `post` and the end of its `finish` only, and `calls`, which finishes each,
    // is dropped before this function returns or unwinds.
    let lasting = unsafe { std::mem::transmute::<&(dyn Fn() + Sync), Work>(work) };
    helpers.iter().for_each(|helper| helper.post(lasting));
    work();
    drop(calls);
}

const IDLE: u8 = 0;
const POSTED: u8 = 1;
const RUNNING: u8 = 2;
const STOPPED: u8 = 3;

/// A thread that runs the work that it is given.
#[derive(Debug)]
struct Helper {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

/// What a helper and its caller share. IDLE → POSTED by the caller; from there back to IDLE by the caller, or to
/// RUNNING and then to IDLE by the helper.
#[derive(Default)]
struct Desk {
    state: AtomicU8,
    /// Present while POSTED.
    work: Mutex<Option<Work>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Helper {
    fn start() -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let thread = thread::Builder::new().name("nhgd helper".into()).spawn({
            let desk = desk.clone();
            move || desk.serve()
        })?;
        Ok(Self { desk, thread: Some(thread) })
    }

    fn post(&self, work: Work) {
        *self.desk.work.lock().unwrap_or_else(|e| e.into_inner()) = Some(work);
        self.wake(POSTED);
    }

    /// Takes the work back if the helper has not begun it; otherwise waits until it is done.
    fn finish(&self) {
        let state = &self.desk.state;
        if state.compare_exchange(POSTED, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return;
        }
        let mut looks = 0;
        while state.load(Ordering::Acquire) == RUNNING {
            looks += 1;
            if looks < SPINS { spin_loop() } else { thread::yield_now() }
        }
    }

    fn wake(&self, state: u8) {
        self.desk.state.store(state, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.wake(STOPPED);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Desk {
    /// The loop of the helper's thread. Work does not panic.
    fn serve(&self) {
        let mut looks = 0;
        loop {
            match self.state.compare_exchange(POSTED, RUNNING, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let work = self.work.lock().unwrap_or_else(|e| e.into_inner()).take();
                    work.expect("posted work is on the desk")();
                    self.state.store(IDLE, Ordering::Release);
                    looks = 0;
                }
                Err(STOPPED) => return,
                Err(_) if looks < SPINS => {
                    looks += 1;
                    spin_loop();
                }
                Err(_) => {
                    thread::park();
                    looks = 0;
                }
            }
        }
    }
}
