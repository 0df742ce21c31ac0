//! Kronecker forms against the fixture and against the explicit Gauss–Newton matrix where theory says they are equal.

use crate::common::*;
use nhgd_curvature::{Diagonal, Factors, LayerFactors, LayerShape, Observation};
use nhgd_fisher::{Fisher, FisherSettings, KroneckerDamping, KroneckerSettings, Smoothing, condensed};

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
    Factors { weights: fixture.array("w"), directions, layers: vec![LayerFactors::new(x, outputs)] }
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
    let config = Config { form: Form::Kronecker, damping: 0.004, ..Config::default() };
    let mut fisher = config.build(&[layer(20, 3)], 60, Diagonal::Scalar(1.0)).expect("good settings");
    fisher.refresh(&observation).expect("good factors");
    let mean: Vec<f64> = (0..60).map(|i| if i % 2 == 0 { 0.002 } else { 0.01 }).collect();
    fisher.set_regularizer(&Diagonal::Vector(mean)).expect("a good regulariser");
    let (x, report) = solve(&mut *fisher, &fixture.array("V"));
    assert_close(&x, &fixture.array("exact_true"), 1e-10);
    assert!(report.mean_regularizer);
}

/// F = A⁻¹ − cI of a Fisher with damping c.
fn fisher_matrix(fisher: &mut dyn Fisher<f64>, c: f64) -> Vec<f64> {
    let d = fisher.parameters();
    let a = inverse(fisher);
    let mut f = Vec::new();
    for j in 0..d {
        let unit: Vec<f64> = (0..d).map(|i| if i == j { 1.0 } else { 0.0 }).collect();
        let mut column = reference(&a, |_| 0.0, &unit);
        column[j] -= c;
        f.extend(column);
    }
    f
}

/// The explicit Fisher without what couples different layers.
fn blocks(factors: &Factors<f64>, layers: &[LayerShape]) -> Vec<f64> {
    let d: usize = layers.iter().map(|l| l.inputs * l.outputs).sum();
    let mut f = vec![0.0; d * d];
    accumulate(&mut f, 0.0, 1.0, &gradients(factors), d);
    let owner: Vec<usize> =
        layers.iter().enumerate().flat_map(|(l, shape)| vec![l; shape.inputs * shape.outputs]).collect();
    for i in 0..d {
        for j in 0..d {
            if owner[i] != owner[j] {
                f[i * d + j] = 0.0;
            }
        }
    }
    f
}

fn frobenius(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
}

const FORMS: [Form; 2] = [Form::Kronecker, Form::EigenKronecker];

#[test]
fn one_datum_is_exact() {
    let mut random = Random(21);
    let layers = [layer(4, 3), layer(3, 2), layer(2, 5)];
    for form in FORMS {
        let factors = random.factors(1, 1, &layers);
        let b = random.normals(28);
        let expected = reference(&blocks(&factors, &layers), |_| 0.1, &b);
        let mut fisher = fisher(form, 28, &layers, |config| config.damping = 0.1);
        fisher.refresh(&Observation::Factors(factors)).expect("good factors");
        assert_close(&solve(&mut *fisher, &b).0, &expected, 1e-10);
    }
}

#[test]
fn split_damping_is_exact_in_the_limit() {
    // Equal inputs make F a Kronecker product; the two dampings' cross terms vanish with √c.
    let mut random = Random(22);
    let shape = [layer(1, 4)];
    let mut factors = random.factors(9, 2, &shape);
    factors.layers[0].inputs.fill(1.5);
    let b = random.normals(4);
    let expected = reference(&blocks(&factors, &shape), |_| 0.0, &b);
    let off = [1e-4, 1e-8].map(|damping| {
        let mut fisher = fisher(Form::Kronecker, 4, &shape, |config| {
            (config.kronecker_damping, config.damping) = (KroneckerDamping::Split, damping);
        });
        fisher.refresh(&Observation::Factors(factors.clone())).expect("good factors");
        distance(&solve(&mut *fisher, &b).0, &expected)
    });
    assert!((50.0..200.0).contains(&(off[0] / off[1])), "{off:?}");
}

#[test]
fn a_deep_linear_network_is_exact() {
    // Square loss: the output gradients of layer l over all directions are the columns of what follows it, whatever
    // the sample, so that each block of Gauss–Newton is a Kronecker product (Bernacchia et al. 2018).
    let layers = [layer(4, 3), layer(3, 5), layer(5, 2)];
    let (samples, directions) = (30, 2);
    let mut random = Random(23);
    let weights: Vec<Vec<f64>> = layers.iter().map(|l| random.normals(l.inputs * l.outputs)).collect();
    let multiply = |rows: &[f64], w: &[f64], inputs: usize, outputs: usize| -> Vec<f64> {
        let entry = |row: &[f64], o: usize| (0..inputs).map(|i| row[i] * w[i * outputs + o]).sum::<f64>();
        rows.chunks_exact(inputs).flat_map(|row| (0..outputs).map(move |o| entry(row, o))).collect()
    };
    let mut inputs = vec![random.normals(samples * 4)];
    for (l, shape) in layers.iter().enumerate().take(2) {
        inputs.push(multiply(&inputs[l], &weights[l], shape.inputs, shape.outputs));
    }
    // Backwards: s_l = W_(l+1) s_(l+1).
    let mut outputs = vec![vec![1.0, 0.0, 0.0, 1.0]];
    for l in (1..3).rev() {
        let shape = layers[l];
        let transposed: Vec<f64> = (0..shape.outputs)
            .flat_map(|o| (0..shape.inputs).map(move |i| (i, o)))
            .map(|(i, o)| weights[l][i * shape.outputs + o])
            .collect();
        let next = multiply(&outputs[0], &transposed, shape.outputs, shape.inputs);
        outputs.insert(0, next);
    }
    let factors = Factors {
        weights: (0..samples).map(|_| random.uniform()).collect(),
        directions,
        layers: (inputs.into_iter().zip(outputs))
            .map(|(inputs, outputs)| LayerFactors::new(inputs, outputs.repeat(samples)))
            .collect(),
    };
    let b = random.normals(37);
    let expected = reference(&blocks(&factors, &layers), |_| 0.3, &b);
    for form in FORMS {
        let mut fisher = fisher(form, 37, &layers, |config| config.damping = 0.3);
        fisher.refresh(&Observation::Factors(factors.clone())).expect("good factors");
        assert_close(&solve(&mut *fisher, &b).0, &expected, 1e-10);
    }
}

