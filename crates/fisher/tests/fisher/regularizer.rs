//! D of every structure against the dense inverse, in every form.

use crate::common::*;
use nhgd_curvature::{Diagonal, Factors, LayerShape, Observation};
use nhgd_fisher::{Fisher, FisherError, KroneckerDamping, RowKind, Smoothing};
use nhgd_kernels::{OutOfMemory, conjugate_gradients};

const LAYERS: [LayerShape; 2] = [LayerShape { inputs: 4, outputs: 3 }, LayerShape { inputs: 3, outputs: 2 }];
const D: usize = 18;
const DAMPING: f64 = 0.03;
const FORMS: [Form; 7] = [
    Form::Dense,
    Form::Window,
    Form::Samples,
    Form::Kronecker,
    Form::EigenKronecker,
    Form::Diagonal,
    Form::Sketch,
];

fn layer_of(i: usize) -> usize {
    usize::from(i >= 12)
}

/// The structures of D, from the simplest to none, with the forms that take it as its mean.
fn structures() -> Vec<(&'static str, Vec<f64>, Vec<Form>)> {
    let mut random = Random(71);
    let (inputs, outputs): (Vec<f64>, Vec<f64>) =
        (0..7).map(|_| (random.uniform(), random.uniform())).unzip();
    let at = |i: usize| match layer_of(i) {
        0 => (i / 3, i % 3),
        _ => (4 + (i - 12) / 2, 4 + i % 2),
    };
    let any = (0..D).map(|_| random.uniform()).collect();
    // Less damping: what has to be a product is D̃.
    let both = (0..D).map(|i| (0.1 + inputs[at(i).0]) * (0.5 + outputs[at(i).1]) - DAMPING).collect();
    let corrected = vec![Form::EigenKronecker];
    vec![
        ("scalar", vec![0.2; D], vec![]),
        ("per layer", (0..D).map(|i| [0.2, 1.5][layer_of(i)]).collect(), vec![]),
        ("per feature", (0..D).map(|i| inputs[at(i).0]).collect(), corrected.clone()),
        ("per output", (0..D).map(|i| outputs[at(i).1]).collect(), corrected.clone()),
        ("per feature times per output", both, corrected),
        ("a free intercept", (0..D).map(|i| if i == 9 { 0.0 } else { 0.2 }).collect(), FORMS[3..5].to_vec()),
        ("per parameter", any, FORMS[3..5].to_vec()),
    ]
}

fn observation(form: Form, factors: &Factors<f64>) -> Observation<f64> {
    match form {
        Form::Samples | Form::Kronecker | Form::EigenKronecker => Observation::Factors(factors.clone()),
        _ => rows(&gradients(factors), D),
    }
}

fn observed(form: Form, factors: &Factors<f64>, regularizer: &[f64]) -> Box<dyn Fisher<f64>> {
    let config = Config {
        form,
        damping: DAMPING,
        rows: RowKind::PerSample,
        smoothing: Smoothing::Average,
        tolerance: 1e-13,
        ..Config::default()
    };
    // It was built for another D: what counts is the one that it was given last.
    let mut fisher = config.build(&LAYERS, D, Diagonal::Scalar(5.0)).expect("good settings");
    fisher.refresh(&observation(form, factors)).expect("good samples");
    solve(&mut *fisher, &[1.0; D]);
    fisher.set_regularizer(&Diagonal::Vector(regularizer.to_vec())).expect("a good regulariser");
    fisher
}

/// F as the form stands for it: with one datum the block of a layer is a Kronecker product.
fn matrix(form: Form, factors: &Factors<f64>) -> Vec<f64> {
    let mut f = vec![0.0; D * D];
    accumulate(&mut f, 0.0, 1.0, &gradients(factors), D);
    for i in 0..D {
        for j in 0..D {
            let kept = match form {
                Form::Kronecker | Form::EigenKronecker => layer_of(i) == layer_of(j),
                Form::Diagonal => i == j,
                _ => true,
            };
            f[i * D + j] *= if kept { 1.0 } else { 0.0 };
        }
    }
    f
}

