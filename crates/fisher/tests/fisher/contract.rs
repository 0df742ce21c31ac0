//! What every form promises: settings are checked, bad input changes nothing, a saved state goes on with the same bits.

use crate::common::*;
use nhgd_curvature::{Diagonal, Factors, LayerFactors, LayerShape, Observation, Rows, Statistic, Wants};
use nhgd_fisher::{Fisher, FisherError, KroneckerDamping, RowKind, Smoothing, Start};
use nhgd_kernels::Scalar;

const FORMS: [Form; 7] = [
    Form::Dense,
    Form::Window,
    Form::Samples,
    Form::Kronecker,
    Form::EigenKronecker,
    Form::Diagonal,
    Form::Sketch,
];

pub const LAYERS: [LayerShape; 2] =
    [LayerShape { inputs: 3, outputs: 2 }, LayerShape { inputs: 2, outputs: 2 }];
pub const D: usize = 10;

/// Every form in every variant that has a state of its own.
pub fn variants() -> Vec<Config> {
    let mut all = Vec::new();
    for form in FORMS {
        for smoothing in [Smoothing::Forget(0.7), Smoothing::Average] {
            let held = Config {
                form,
                smoothing,
                size: 5,
                rows: RowKind::PerSample,
                basis_every: 2,
                ..Default::default()
            };
            all.push(Config { relative: true, ..held.clone() });
            match form {
                Form::Dense | Form::Window => all.push(Config { start: Start::Decaying, ..held.clone() }),
                Form::Kronecker => {
                    all.push(Config { kronecker_damping: KroneckerDamping::Split, ..held.clone() });
                }
                _ => {}
            }
            all.push(held);
        }
    }
    all
}

pub fn observation<T: Scalar>(fisher: &dyn Fisher<T>, random: &mut Random, samples: usize) -> Observation<T> {
    match fisher.wants() {
        Wants::Factors(_) => {
            let factors = random.factors(samples, 2, &LAYERS);
            Observation::Factors(Factors {
                weights: narrow(&factors.weights),
                directions: 2,
                layers: (factors.layers.iter())
                    .map(|layer| LayerFactors::new(narrow(&layer.inputs), narrow(&layer.outputs)))
                    .collect(),
            })
        }
        _ => rows(&random.normals(samples * D), D),
    }
}

/// Solutions of the same right-hand side, as f64.
fn answer<T: Scalar>(fisher: &mut dyn Fisher<T>) -> Vec<f64> {
    let mut x = vec![T::nan(); D];
    let report = fisher.solve(&narrow(&Random(99).normals(D)), &mut x).expect("a solution");
    assert!(report.damping > 0.0);
    x.iter().map(|x| x.wide()).collect()
}

fn state_goes_on<T: Scalar>() {
    let vector = Diagonal::Vector((0..D).map(|i| T::of(0.01 * i as f64)).collect());
    for (config, regularizer) in
        variants().into_iter().flat_map(|c| [(c.clone(), Diagonal::Scalar(T::zero())), (c, vector.clone())])
    {
        let new = || config.build::<T>(&LAYERS, D, regularizer.clone()).expect("good settings");
        for (steps, solves) in [(0, false), (1, false), (1, true), (4, true), (4, false)] {
            let (mut original, mut copy) = (new(), new());
            let mut random = Random(50);
            for t in 0..steps {
                let samples = observation(&*original, &mut random, 1 + t % 3);
                original.observe(&samples).expect("good samples");
            }
            if solves {
                answer(&mut *original);
            }
            copy.restore(&saved(&*original)).unwrap_or_else(|error| panic!("{config:?}: {error}"));
            for _ in 0..3 {
                assert_eq!(answer(&mut *copy), answer(&mut *original), "{config:?} after {steps} steps");
                let samples = observation(&*original, &mut random, 2);
                original.observe(&samples).expect("good samples");
                copy.observe(&samples).expect("good samples");
            }
        }
    }
}

#[test]
fn a_saved_state_goes_on_with_the_same_bits() {
    state_goes_on::<f64>();
    state_goes_on::<f32>();
}

