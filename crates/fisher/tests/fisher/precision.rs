//! Ill-conditioned systems, observations that are larger than a form, and bases that are taken anew.

use crate::common::*;
use nhgd_curvature::{Diagonal, Factors, LayerFactors, LayerShape, Observation, Statistic};
use nhgd_fisher::{RowKind, Smoothing};
use nhgd_kernels::Scalar;

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// In f32, samples of some features times 300 and λ = 1e-3; right-hand sides among the gradients, and anywhere.
#[test]
fn features_times_300_in_single_precision() {
    let (shape, d, samples) = ([layer(12, 3)], 36, 20);
    let mut random = Random(81);
    let mut factors = random.factors(samples, 1, &shape);
    factors.layers[0].inputs.iter_mut().for_each(|a| *a = f64::from((*a * 300.0) as f32));
    factors.layers[0].outputs.iter_mut().for_each(|s| *s = f64::from(*s as f32));
    factors.weights.fill(1.0);
    let exact = gradients(&factors);
    let data: Vec<f64> = exact.iter().map(|&g| f64::from(g as f32)).collect();
    let lambda = f64::from(1e-3f32);
    let among: Vec<f64> = (0..d).map(|i| data[i] + data[d + i]).collect();
    for b in [among, random.normals(d)] {
        let b: Vec<f64> = b.iter().map(|&b| f64::from(b as f32)).collect();
        for form in [Form::Window, Form::Sketch, Form::Samples] {
            // The factors make the gradients themselves, which no rounding has changed.
            let mut f = vec![0.0; d * d];
            accumulate(&mut f, 0.0, 1.0, if form == Form::Samples { &exact } else { &data }, d);
            let expected = reference(&f, |_| lambda, &b);
            let config = Config {
                form,
                damping: 1e-3,
                rows: RowKind::PerSample,
                smoothing: Smoothing::Average,
                size: 40,
                ..Config::default()
            };
            let mut fisher = config.build::<f32>(&shape, d, Diagonal::Scalar(0.0)).expect("good settings");
            fisher
                .refresh(&match form {
                    Form::Samples => Observation::Factors(Factors {
                        weights: narrow(&factors.weights),
                        directions: 1,
                        layers: vec![LayerFactors::new(
                            narrow(&factors.layers[0].inputs),
                            narrow(&factors.layers[0].outputs),
                        )],
                    }),
                    _ => rows(&data, d),
                })
                .expect("good samples");
            let mut x = vec![0f32; d];
            let report = fisher.solve(&narrow(&b), &mut x).expect("a solution");
            let x: Vec<f64> = x.iter().map(|x| x.wide()).collect();
            let error: Vec<f64> = x.iter().zip(&expected).map(|(x, y)| x - y).collect();
            let error = norm(&error) / norm(&expected);
            assert!(error < 1e-6, "{form:?}: off by {error:e}");
            // What is reported is the residual of the x that is returned, rounded as it is.
            let left: Vec<f64> = (0..d)
                .map(|i| b[i] - lambda * x[i] - (0..d).map(|j| f[i * d + j] * x[j]).sum::<f64>())
                .collect();
            let (told, truth) = (report.residual.expect("a residual"), norm(&left) / norm(&b));
            assert!((told / truth - 1.0).abs() < 0.05, "{form:?} tells {told:e}, and it is {truth:e}");
        }
    }
}

#[test]
fn a_residual_is_told_where_it_was_computed() {
    let (layers, d) = ([layer(3, 2)], 6);
    let mut random = Random(82);
    let factors = random.factors(4, 1, &layers);
    for (form, told) in [
        (Form::Dense, true),
        (Form::Window, false),
        (Form::Samples, false),
        (Form::Kronecker, false),
        (Form::EigenKronecker, false),
        (Form::Diagonal, false),
        (Form::Sketch, false),
    ] {
        let mut fisher = fisher(form, d, &layers, |config| config.damping = 0.1);
        fisher
            .observe(&match form {
                Form::Samples | Form::Kronecker | Form::EigenKronecker => {
                    Observation::Factors(factors.clone())
                }
                _ => rows(&gradients(&factors), d),
            })
            .expect("good samples");
        assert_eq!(solve(&mut *fisher, &[1.0; 6]).1.residual.is_some(), told, "{form:?}");
    }
    // Two directions per sample: no Gram matrix, conjugate gradients instead.
    let mut fisher = fisher(Form::Samples, d, &layers, |config| config.statistic = Statistic::Expected);
    fisher.observe(&Observation::Factors(random.factors(4, 2, &layers))).expect("good samples");
    assert!(solve(&mut *fisher, &[1.0; 6]).1.residual.is_some_and(|residual| residual < 1e-9));
}

