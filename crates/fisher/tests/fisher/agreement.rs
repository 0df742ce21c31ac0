//! Forms that claim to be exact agree with each other and with plain elimination.

use crate::common::*;
use nhgd_curvature::{Diagonal, Factors, LayerFactors, LayerShape, Observation, Statistic};
use nhgd_fisher::{RowKind, Smoothing};

/// Dense, window, samples and a sketch of full rank on one set of factors, against elimination.
fn all_agree(
    factors: &Factors<f64>,
    layers: &[LayerShape],
    damping: f64,
    d_entries: Diagonal<f64>,
    tolerance: f64,
) {
    let d: usize = layers.iter().map(|l| l.inputs * l.outputs).sum();
    let gradients = gradients(factors);
    let b = Random(77).normals(d);
    let mut f = vec![0.0; d * d];
    accumulate(&mut f, 0.0, 1.0, &gradients, d);
    let expected = reference(&f, |i| d_entries.at(i) + damping, &b);
    for form in [Form::Dense, Form::Window, Form::Samples, Form::Sketch] {
        let config = Config {
            form,
            damping,
            rows: RowKind::PerSample,
            smoothing: Smoothing::Average,
            size: (gradients.len() / d).max(factors.weights.len()),
            tolerance: 1e-13,
            ..Config::default()
        };
        let mut fisher = config.build(layers, d, d_entries.clone()).expect("good settings");
        let observation = match form {
            Form::Samples => Observation::Factors(factors.clone()),
            _ => rows(&gradients, d),
        };
        fisher.observe(&observation).expect("a good observation");
        let (x, report) = solve(&mut *fisher, &b);
        assert!(
            distance(&x, &expected) <= tolerance,
            "{form:?}, d = {d}, {} rows: off by {:e}",
            gradients.len() / d,
            distance(&x, &expected)
        );
        assert!(!report.mean_regularizer);
        assert_eq!(solve(&mut *fisher, &b).0, x, "{form:?}: a repeated solve has the same bits");
    }
}

#[test]
fn at_all_sizes() {
    let mut random = Random(6);
    for d in [1, 2, 3, 17, 64, 65] {
        for samples in [1, 2, 3, 17, 64, 65] {
            for layers in [vec![layer(d, 1)], vec![layer(1, d)]] {
                all_agree(&random.factors(samples, 1, &layers), &layers, 0.1, Diagonal::Scalar(0.02), 1e-10);
            }
        }
    }
}

#[test]
fn with_several_layers_directions_and_regularisers() {
    let mut random = Random(7);
    let layers = [layer(4, 3), layer(3, 5), layer(1, 2)];
    for directions in [1, 4] {
        let factors = random.factors(12, directions, &layers);
        let entries = (0..29).map(|_| random.uniform()).collect();
        all_agree(&factors, &layers, 0.01, Diagonal::Scalar(0.0), 1e-10);
        all_agree(&factors, &layers, 0.01, Diagonal::Vector(entries), 1e-10);
        let single = [layer(6, 3)];
        all_agree(&random.factors(12, directions, &single), &single, 0.01, Diagonal::Scalar(0.1), 1e-10);
    }
}

#[test]
fn with_duplicates_zeros_and_bad_conditioning() {
    let mut random = Random(8);
    let shape = [layer(6, 2)];
    let mut factors = random.factors(9, 1, &shape);
    let inputs = &mut factors.layers[0].inputs;
    inputs.copy_within(0..6, 6);
    inputs.copy_within(0..6, 12);
    factors.layers[0].outputs.copy_within(0..2, 2);
    factors.weights[4] = 0.0;
    all_agree(&factors, &shape, 0.01, Diagonal::Scalar(0.0), 1e-9);
    // Columns from 1e-3 to 1e2: F's condition is 1e10 and more.
    for row in factors.layers[0].inputs.chunks_exact_mut(6) {
        row.iter_mut().enumerate().for_each(|(j, a)| *a *= 10f64.powi(j as i32 - 3));
    }
    all_agree(&factors, &shape, 1e-4, Diagonal::Scalar(0.0), 1e-7);
}

