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
                Ok(range)
            });
            assert!(ranges.unwrap().into_iter().flatten().eq(0..n));
        }
    }
}

#[test]
fn sums_have_the_same_bits_whatever_the_threads() {
    let x: Vec<f32> = crate::naive::numbers(10_001, 5);
    let total = |threads| {
        let sums = for_chunks(x.len(), 64, threads, |_, at| Ok(x[at].iter().sum::<f32>()));
        sums.unwrap().into_iter().sum()
    };
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
        let ids = team.for_chunks(2, 1, |_, _| {
            both.wait();
            Ok(thread::current().id())
        });
        others.extend(ids.unwrap());
    }
    assert!(others.remove(&caller) && others.len() == 1);
}

#[test]
fn the_caller_takes_the_first_chunks_and_a_helper_the_last() {
    let team = Team::new(2);
    let caller = thread::current().id();
    for _ in 0..100 {
        let both = std::sync::Barrier::new(2); // each thread takes one chunk before either takes a second
        let mine = team.for_chunks(4, 1, |i, _| {
            if i == 0 || i == 3 {
                both.wait();
            }
            Ok(thread::current().id() == caller)
        });
        let mine = mine.unwrap();
        assert!(mine[0] && !mine[3]);
    }
}

#[test]
fn a_team_serves_callers_at_once_and_copies_apart() {
    let team = Team::new(3);
    let copy = team.clone();
    thread::scope(|scope| {
        for team in [&team, &team, &copy] {
            scope.spawn(move || {
                for n in 0..500 {
                    let sums = team.for_chunks(n, 3, |_, at| Ok(at.sum::<usize>())).unwrap();
                    assert_eq!(sums.iter().sum::<usize>(), (0..n).sum());
                }
            });
        }
    });
}

#[test]
fn a_panic_reaches_the_caller_from_any_thread_and_leaves_the_team_whole() {
    let team = Team::new(2);
    for bad in 0..4 {
        let loops = || {
            team.for_chunks(4, 1, |i, _| {
                assert!(i != bad);
                Ok(())
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(loops)).is_err());
        assert_eq!(team.for_chunks(4, 1, |i, _| Ok(i)).unwrap(), [0, 1, 2, 3]);
    }
    let both = std::sync::Barrier::new(2);
    let caller = thread::current().id();
    let helper_panics = || {
        team.for_chunks(2, 1, |_, _| {
            both.wait();
            assert!(thread::current().id() == caller);
            Ok(())
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(helper_panics)).is_err());
}

#[test]
fn a_lack_of_memory_in_any_chunk_is_handed_on_and_leaves_the_team_whole() {
    let full = crate::OutOfMemory::new(8);
    for threads in [1, 2] {
        let team = Team::new(threads);
        for bad in 0..4 {
            assert_eq!(team.for_chunks(4, 1, |i, _| if i == bad { Err(full) } else { Ok(i) }), Err(full));
            assert_eq!(team.for_chunks(4, 1, |i, _| Ok(i)).unwrap(), [0, 1, 2, 3]);
        }
    }
}