#[test]
fn a_foreign_state_is_refused_and_changes_nothing() {
    for config in variants() {
        let new = || config.build::<f64>(&LAYERS, D, Diagonal::Scalar(0.0)).expect("good settings");
        let mut fisher = new();
        let samples = observation(&*fisher, &mut Random(51), 3);
        fisher.observe(&samples).expect("good samples");
        let (state, before) = (saved(&*fisher), answer(&mut *fisher));
        for k in 0..state.len() {
            let mut missing = state.clone();
            missing.remove(k);
            let mut longer = state.clone();
            longer[k].1.push(0.0);
            let mut infinite = state.clone();
            infinite[k].1.iter_mut().for_each(|x| *x = f64::INFINITY);
            for bad in [missing, longer, infinite] {
                let error = fisher.restore(&bad).expect_err("a foreign state");
                assert!(matches!(
                    error,
                    FisherError::Range { name: "state", .. } | FisherError::NotFinite { name: "state" }
                ));
                assert_eq!(answer(&mut *fisher), before, "{config:?} without a good {:?}", state[k].0);
            }
        }
    }
}

/// Rounding can make F indefinite; here a saved state says so. Damping is raised four times, then it is an error.
#[test]
fn a_fisher_that_stays_indefinite_is_an_error_until_it_is_forgotten() {
    for (form, entry) in [(Form::Dense, "data"), (Form::Window, "gram"), (Form::Kronecker, "outputs")] {
        let config = Config {
            form,
            damping: 1e-3,
            rows: RowKind::PerSample,
            kronecker_damping: KroneckerDamping::Split,
            size: 8,
            ..Config::default()
        };
        let mut fisher = config.build::<f64>(&LAYERS, D, Diagonal::Scalar(0.0)).expect("good settings");
        let samples = observation(&*fisher, &mut Random(53), 40);
        fisher.observe(&samples).expect("good samples");
        let before = answer(&mut *fisher);
        let mut state = saved(&*fisher);
        let (_, values) = state.iter_mut().find(|(name, _)| name == entry).expect("an entry");
        values.iter_mut().for_each(|x| *x *= -1e6);
        let remains = state.iter_mut().find(|(name, _)| name == "remains");
        remains
            .into_iter()
            .for_each(|(_, values)| values[0] = if form == Form::Dense { 0.0 } else { values[0] });
        fisher.restore(&state).expect("numbers of the right shape");
        for _ in 0..2 {
            let error = fisher.solve(&[1.0; D], &mut [0.0; D]).expect_err("an indefinite Fisher");
            assert!(
                matches!(error, FisherError::NotPositiveDefinite { damping } if damping > 0.5),
                "{form:?}"
            );
        }
        fisher.reset();
        fisher.observe(&samples).expect("good samples");
        assert_close(&answer(&mut *fisher), &before, 1e-9);
        let report = fisher.solve(&[1.0; D], &mut [0.0; D]).expect("a solution");
        assert_eq!((report.damping, report.fallbacks), (1e-3, 8), "{form:?}");
    }
}

/// Here too a saved state makes F indefinite, by so little that more damping helps.
#[test]
fn a_copy_counts_the_raises_of_its_original_once() {
    for (form, entry) in [(Form::Window, "gram"), (Form::Kronecker, "outputs")] {
        let config = Config {
            form,
            damping: 1e-3,
            rows: RowKind::PerSample,
            kronecker_damping: KroneckerDamping::Split,
            size: 8,
            ..Config::default()
        };
        let new = || config.build::<f64>(&LAYERS, D, Diagonal::Scalar(0.0)).expect("good settings");
        let mut fisher = new();
        fisher.observe(&observation(&*fisher, &mut Random(54), 4)).expect("good samples");
        let state = saved(&*fisher);
        let solve = |fisher: &mut dyn Fisher<f64>| fisher.solve(&[1.0; D], &mut [0.0; D]).ok();
        let raised = (-8..4).find_map(|exponent| {
            let mut state = state.clone();
            let (_, values) = state.iter_mut().find(|(name, _)| name == entry).expect("an entry");
            values.iter_mut().for_each(|x| *x *= -(10f64.powi(exponent)));
            fisher.restore(&state).expect("numbers of the right shape");
            solve(&mut *fisher).filter(|report| report.fallbacks > 0)
        });
        let raised = raised.expect("a Fisher that more damping helps").fallbacks;
        for _ in 0..2 {
            let mut copy = new();
            copy.restore(&saved(&*fisher)).expect("a state of its own");
            assert_eq!(solve(&mut *copy).expect("a solution").fallbacks, raised, "{form:?}");
            fisher = copy;
        }
    }
}