#[test]
fn in_single_precision() {
    let mut random = Random(9);
    let shape = [layer(20, 3)];
    let factors = random.factors(40, 1, &shape);
    let gradients = gradients(&factors);
    let b = random.normals(60);
    let mut f = vec![0.0; 60 * 60];
    accumulate(&mut f, 0.0, 1.0, &gradients, 60);
    let expected = reference(&f, |_| 0.1, &b);
    let observed = Factors::<f32> {
        weights: narrow(&factors.weights),
        directions: 1,
        layers: vec![LayerFactors::new(
            narrow(&factors.layers[0].inputs),
            narrow(&factors.layers[0].outputs),
        )],
    };
    for form in [Form::Dense, Form::Window, Form::Samples, Form::Sketch] {
        let config = Config {
            form,
            damping: 0.1,
            rows: RowKind::PerSample,
            smoothing: Smoothing::Average,
            ..Config::default()
        };
        let mut fisher = config.build::<f32>(&shape, 60, Diagonal::Scalar(0.0)).expect("good settings");
        let observation = match form {
            Form::Samples => Observation::Factors(observed.clone()),
            _ => rows(&gradients, 60),
        };
        fisher.observe(&observation).expect("a good observation");
        let mut x = vec![0.0f32; 60];
        fisher.solve(&narrow(&b), &mut x).expect("a solution");
        let x: Vec<f64> = x.into_iter().map(f64::from).collect();
        assert_close(&x, &expected, 1e-4);
    }
}

#[test]
fn smoothed_dense_and_window_agree() {
    // Through many refactorisations of the dense form, single rows and batches of rows alike.
    let (d, beta, damping) = (11, 0.8, 0.03);
    let mut random = Random(10);
    let new = |form| {
        fisher(form, d, &[], |config| {
            config.smoothing = Smoothing::Forget(beta);
            config.damping = damping;
            config.size = 400;
        })
    };
    let (mut dense, mut window) = (new(Form::Dense), new(Form::Window));
    let mut f = vec![0.0; d * d];
    for t in 0..100 {
        let batch = random.normals(d * (1 + t % 4));
        accumulate(&mut f, beta, 1.0 - beta, &batch, d);
        dense.observe(&rows(&batch, d)).expect("good rows");
        window.observe(&rows(&batch, d)).expect("good rows");
        if t % 7 == 0 {
            let b = random.normals(d);
            let expected = reference(&f, |_| damping, &b);
            assert_close(&solve(&mut *dense, &b).0, &expected, 1e-8);
            assert_close(&solve(&mut *window, &b).0, &expected, 1e-10);
        }
    }
}

#[test]
fn a_full_window_forgets_its_oldest_rows() {
    let (d, m) = (6, 5);
    let mut random = Random(11);
    let all = random.normals(13 * d);
    let b = random.normals(d);
    for (smoothing, weight) in [
        (Smoothing::Average, (|_| 1.0 / 5.0) as fn(usize) -> f64),
        (Smoothing::Forget(0.7), |age| 0.3 * 0.7f64.powi(age as i32)),
    ] {
        let mut window =
            fisher(Form::Window, d, &[], |config| (config.smoothing, config.size) = (smoothing, m));
        all.chunks_exact(d).for_each(|g| window.observe(&rows(g, d)).expect("a good row"));
        let mut f = vec![0.0; d * d];
        for (age, g) in all.chunks_exact(d).rev().take(m).enumerate() {
            accumulate(&mut f, 1.0, weight(age), g, d);
        }
        assert_close(&solve(&mut *window, &b).0, &reference(&f, |_| 0.01, &b), 1e-11);
    }
}

#[test]
fn the_average_does_not_depend_on_the_batches() {
    let layers = [layer(3, 2), layer(2, 2)];
    let mut random = Random(12);
    let whole = random.factors(24, 2, &layers);
    let b = random.normals(10);
    let part = |from: usize, to: usize| Factors {
        weights: whole.weights[from..to].to_vec(),
        directions: 2,
        layers: (whole.layers.iter().zip(&layers))
            .map(|(factors, shape)| {
                LayerFactors::new(
                    factors.inputs[from * shape.inputs..to * shape.inputs].to_vec(),
                    factors.outputs[from * 2 * shape.outputs..to * 2 * shape.outputs].to_vec(),
                )
            })
            .collect(),
    };
    for form in [Form::Dense, Form::Window, Form::Samples, Form::Kronecker, Form::Diagonal] {
        let solved = |bounds: &[usize]| {
            let mut fisher = fisher(form, 10, &layers, |config| {
                config.rows = RowKind::PerSample;
                config.smoothing = Smoothing::Average;
            });
            for ends in bounds.windows(2) {
                let factors = part(ends[0], ends[1]);
                let observation = match form {
                    Form::Samples | Form::Kronecker => Observation::Factors(factors),
                    _ => rows(&gradients(&factors), 10),
                };
                fisher.observe(&observation).expect("a good observation");
            }
            solve(&mut *fisher, &b).0
        };
        let expected = solved(&[0, 24]);
        assert_close(&solved(&[0, 8, 16, 24]), &expected, 1e-9);
        assert_close(&solved(&[0, 1, 13, 20, 24]), &expected, 1e-9);
    }
}