#[test]
fn every_form_against_the_dense_inverse() {
    let mut random = Random(72);
    let factors = random.factors(1, 1, &LAYERS);
    let b = random.normals(D);
    for (structure, d, mean_forms) in structures() {
        for form in FORMS {
            let mean = |i: usize| {
                let layer = d.iter().enumerate().filter(|(j, _)| layer_of(*j) == layer_of(i));
                let (count, sum) = layer.fold((0.0, 0.0), |(n, sum), (_, d)| (n + 1.0, sum + d));
                sum / count
            };
            let by_mean = mean_forms.contains(&form);
            let tilde = |i: usize| DAMPING + if by_mean { mean(i) } else { d[i] };
            let mut fisher = observed(form, &factors, &d);
            let (x, report) = solve(&mut *fisher, &b);
            let distance = distance(&x, &reference(&matrix(form, &factors), tilde, &b));
            assert!(distance <= 1e-9, "{form:?}, D {structure}: off by {distance:e}");
            assert_eq!(report.mean_regularizer, by_mean, "{form:?}, D {structure}");
        }
    }
}

#[test]
fn conjugate_gradients_repair_a_mean() {
    let mut random = Random(73);
    let factors = random.factors(9, 2, &LAYERS);
    let b = random.normals(D);
    let f = matrix(Form::Dense, &factors);
    for (structure, d, _) in structures() {
        let expected = reference(&f, |i| d[i] + DAMPING, &b);
        for form in FORMS {
            let mut fisher = observed(form, &factors, &d);
            let mut apply = |x: &[f64], out: &mut [f64]| {
                for (i, out) in out.iter_mut().enumerate() {
                    *out = (0..D).map(|j| f[i * D + j] * x[j]).sum::<f64>() + (d[i] + DAMPING) * x[i];
                }
                Ok::<(), OutOfMemory>(())
            };
            let mut precondition = |r: &[f64], out: &mut [f64]| {
                fisher.solve(r, out).expect("a solution");
                Ok::<(), OutOfMemory>(())
            };
            let mut x = vec![0.0; D];
            let outcome =
                conjugate_gradients(&mut apply, &mut precondition, &b, &mut x, 1e-12, 2 * D).expect("room");
            assert!(distance(&x, &expected) < 1e-9, "{form:?}, D {structure}: {outcome:?}");
        }
    }
}

#[test]
fn split_damping_by_a_product_is_that_of_the_scaled_factors() {
    // (A ⊗ S + R ⊗ C)⁻¹ = R^(−½) ⊗ C^(−½) (A' ⊗ S' + I)⁻¹ R^(−½) ⊗ C^(−½) with A' and S' the factors of scaled gradients.
    let mut random = Random(74);
    let shape = [LAYERS[0]];
    let factors = random.factors(7, 2, &shape);
    let (r, c): (Vec<f64>, Vec<f64>) =
        (0..4).map(|_| (0.1 + random.uniform(), 0.2 + random.uniform())).unzip();
    let b = random.normals(12);
    let split = |factors: &Factors<f64>, d: Vec<f64>, b: &[f64]| {
        let config = Config {
            form: Form::Kronecker,
            kronecker_damping: KroneckerDamping::Split,
            damping: 0.0,
            ..Config::default()
        };
        let mut fisher = config.build(&shape, 12, Diagonal::Vector(d)).expect("good settings");
        fisher.refresh(&Observation::Factors(factors.clone())).expect("good factors");
        solve(&mut *fisher, b).0
    };
    let scale = |i: usize| 1.0 / (r[i / 3] * c[i % 3]).sqrt();
    let mut scaled = factors.clone();
    scaled.layers[0].inputs.iter_mut().enumerate().for_each(|(i, a)| *a /= r[i % 4].sqrt());
    scaled.layers[0].outputs.iter_mut().enumerate().for_each(|(j, s)| *s /= c[j % 3].sqrt());
    let inner: Vec<f64> = b.iter().enumerate().map(|(i, b)| scale(i) * b).collect();
    let expected: Vec<f64> =
        split(&scaled, vec![1.0; 12], &inner).iter().enumerate().map(|(i, x)| scale(i) * x).collect();
    let product = (0..12).map(|i| r[i / 3] * c[i % 3]).collect();
    assert_close(&split(&factors, product, &b), &expected, 1e-11);
}

#[test]
fn a_free_intercept_needs_damping() {
    for form in FORMS {
        let config = Config { form, damping: 0.0, ..Config::default() };
        let free = Diagonal::Vector((0..D).map(|i| if i == 9 { 0.0 } else { 0.2 }).collect());
        let mut fisher = config.build(&LAYERS, D, Diagonal::Scalar(0.2)).expect("no zero, no damping");
        let before = fisher.state();
        let error = fisher.set_regularizer(&free).expect_err("a zero");
        assert!(matches!(error, FisherError::Range { name: "damping", .. }));
        assert!(error.to_string().contains("intercept"), "{error}");
        assert_eq!(fisher.state(), before);
    }
}
