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