#[test]
fn means_over_parts_of_a_batch_make_up_those_of_the_batch() {
    let layers = [layer(4, 3), layer(3, 5)];
    let settings = FisherSettings::Kronecker(KroneckerSettings::default());
    let whole = Random(9).factors(7, 2, &layers);
    let rows = |x: &[f64], range: &std::ops::Range<usize>| {
        let width = x.len() / 7;
        x[range.start * width..range.end * width].to_vec()
    };
    let mut sum = Vec::new();
    for range in [0..2, 2..7] {
        let part = Factors {
            weights: rows(&whole.weights, &range),
            directions: 2,
            layers: (whole.layers.iter())
                .map(|layer| LayerFactors::new(rows(&layer.inputs, &range), rows(&layer.outputs, &range)))
                .collect(),
        };
        let part = condensed(&settings, &layers, &Observation::Factors(part)).expect("good factors");
        let Some(Observation::Moments(means, _)) = part else { panic!("no means") };
        sum.resize(means.len(), 0.0);
        sum.iter_mut().zip(means).for_each(|(sum, mean)| *sum += mean * range.len() as f64 / 7.0);
    }
    let b = Random(10).normals(27);
    let solved = |observation: &Observation<f64>| {
        let mut fisher = fisher(Form::Kronecker, 27, &layers, |config| config.damping = 0.3);
        fisher.refresh(observation).map(|()| solve(&mut *fisher, &b).0)
    };
    let expected = solved(&Observation::Factors(whole)).expect("good factors");
    assert_close(&solved(&Observation::Moments(sum.clone(), 7)).expect("good means"), &expected, 1e-12);
    assert!(solved(&Observation::Moments(sum[1..].to_vec(), 7)).is_err());
    sum[3] = f64::NAN;
    assert!(solved(&Observation::Moments(sum, 7)).is_err());
}

#[test]
fn the_corrected_spectrum_is_never_worse() {
    let layers = [layer(5, 3), layer(3, 4)];
    for seed in 30..40 {
        let factors = Random(seed).factors(6, 1 + seed as usize % 3, &layers);
        let exact = blocks(&factors, &layers);
        let [kronecker, corrected] = FORMS.map(|form| {
            let mut fisher = fisher(form, 27, &layers, |config| config.damping = 1.0);
            fisher.refresh(&Observation::Factors(factors.clone())).expect("good factors");
            frobenius(&fisher_matrix(&mut *fisher, 1.0), &exact)
        });
        assert!(corrected < kronecker, "seed {seed}: {corrected} against {kronecker}");
    }
}

#[test]
fn the_corrected_spectrum_keeps_the_trace() {
    // In one basis the diagonal's sum is the smoothed trace of the observations, whatever they are.
    let layers = [layer(4, 3)];
    let mut random = Random(41);
    let (beta, mut trace) = (0.8, 0.0);
    let mut fisher = fisher(Form::EigenKronecker, 12, &layers, |config| {
        config.smoothing = Smoothing::Forget(beta);
        config.basis_every = 100;
        config.damping = 1.0;
    });
    for _ in 0..8 {
        let factors = random.factors(1, 2, &layers);
        trace = beta * trace + (1.0 - beta) * gradients(&factors).iter().map(|g| g * g).sum::<f64>();
        fisher.observe(&Observation::Factors(factors)).expect("good factors");
    }
    let f = fisher_matrix(&mut *fisher, 1.0);
    let found: f64 = f.iter().step_by(13).sum();
    assert!((found / trace - 1.0).abs() < 1e-10, "{found} against {trace}");
}

#[test]
fn refreshes_blend() {
    let layers = [layer(3, 2)];
    let mut random = Random(42);
    let [first, second] = [0, 1].map(|_| random.factors(7, 1, &layers));
    let both = |keep: f64| {
        let mut fisher =
            fisher(Form::Kronecker, 6, &layers, |config| (config.keep, config.damping) = (keep, 1.0));
        fisher.refresh(&Observation::Factors(first.clone())).expect("good factors");
        fisher.refresh(&Observation::Factors(second.clone())).expect("good factors");
        fisher_matrix(&mut *fisher, 1.0)
    };
    let only = |factors: &Factors<f64>| {
        let mut fisher = fisher(Form::Kronecker, 6, &layers, |config| config.damping = 1.0);
        fisher.refresh(&Observation::Factors(factors.clone())).expect("good factors");
        fisher_matrix(&mut *fisher, 1.0)
    };
    assert_close(&both(0.0), &only(&second), 1e-12);
    // Half of each is the average over the two sets.
    let mut joined = first.clone();
    joined.weights.extend(&second.weights);
    joined.layers[0].inputs.extend(&second.layers[0].inputs);
    joined.layers[0].outputs.extend(&second.layers[0].outputs);
    assert_close(&both(0.5), &only(&joined), 1e-12);
}