#[test]
fn bad_samples_change_nothing() {
    for config in variants() {
        let mut fisher = config.build::<f64>(&LAYERS, D, Diagonal::Scalar(0.0)).expect("good settings");
        let mut random = Random(52);
        let good = observation(&*fisher, &mut random, 4);
        fisher.observe(&good).expect("good samples");
        let before = answer(&mut *fisher);
        let mut bad = vec![
            Observation::Rows(Rows { data: vec![], count: 0 }),
            Observation::Rows(Rows { data: vec![1.0; D + 1], count: 1 }),
            Observation::Factors(Factors::default()),
            Observation::Moments(vec![1.0; 3], 2),
        ];
        match &good {
            Observation::Rows(good) => {
                for value in [f64::NAN, f64::INFINITY, 1e200] {
                    let mut rows = good.clone();
                    rows.data[D + 3] = value;
                    bad.push(Observation::Rows(rows));
                }
                bad.push(Observation::Factors(random.factors(2, 1, &LAYERS)));
            }
            Observation::Factors(good) => {
                let mut push = |spoil: fn(&mut Factors<f64>)| {
                    let mut factors = good.clone();
                    spoil(&mut factors);
                    bad.push(Observation::Factors(factors));
                };
                push(|f| f.weights[1] = f64::NAN);
                push(|f| f.weights[1] = -1.0);
                push(|f| f.layers[1].inputs[2] = f64::INFINITY);
                push(|f| f.layers[0].outputs[2] = f64::NAN);
                push(|f| f.layers[0].outputs.truncate(3));
                push(|f| f.layers.truncate(1));
                push(|f| f.directions = 3);
                bad.push(rows(&random.normals(D), D));
            }
            Observation::Moments(..) => unreachable!("no form asks for means"),
        }
        for bad in bad {
            let error = fisher.observe(&bad).expect_err("bad samples");
            assert_eq!(fisher.refresh(&bad).expect_err("bad samples"), error);
            assert!(!error.to_string().is_empty());
            assert_eq!(answer(&mut *fisher), before, "{config:?} after {error}");
        }
        for (b, x) in [(D - 1, D), (D, D + 1)] {
            assert!(matches!(
                fisher.solve(&vec![1.0; b], &mut vec![0.0; x]),
                Err(FisherError::Range { name: "target" | "solution", .. })
            ));
        }
        assert_eq!(
            fisher.solve(&[f64::NAN; D], &mut [0.0; D]),
            Err(FisherError::NotFinite { name: "target" })
        );
        for bad in [Diagonal::Scalar(-1.0), Diagonal::Vector(vec![0.1; D + 1]), Diagonal::Scalar(f64::NAN)] {
            fisher.set_regularizer(&bad).expect_err("a bad regulariser");
        }
        assert_eq!(answer(&mut *fisher), before);
        // It stays usable.
        fisher.observe(&good).expect("good samples");
        answer(&mut *fisher);
    }
}

