use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Once};

use nhgd_kernels::helpers;

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

/// Some hundred jobs in order, with results that somebody waits for, by each way to wait for them.
fn works_off(queue: &dyn Queue<Vec<usize>>, receive: fn(&Ticket<usize>) -> Option<usize>) {
    for i in 0..400 {
        let post = || {
            let job: Job<Vec<usize>> = Box::new(move |done| done.push(i));
            queue.post(job, if i % 9 == 0 { Place::Bounded(BYTES / 16) } else { Place::Gathered(BYTES / 16) })
        };
        while !post() {
            queue.wait();
        }
        if i % 50 == 49 {
            let (sender, ticket) = sync_channel(1);
            let job: Job<Vec<usize>> = Box::new(move |done| sender.send(done.len()).unwrap());
            queue.post(job, Place::Always);
            assert_eq!(receive(&ticket), Some(i + 1));
        }
    }
    let (sender, ticket) = sync_channel(1);
    let job: Job<Vec<usize>> = Box::new(move |done| {
        assert!(done.iter().copied().eq(0..400));
        sender.send(0).unwrap();
    });
    queue.post(job, Place::Always);
    assert_eq!(receive(&ticket), Some(0));
}

/// A queue that is dropped amid its jobs: each has run or was dropped, and none runs twice.
fn ends<Q: Queue<Arc<AtomicUsize>>>(new: impl Fn(Arc<AtomicUsize>) -> Q) {
    for round in 0..40 {
        let (runs, held) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
        let queue = new(runs.clone());
        for _ in 0..round {
            let held = held.clone();
            let job: Job<Arc<AtomicUsize>> = Box::new(move |runs| {
                let _held = &held;
                runs.fetch_add(1, Ordering::Relaxed);
            });
            queue.post(job, Place::Bounded(1));
        }
        drop(queue);
        while Arc::strong_count(&held) > 1 {
            std::thread::yield_now();
        }
        assert!(runs.load(Ordering::Relaxed) <= round);
    }
}

/// Helpers stay for ever, as those of a WebAssembly memory do.
fn helped() {
    static START: Once = Once::new();
    START.call_once(|| {
        helpers::expect(2);
        (0..2).for_each(|_| drop(std::thread::spawn(helpers::help)));
    });
}

#[test]
fn jobs_run_in_order_on_a_thread_of_their_own() {
    works_off(&Threaded::new(Vec::new()), receive);
    ends(Threaded::new);
}

#[test]
fn jobs_run_in_order_on_helpers() {
    helped();
    works_off(&helped::Helped::new(Vec::new()), helped::receive);
    ends(helped::Helped::new);
    let queues: Vec<_> = (0..4).map(|_| helped::Helped::new(Vec::new())).collect();
    std::thread::scope(|scope| {
        for queue in &queues {
            scope.spawn(|| works_off(queue, helped::receive));
        }
    });
}

#[test]
fn a_panic_on_a_thread_of_its_own_is_told_to_who_waits() {
    let queue = Threaded::new(());
    let (sender, ticket) = sync_channel::<()>(1);
    let job: Job<()> = Box::new(move |()| {
        let _sender = sender;
        std::panic::resume_unwind(Box::new("amid a job"));
    });
    queue.post(job, Place::Always);
    assert_eq!(receive(&ticket), None);
}