#[test]
fn the_empirical_fisher_reproduces_the_networks_hypergradient() {
    let fixture = Fixture::load("mlp2");
    let (d, n, lambda) = (53, 32, fixture.scalar("lam"));
    let sigma: Vec<f64> = fixture.array("v").iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect();
    let mut gradients = fixture.array("per_sample_grads_star");
    for (row, s) in gradients.chunks_exact_mut(d).zip(&sigma) {
        row.iter_mut().for_each(|g| *g *= (s / n as f64).sqrt());
    }
    let cross = fixture.array("cross_star");
    for form in [Form::Dense, Form::Window, Form::Sketch] {
        let mut fisher = fisher(form, d, &[], |config| {
            config.rows = RowKind::PerSample;
            config.damping = 2.0 * lambda;
            config.tolerance = 1e-13;
        });
        fisher.refresh(&rows(&gradients, d)).expect("good rows");
        let u = solve(&mut *fisher, &fixture.array("grad_f_star")).0;
        let hypergradient: Vec<f64> =
            (0..n).map(|i| -(0..d).map(|j| cross[j * n + i] * u[j]).sum::<f64>()).collect();
        assert_close(&hypergradient, &fixture.array("hypergrad_efim"), 1e-10);
    }
}

#[test]
fn sampled_labels_approach_all_labels() {
    // Softmax of four samples: the error of F from R draws a sample falls as 1/√R.
    let (inputs, classes, samples, d) = (3, 3, 4, 9);
    let mut random = Random(13);
    let x = random.normals(samples * inputs);
    let p: Vec<f64> = (0..samples)
        .flat_map(|_| {
            let e: Vec<f64> = (0..classes).map(|_| random.normal().exp()).collect();
            let total: f64 = e.iter().sum();
            e.into_iter().map(move |e| e / total)
        })
        .collect();
    let residual = |i: usize, label: usize| {
        let p = &p[i * classes..][..classes];
        (0..classes).map(|c| p[c] - if c == label { 1.0 } else { 0.0 }).collect::<Vec<_>>()
    };
    let damping = 0.5;
    let solved = |statistic, factors: Factors<f64>| {
        let mut fisher = fisher(Form::Samples, d, &[layer(inputs, classes)], |config| {
            (config.statistic, config.damping, config.size) = (statistic, damping, factors.weights.len());
        });
        fisher.observe(&Observation::Factors(factors)).expect("good factors");
        inverse(&mut *fisher)
    };
    let mut outputs = Vec::new();
    for i in 0..samples {
        for k in 0..classes {
            outputs.extend(residual(i, k).iter().map(|s| p[i * classes + k].sqrt() * s));
        }
    }
    let layers = vec![LayerFactors::new(x.clone(), outputs)];
    let expected =
        solved(Statistic::Expected, Factors { weights: vec![1.0; samples], directions: classes, layers });
    let mut error = |draws: usize| {
        let repeats = 8;
        let total: f64 = (0..repeats)
            .map(|_| {
                let mut factors =
                    Factors { weights: vec![1.0; samples * draws], directions: 1, layers: Vec::new() };
                let mut layer = LayerFactors::new(Vec::new(), Vec::new());
                for i in (0..samples).cycle().take(samples * draws) {
                    let mut u = random.uniform();
                    let label = (0..classes - 1).find(|&c| {
                        u -= p[i * classes + c];
                        u < 0.0
                    });
                    layer.inputs.extend_from_slice(&x[i * inputs..][..inputs]);
                    layer.outputs.extend(residual(i, label.unwrap_or(classes - 1)));
                }
                factors.layers.push(layer);
                let sampled = solved(Statistic::Sampled, factors);
                sampled.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
            })
            .sum();
        (total / repeats as f64).sqrt()
    };
    let ratio = error(16) / error(1600);
    assert!(
        (6.0..16.0).contains(&ratio),
        "a hundred times the draws make the error {ratio} times less, not ten"
    );
}
