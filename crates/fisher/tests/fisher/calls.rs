//! Any calls in any order: a copy goes on with the same bits, and a call that fails changes nothing.

use crate::common::*;
use crate::contract::{D, LAYERS, observation, variants};
use nhgd_curvature::Diagonal;
use nhgd_fisher::{Fisher, State};
use nhgd_kernels::Scalar;

/// Some call; gives the solution of a solve. Calls that fail are among them.
fn call<T: Scalar>(fisher: &mut dyn Fisher<T>, random: &mut Random) -> Vec<f64> {
    match (random.uniform() * 9.0) as u32 {
        0..3 => {
            let samples = 1 + (random.uniform() * 7.0) as usize;
            fisher.observe(&observation(fisher, random, samples)).expect("good samples");
        }
        3 => fisher.refresh(&observation(fisher, random, 4)).expect("good samples"),
        4 => {
            let d = Diagonal::Vector((0..D).map(|_| T::of(random.uniform())).collect());
            fisher.set_regularizer(&d).expect("a good regulariser");
        }
        5 => {
            let d = Diagonal::Scalar(T::of(random.uniform()));
            fisher.set_regularizer(&d).expect("a good regulariser");
        }
        6 if random.uniform() < 0.3 => fisher.reset(),
        7 => {
            let before = fisher.state().unwrap();
            fisher.observe(&rows(&[f64::NAN; D], D)).expect_err("bad rows");
            fisher.refresh(&rows(&[1.0; D + 1], D + 1)).expect_err("bad rows");
            fisher.set_regularizer(&Diagonal::Scalar(T::of(-1.0))).expect_err("a bad regulariser");
            fisher.solve(&[T::nan(); D], &mut [T::zero(); D]).expect_err("a bad target");
            fisher.restore(&[]).expect_err("an empty state");
            assert_eq!(fisher.state().unwrap(), before);
        }
        _ => {
            let mut x = vec![T::zero(); D];
            fisher.solve(&narrow(&random.normals(D)), &mut x).expect("a solution");
            return x.iter().map(|x| x.wide()).collect();
        }
    }
    Vec::new()
}

fn copies_go_on<T: Scalar>() {
    for (seed, config) in variants().into_iter().enumerate() {
        let new = |d: f64| config.build::<T>(&LAYERS, D, Diagonal::Scalar(T::of(d))).expect("good settings");
        let mut random = Random(1000 + seed as u64);
        let mut original = new(0.3);
        for at in 0..60 {
            call(&mut *original, &mut random);
            // The copy had another regulariser and a past of its own.
            let mut copy = new(2.0);
            call(&mut *copy, &mut Random(at));
            copy.restore(&saved(&*original)).unwrap_or_else(|error| panic!("{config:?}: {error}"));
            assert_eq!(copy.state(), original.state(), "{config:?} after {at} calls");
            // Both are given the same calls; the original goes on from there.
            for _ in 0..3 {
                let mut again = Random(random.0);
                let expected = call(&mut *original, &mut random);
                assert_eq!(call(&mut *copy, &mut again), expected, "{config:?} after {at} calls");
            }
        }
    }
}

#[test]
fn a_copy_goes_on_with_the_same_bits_after_any_calls() {
    copies_go_on::<f64>();
    copies_go_on::<f32>();
}

fn without_fallbacks(state: State) -> State {
    state.into_iter().filter(|(name, _)| *name != "fallbacks").collect()
}

/// Here a saved state makes F indefinite, so that solves and the factorisations of refreshes fail.
#[test]
fn a_solve_that_fails_changes_nothing_but_its_count() {
    for config in variants() {
        let Some(entry) = (match config.form {
            Form::Dense => Some("data"),
            Form::Window => Some("gram"),
            Form::Kronecker => Some("outputs"),
            _ => None,
        }) else {
            continue;
        };
        for d in [Diagonal::Scalar(0.0), Diagonal::Vector((0..D).map(|i| 0.01 * i as f64).collect())] {
            let mut fisher = config.build::<f64>(&LAYERS, D, d).expect("good settings");
            let samples = observation(&*fisher, &mut Random(91), 40);
            fisher.observe(&samples).expect("good samples");
            let mut state = saved(&*fisher);
            for (name, values) in &mut state {
                match name.as_str() {
                    name if name == entry => values.iter_mut().for_each(|x| *x *= -1e9),
                    "remains" if config.form == Form::Dense => values[0] = 0.0,
                    _ => {}
                }
            }
            if fisher.restore(&state).is_err() {
                continue; // a start that decays has no such entry
            }
            let before = without_fallbacks(fisher.state().unwrap());
            if fisher.solve(&[1.0; D], &mut [0.0; D]).is_err() {
                assert_eq!(without_fallbacks(fisher.state().unwrap()), before, "{config:?}");
            }
        }
    }
}

/// A saved state holds rows of 1e30 in f32: their Gram matrix overflows when the sketch is rotated.
#[test]
fn a_sketch_that_can_not_be_rotated_stays_as_it_was() {
    let config = Config { form: Form::Sketch, size: 3, ..Config::default() };
    let mut fisher = config.build::<f32>(&[], D, Diagonal::Scalar(0.1)).expect("good settings");
    let mut random = Random(92);
    fisher.observe(&rows(&random.normals(5 * D), D)).expect("good rows");
    let mut state = saved(&*fisher);
    let (_, values) = state.iter_mut().find(|(name, _)| name == "rows").expect("rows");
    values.iter_mut().for_each(|x| *x *= 1e30);
    fisher.restore(&state).expect("finite numbers");
    let before = fisher.state().unwrap();
    fisher.observe(&rows(&random.normals(4 * D), D)).expect_err("an overflow");
    assert_eq!(fisher.state().unwrap(), before);
    fisher.refresh(&rows(&random.normals(9 * D), D)).expect("good rows");
}
