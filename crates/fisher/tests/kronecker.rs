//! Kronecker forms against the fixture and against the explicit Gauss–Newton matrix where theory says they are equal.

mod common;

use common::*;
use nhgd_fisher::{
    Diagonal, Factors, FisherConfig, Form, KroneckerDamping, LayerFactors, Observation, build,
};

/// Softmax probabilities of the fixture's samples.
fn probabilities(x: &[f64], w: &[f64], inputs: usize, classes: usize) -> Vec<f64> {
    let mut all = Vec::new();
    for a in x.chunks_exact(inputs) {
        let scores = (0..classes).map(|c| (0..inputs).map(|i| a[i] * w[i * classes + c]).sum::<f64>());
        let exp: Vec<f64> = scores.map(f64::exp).collect();
        let total: f64 = exp.iter().sum();
        all.extend(exp.iter().map(|e| e / total));
    }
    all
}

/// Factors of the fixture's softmax layer: all labels (columns √p_k (p − e_k)) or those given.
fn fixture_factors(fixture: &Fixture, expected: bool) -> Factors<f64> {
    let (inputs, classes) = (20, 3);
    let (x, y) = (fixture.array("X"), fixture.array("y"));
    let p = probabilities(&x, &fixture.array("W"), inputs, classes);
    let mut outputs = Vec::new();
    for (p, &y) in p.chunks_exact(classes).zip(&y) {
        let residual = |label: usize, scale: f64| {
            (0..classes).map(move |c| scale * (p[c] - if c == label { 1.0 } else { 0.0 })).collect::<Vec<_>>()
        };
        if expected {
            (0..classes).for_each(|k| outputs.extend(residual(k, p[k].sqrt())));
        } else {
            outputs.extend(residual(y as usize, 1.0));
        }
    }
    let directions = if expected { classes } else { 1 };
    Factors { weights: fixture.array("w"), directions, layers: vec![LayerFactors { inputs: x, outputs }] }
}

#[test]
fn agrees_with_the_fixture() {
    let fixture = Fixture::load("kfac_layer");
    let b = fixture.array("V");
    for (expected, statistic) in [(true, "true"), (false, "emp")] {
        let observation = Observation::Factors(fixture_factors(&fixture, expected));
        for (kind, name) in [(KroneckerDamping::Joint, "exact"), (KroneckerDamping::Split, "factored")] {
            let mut fisher = fisher(Form::Kronecker, 60, &[layer(20, 3)], |config| {
                config.kronecker_damping = kind;
                config.damping = fixture.scalar("damp");
            });
            fisher.refresh(&observation).expect("good factors");
            let (x, report) = solve(&mut *fisher, &b);
            assert_close(&x, &fixture.array(&format!("{name}_{statistic}")), 1e-10);
            assert_eq!((report.damping, report.fallbacks), (fixture.scalar("damp"), 0));
        }
    }
}

#[test]
fn takes_a_regulariser_as_damping() {
    let fixture = Fixture::load("kfac_layer");
    let observation = Observation::Factors(fixture_factors(&fixture, true));
    let config = FisherConfig { form: Form::Kronecker, damping: 0.004, ..FisherConfig::default() };
    let mut fisher = build(&config, &[layer(20, 3)], 60, Diagonal::Scalar(1.0)).expect("good settings");
    fisher.refresh(&observation).expect("good factors");
    let mean: Vec<f64> = (0..60).map(|i| if i % 2 == 0 { 0.002 } else { 0.01 }).collect();
    fisher.set_regularizer(&Diagonal::Vector(mean)).expect("a good regulariser");
    let (x, report) = solve(&mut *fisher, &fixture.array("V"));
    assert_close(&x, &fixture.array("exact_true"), 1e-10);
    assert!(report.mean_regularizer);
}