#[test]
fn settings_are_checked() {
    type Change = fn(&mut Config);
    let cases: [(&str, Change); 17] = [
        ("damping", |c| c.damping = -1e-3),
        ("damping", |c| c.damping = f64::NAN),
        ("damping", |c| c.damping = f64::INFINITY),
        ("damping", |c| c.damping = 0.0),
        ("damping", |c| (c.form, c.start, c.damping) = (Form::Dense, Start::Decaying, 0.0)),
        ("smoothing", |c| c.smoothing = Smoothing::Forget(0.0)),
        ("smoothing", |c| c.smoothing = Smoothing::Forget(1.0)),
        ("smoothing", |c| c.smoothing = Smoothing::Forget(f64::NAN)),
        ("length", |c| c.size = 0),
        ("samples", |c| (c.form, c.size) = (Form::Samples, 0)),
        ("rank", |c| (c.form, c.size) = (Form::Sketch, 0)),
        ("relative", |c| (c.form, c.start, c.relative) = (Form::Dense, Start::Decaying, true)),
        ("keep", |c| (c.form, c.keep) = (Form::Kronecker, 1.0)),
        ("basisEvery", |c| (c.form, c.basis_every) = (Form::EigenKronecker, 0)),
        ("tolerance", |c| (c.form, c.tolerance) = (Form::Dense, 0.0)),
        ("layers", |c| (c.form, c.size) = (Form::Samples, 3)),
        ("layers", |c| c.form = Form::EigenKronecker),
    ];
    for (name, change) in cases {
        let mut config = Config::default();
        change(&mut config);
        let layers = if name == "layers" { &LAYERS[..1] } else { &LAYERS[..] };
        match refused(config.build::<f64>(layers, D, Diagonal::Scalar(0.0))) {
            FisherError::Range { name: found, .. } => assert_eq!(found, name),
            error => panic!("{name}: {error}"),
        }
    }
    let zero = Config { damping: 0.0, ..Default::default() };
    let entry = |x: f64| Diagonal::Vector((0..D).map(|i| if i == 4 { x } else { 0.1 }).collect());
    assert!(zero.build::<f64>(&LAYERS, D, entry(0.2)).is_ok());
    for (regularizer, name) in [
        (entry(0.0), "damping"),
        (entry(-0.1), "regularizer"),
        (Diagonal::Vector(vec![1.0; 3]), "regularizer"),
    ] {
        assert!(
            matches!(refused(zero.build(&LAYERS, D, regularizer)), FisherError::Range { name: found, .. } if found == name)
        );
    }
    assert_eq!(
        refused(zero.build(&LAYERS, D, entry(f64::NAN))),
        FisherError::NotFinite { name: "regularizer" }
    );
    assert!(matches!(
        refused(Config::default().build::<f64>(&[], 0, Diagonal::Scalar(1.0))),
        FisherError::Range { name: "parameters", .. }
    ));
}

#[test]
fn without_samples_a_is_the_inverse_of_the_diagonal() {
    let b = Random(53).normals(D);
    for config in variants().into_iter().filter(|config| config.start == Start::Held) {
        let mut fisher = config.build::<f64>(&LAYERS, D, Diagonal::Scalar(0.04)).expect("good settings");
        let level = if config.relative { 0.0 } else { 0.01 };
        let expected: Vec<f64> = b.iter().map(|b| b / (0.04 + level)).collect();
        assert_close(&solve(&mut *fisher, &b).0, &expected, 1e-12);
    }
}

#[test]
fn reset_and_refresh_forget() {
    for config in variants() {
        let new = || config.build::<f64>(&LAYERS, D, Diagonal::Scalar(0.01)).expect("good settings");
        let (mut used, mut fresh) = (new(), new());
        let mut random = Random(54);
        let samples: Vec<_> = (0..3).map(|_| observation(&*fresh, &mut random, 3)).collect();
        used.observe(&samples[0]).expect("good samples");
        answer(&mut *used);
        used.reset();
        used.refresh(&samples[1]).expect("good samples");
        fresh.refresh(&samples[1]).expect("good samples");
        assert_eq!(answer(&mut *used), answer(&mut *fresh), "{config:?}");
        if !matches!(config.form, Form::Kronecker | Form::EigenKronecker) {
            used.refresh(&samples[2]).expect("good samples");
            let mut fresh = new();
            fresh.refresh(&samples[2]).expect("good samples");
            assert_eq!(answer(&mut *used), answer(&mut *fresh), "{config:?}");
        }
        assert!(used.bytes() > 0);
    }
}