/// All samples of the observation are the same: whichever are kept stand for all.
#[test]
fn an_observation_larger_than_the_form_stands_for_all_of_its_samples() {
    let (layers, d, count) = ([layer(3, 2)], 6, 23);
    let mut random = Random(83);
    let one = random.factors(1, 1, &layers);
    let copies = Factors {
        weights: one.weights.repeat(count),
        directions: 1,
        layers: vec![LayerFactors::new(
            one.layers[0].inputs.repeat(count),
            one.layers[0].outputs.repeat(count),
        )],
    };
    let b = random.normals(d);
    for smoothing in [Smoothing::Average, Smoothing::Forget(0.6)] {
        for refresh in [false, true] {
            for form in [Form::Dense, Form::Window, Form::Sketch, Form::Samples] {
                let mut fisher = fisher(form, d, &layers, |config| {
                    (config.smoothing, config.rows, config.size) = (smoothing, RowKind::PerSample, 4);
                });
                let observation = match form {
                    Form::Samples => Observation::Factors(copies.clone()),
                    _ => rows(&gradients(&copies), d),
                };
                let gamma = match (smoothing, form, refresh) {
                    (Smoothing::Forget(beta), Form::Dense | Form::Window | Form::Sketch, false) => 1.0 - beta,
                    _ => 1.0,
                };
                if refresh {
                    fisher.refresh(&observation).expect("good samples");
                } else {
                    fisher.observe(&observation).expect("good samples");
                }
                let mut f = vec![0.0; d * d];
                accumulate(&mut f, 0.0, gamma, &gradients(&one), d);
                let expected = reference(&f, |_| 0.01, &b);
                let distance = distance(&solve(&mut *fisher, &b).0, &expected);
                assert!(distance < 1e-9, "{form:?}, {smoothing:?}, refresh {refresh}: off by {distance:e}");
            }
        }
    }
}

#[test]
fn a_window_keeps_the_last_rows_of_a_larger_observation() {
    let (d, length, count) = (5, 3, 12);
    let mut random = Random(84);
    let (data, b) = (random.normals(count * d), random.normals(d));
    let mut window = fisher(Form::Window, d, &[], |config| {
        (config.smoothing, config.size) = (Smoothing::Average, length);
    });
    window.observe(&rows(&data, d)).expect("good rows");
    let mut f = vec![0.0; d * d];
    accumulate(&mut f, 0.0, (count / length) as f64, &data[(count - length) * d..], d);
    assert_close(&solve(&mut *window, &b).0, &reference(&f, |_| 0.01, &b), 1e-11);
}

/// One batch, seen again and again: smoothing changes nothing, and so may no new basis.
#[test]
fn a_new_eigenbasis_keeps_the_second_moments() {
    let layers: [LayerShape; 2] = [layer(7, 2), layer(3, 4)];
    let d = 26;
    let mut random = Random(85);
    let factors = random.factors(23, 2, &layers);
    let b = random.normals(d);
    let looks = |form, n: usize, refresh: bool| {
        let mut fisher = fisher(form, d, &layers, |config| {
            (config.smoothing, config.damping) = (Smoothing::Average, 0.05);
        });
        for _ in 0..n {
            let observation = Observation::Factors(factors.clone());
            if refresh {
                fisher.refresh(&observation).expect("good factors");
            } else {
                fisher.observe(&observation).expect("good factors");
            }
        }
        solve(&mut *fisher, &b).0
    };
    let once = looks(Form::EigenKronecker, 1, false);
    assert!(distance(&looks(Form::Kronecker, 1, false), &once) > 1e-2, "it is not the Kronecker product");
    for n in [2, 10, 11, 12, 50] {
        for refresh in [false, true] {
            let distance = distance(&looks(Form::EigenKronecker, n, refresh), &once);
            assert!(distance < 1e-8, "after {n} looks, refresh {refresh}: off by {distance:e}");
        }
    }
}