#[test]
fn the_diagonal_is_the_diagonal() {
    let mut random = Random(55);
    let data = random.normals(4 * D);
    let b = random.normals(D);
    let mut fisher = fisher(Form::Diagonal, D, &[], |config| config.smoothing = Smoothing::Forget(0.6));
    let mut squares = [0.0; D];
    for g in data.chunks_exact(D) {
        fisher.observe(&rows(g, D)).expect("a good row");
        squares.iter_mut().zip(g).for_each(|(f, g)| *f = 0.6 * *f + 0.4 * g * g);
    }
    let expected: Vec<f64> = b.iter().zip(&squares).map(|(b, f)| b / (f + 0.01)).collect();
    assert_close(&solve(&mut *fisher, &b).0, &expected, 1e-12);
}

#[test]
fn the_sketch_errs_by_the_tail_alone() {
    // F has three large directions and a tail; a sketch of six keeps the three and stays below F.
    let d = 20;
    let mut random = Random(56);
    let mut data = Vec::new();
    for _ in 0..200 {
        let large = random.normals(3);
        data.extend(
            (0..d).map(|i| if i < 3 { 10.0 * large[i] } else { 0.1 * random.normal() } / 200f64.sqrt()),
        );
    }
    let mut f = vec![0.0; d * d];
    accumulate(&mut f, 0.0, 1.0, &data, d);
    let mut fisher = fisher(Form::Sketch, d, &[], |config| {
        (config.size, config.smoothing, config.rows) = (6, Smoothing::Average, RowKind::PerSample);
    });
    for batch in data.chunks_exact(10 * d) {
        let scaled: Vec<f64> = batch.iter().map(|g| g * (200f64 / 10.0).sqrt()).collect();
        fisher.observe(&rows(&scaled, d)).expect("good rows");
    }
    // 0 ≤ F − F̂ ≤ (what F has beyond its three largest directions) / (6 − 3).
    let tail: f64 = (3..d).map(|k| f[k * d + k]).sum();
    let a = inverse(&mut *fisher);
    for _ in 0..100 {
        let v = random.normals(d);
        let estimate: f64 = reference(&a, |_| 0.0, &v).iter().zip(&v).map(|(y, v)| (y - 0.01 * v) * v).sum();
        let exact: f64 = (0..d * d).map(|k| v[k / d] * f[k] * v[k % d]).sum();
        let norm: f64 = v.iter().map(|v| v * v).sum();
        assert!((-1e-9..=tail / 3.0).contains(&((exact - estimate) / norm)), "{exact} against {estimate}");
    }
}

#[test]
fn relative_damping_follows_the_trace() {
    let data = Random(57).normals(6 * D);
    let trace: f64 = data.iter().map(|g| g * g).sum();
    for scale in [1.0, 1e-6, 1e6] {
        let scaled: Vec<f64> = data.iter().map(|g| g * scale).collect();
        for form in [Form::Dense, Form::Window, Form::Diagonal, Form::Sketch] {
            let mut fisher = fisher(form, D, &[], |config| {
                (config.relative, config.damping, config.smoothing) = (true, 0.1, Smoothing::Average);
            });
            fisher.observe(&rows(&scaled, D)).expect("good rows");
            let level = solve(&mut *fisher, &[1.0; D]).1.damping;
            let expected = 0.1 * trace / D as f64 * scale * scale;
            assert!((level / expected - 1.0).abs() < 1e-9, "{form:?}: {level} against {expected}");
        }
    }
}

#[test]
fn a_failed_factorisation_raises_damping_and_says_so() {
    // One direction in f32 and damping far below its rounding.
    let config =
        Config { form: Form::Dense, damping: 1e-14, statistic: Statistic::Sampled, ..Config::default() };
    let d = 40;
    let mut fisher = config.build::<f32>(&[], d, Diagonal::Scalar(0.0)).expect("good settings");
    fisher.refresh(&rows(&Random(58).normals(d), d)).expect("more damping helps");
    let mut x = vec![0.0; d];
    let report = fisher.solve(&vec![1.0; d], &mut x).expect("a solution");
    assert!(report.fallbacks > 0 && report.damping > 1e-8, "{report:?}");
    assert!(x.iter().all(|x| x.is_finite()));
}
