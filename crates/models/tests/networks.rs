//! Networks against a fixture, finite differences and what theory says.

use std::sync::Arc;

use nhgd_curvature::Statistic;
use nhgd_kernels::memory::Result;
use nhgd_kernels::{FeatureData, Features, RowSet};
use nhgd_models::{
    Activation, Along, Batch, Convolution, Image, Labels, Loss, Model, Network, Pooling, Samples, Targets,
    Term, signs, uniform,
};

const ACTIVATIONS: [Activation; 3] = [Activation::Relu, Activation::Tanh, Activation::Gelu];
const LOSSES: [Loss; 2] = [Loss::CrossEntropy, Loss::Squared];

/// What a network is made of: without convolutions, of 5 features.
#[derive(Clone, Copy, Debug)]
struct Shape {
    convolutions: &'static [Convolution],
    pooling: Pooling,
    hidden: &'static [usize],
}

impl<const N: usize> From<&'static [usize; N]> for Shape {
    fn from(hidden: &'static [usize; N]) -> Self {
        Self { convolutions: &[], pooling: Pooling::Max, hidden }
    }
}

const IMAGE: Image = Image { channels: 2, height: 5, width: 6 };
const fn convolution(
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    pool: usize,
) -> Convolution {
    Convolution { channels, kernel, stride, padding, pool }
}
/// Sums of 3 × 5 × 6, of which pooling leaves 3 × 2 × 3, and of 2 × 1 × 2.
const POOLED: Shape = Shape {
    convolutions: &[convolution(3, 3, 1, 1, 2), convolution(2, 2, 1, 0, 1)],
    pooling: Pooling::Max,
    hidden: &[4],
};
const AVERAGED: Shape =
    Shape { convolutions: &[convolution(3, 2, 1, 1, 2)], pooling: Pooling::Average, hidden: &[] };
/// Windows that skip pixels, beyond the image too.
const STRIDED: Shape = Shape {
    convolutions: &[convolution(2, 3, 2, 2, 1), convolution(3, 2, 3, 0, 1)],
    pooling: Pooling::Average,
    hidden: &[3, 4],
};

struct Case {
    model: Network<f64>,
    samples: Samples,
    theta: Vec<f64>,
    weights: Vec<f64>,
}

/// Numbers between −½ and ½.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    (0..n as u64).map(|i| uniform(seed, i) - 0.5).collect()
}

fn samples(features: Vec<f64>, labels: Vec<u32>, scale: f64) -> Samples {
    let cols = features.len() / labels.len();
    let features = Features::new(FeatureData::F64(features.into()), labels.len(), cols, scale);
    Samples::new(Arc::new(features), None, Targets::Classes(labels))
}

fn case(n: usize, shape: impl Into<Shape>, activation: Activation, loss: Loss, threads: usize) -> Case {
    let Shape { convolutions, pooling, hidden } = shape.into();
    let model = if convolutions.is_empty() {
        Network::perceptron(5, hidden, 3, activation, loss, threads)
    } else {
        Network::convolutional(IMAGE, convolutions, pooling, hidden, 3, activation, loss, threads)
            .expect("windows that fit")
    };
    let features = Model::<f64>::features(&model);
    let labels = (0..n).map(|i| (uniform(5, i as u64) * 3.0) as u32).collect();
    let mut theta = model.initial(8).unwrap();
    theta.iter_mut().zip(numbers(model.parameters(), 4)).for_each(|(t, x)| *t += 0.3 * x);
    Case {
        samples: samples(numbers(n * features, 1), labels, 3.0),
        theta,
        weights: numbers(n, 9).iter().map(|x| x + 0.7).collect(),
        model,
    }
}

impl Case {
    fn with<R>(&self, body: impl FnOnce(Batch<'_>) -> Result<R>) -> R {
        self.samples.with(RowSet::all(self.samples.len()), body).unwrap()
    }

    /// Σ w_i ℓ_i and its gradient.
    fn gradient(&self, theta: &[f64], weights: &[f64], labels: Labels) -> (f64, Vec<f64>) {
        let (mut gradient, mut losses) = (vec![0.0; theta.len()], vec![f64::NAN; weights.len()]);
        let term = Term { weights, labels, gradient: &mut gradient };
        self.with(|batch| self.model.gradients(theta, batch, &mut [term], &mut losses));
        (dot(&losses, weights), gradient)
    }

    fn sampled_at(&self, theta: &[f64]) -> (f64, Vec<f64>) {
        self.gradient(theta, &self.weights, Labels::Given)
    }

    fn moved(&self, u: &[f64], step: f64) -> Vec<f64> {
        self.theta.iter().zip(u).map(|(t, u)| t + step * u).collect()
    }

    fn gauss_newton(&self, u: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; u.len()];
        self.with(|batch| self.model.curvature_product(&self.theta, batch, &self.weights, u, &mut product));
        product
    }

    fn hessian(&self, u: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; u.len()];
        self.with(|batch| self.model.hessian_product(&self.theta, batch, &self.weights, u, &mut product));
        product
    }

    /// g_ik for every sample and direction, one after the other.
    fn rows(&self, statistic: Statistic, seed: u64) -> (usize, Vec<Vec<f64>>) {
        let mut factors = self.with(|batch| self.model.factors(&self.theta, batch, statistic, seed));
        let n = self.samples.len();
        factors.weights = vec![n as f64; n];
        let rows = factors.rows(&self.model.layers()).unwrap().data;
        (factors.directions, rows.chunks_exact(self.theta.len()).map(<[f64]>::to_vec).collect())
    }

    /// Σ_i w_i Σ_k g_ik g_ikᵀ u.
    fn fisher_product(&self, statistic: Statistic, seed: u64, u: &[f64]) -> Vec<f64> {
        let (directions, rows) = self.rows(statistic, seed);
        let mut product = vec![0.0; u.len()];
        for (i, row) in rows.iter().enumerate() {
            let scale = self.weights[i / directions] * dot(row, u);
            product.iter_mut().zip(row).for_each(|(p, g)| *p += scale * g);
        }
        product
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn unit(d: usize, j: usize) -> Vec<f64> {
    (0..d).map(|i| if i == j { 1.0 } else { 0.0 }).collect()
}

/// Differences may be `tolerance` times the largest entry of `expected`.
#[track_caller]
fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    for (j, (got, expected)) in got.iter().zip(expected).enumerate() {
        // Not `>`, so that a NaN fails.
        assert!((got - expected).abs() <= tolerance * largest, "{what}, entry {j}: {got}, not {expected}");
    }
}

fn everywhere(mut body: impl FnMut(Shape, Activation, Loss, &str)) {
    let perceptrons = [Shape::from(&[]), (&[6]).into(), (&[5, 4]).into(), (&[4, 3, 5]).into()];
    for shape in perceptrons.into_iter().chain([POOLED, AVERAGED, STRIDED]) {
        for activation in ACTIVATIONS {
            for loss in LOSSES {
                body(shape, activation, loss, &format!("{shape:?} {activation:?} {loss:?}"));
            }
        }
    }
}

struct Fixture(serde_json::Value);

impl Fixture {
    fn load(name: &str) -> Self {
        let path = format!("{}/../../test/fixtures/{name}/fixture.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self(serde_json::from_str(&text).expect("a fixture is JSON"))
    }

    fn array(&self, name: &str) -> Vec<f64> {
        fn flatten(value: &serde_json::Value, into: &mut Vec<f64>) {
            match value {
                serde_json::Value::Array(values) => values.iter().for_each(|value| flatten(value, into)),
                value => into.push(value.as_f64().expect("a number")),
            }
        }
        let mut into = Vec::new();
        flatten(&self.0["arrays"][name], &mut into);
        into
    }
}

#[test]
fn agrees_with_an_independent_implementation() {
    let fixture = Fixture::load("mlp2");
    let array = |name| fixture.array(name);
    let labels = |name| array(name).iter().map(|&y| y as u32).collect::<Vec<_>>();
    let (n, d, lambda) = (32, 53, 0.01);
    let sigma: Vec<f64> = array("v").iter().map(|v| 1.0 / (1.0 + (-v).exp()) / n as f64).collect();
    let mut case = Case {
        model: Network::perceptron(6, &[5], 3, Activation::Tanh, Loss::CrossEntropy, 1),
        samples: samples(array("X"), labels("y"), 1.0),
        theta: array("theta0"),
        weights: sigma,
    };
    assert_eq!(Model::<f64>::parameters(&case.model), d);

    let mut gradient = case.sampled_at(&case.theta).1;
    gradient.iter_mut().zip(&case.theta).for_each(|(g, t)| *g += 2.0 * lambda * t);
    assert_close(&gradient, &array("grad_g_theta0"), 1e-10, "gradient");

    for (theta, name) in [("theta0", "per_sample_grads_theta0"), ("theta_star", "per_sample_grads_star")] {
        case.theta = array(theta);
        let gradients = array(name);
        assert_close(&case.rows(Statistic::Empirical, 0).1.concat(), &gradients, 1e-10, "factors");
        for i in 0..n {
            let got = case.gradient(&case.theta, &unit(n, i), Labels::Given).1;
            assert_close(&got, &gradients[i * d..(i + 1) * d], 1e-10, "one sample's gradient");
        }
    }

    // From here on at θ*.
    let (mut hessian, mut gauss_newton) = (Vec::new(), Vec::new());
    for j in 0..d {
        let mut column = case.hessian(&unit(d, j));
        column[j] += 2.0 * lambda;
        hessian.extend(column);
        gauss_newton.extend(case.gauss_newton(&unit(d, j)));
    }
    assert_close(&hessian, &array("hessian_star"), 1e-10, "Hessian");
    assert_close(&gauss_newton, &array("ggn_star"), 1e-10, "Gauss–Newton matrix");

    // Cᵀu: column i of the cross derivative is σ′(v_i) ∇ℓ_i / n.
    let (u, cross) = (array("u_star"), array("cross_star"));
    let mut q = vec![f64::NAN; n];
    let out = Along { losses: &mut q, scores: &mut [], inputs: &mut [] };
    case.with(|batch| case.model.along(&case.theta, batch, &[], &u, out));
    let weighed = q.iter().zip(&case.weights).map(|(q, w)| q * w * (1.0 - w * n as f64));
    let expected: Vec<f64> = (0..n).map(|i| (0..d).map(|j| cross[j * n + i] * u[j]).sum()).collect();
    assert_close(&weighed.clone().collect::<Vec<_>>(), &expected, 1e-10, "cross product");
    let hypergradient: Vec<f64> = weighed.map(|x| -x).collect();
    assert_close(&hypergradient, &array("hypergrad_star"), 1e-10, "hypergradient");

    let trusted =
        Case { samples: samples(array("Xval"), labels("yval"), 1.0), weights: vec![1.0 / 24.0; 24], ..case };
    let (phi, target) = trusted.sampled_at(&trusted.theta);
    assert!((phi - fixture.0["scalars"]["phi"].as_f64().expect("a number")).abs() < 1e-12);
    assert_close(&target, &array("grad_f_star"), 1e-10, "outer gradient");
}

#[test]
fn derivatives_match_finite_differences() {
    let h = 1e-5;
    everywhere(|shape, activation, loss, what| {
        let case = case(23, shape, activation, loss, 1);
        let (d, g) = (case.theta.len(), case.sampled_at(&case.theta).1);
        let difference: Vec<f64> = (0..d)
            .map(|j| {
                let at = |step| case.sampled_at(&case.moved(&unit(d, j), step)).0;
                (at(h) - at(-h)) / (2.0 * h)
            })
            .collect();
        assert_close(&g, &difference, 1e-7, what);

        let u = numbers(d, 3);
        let (up, down) = (case.sampled_at(&case.moved(&u, h)).1, case.sampled_at(&case.moved(&u, -h)).1);
        let difference: Vec<f64> = up.iter().zip(&down).map(|(up, down)| (up - down) / (2.0 * h)).collect();
        assert_close(&case.hessian(&u), &difference, 1e-7, what);

        let mut q = vec![f64::NAN; 23];
        let out = Along { losses: &mut q, scores: &mut [], inputs: &mut [] };
        case.with(|batch| case.model.along(&case.theta, batch, &[], &u, out));
        assert_close(&[dot(&q, &case.weights)], &[dot(&g, &u)], 1e-12, what);
    });
}

#[test]
fn gauss_newton_is_the_hessian_of_linear_models_alone() {
    for loss in LOSSES {
        let linear = case(23, &[], Activation::Tanh, loss, 1);
        let u = numbers(linear.theta.len(), 3);
        assert_close(&linear.gauss_newton(&u), &linear.hessian(&u), 1e-12, "linear");
        assert_eq!(Model::<f64>::curvature(&linear.model), "hessian");

        let network = case(23, &[6], Activation::Tanh, loss, 1);
        let u = numbers(network.theta.len(), 3);
        let (g, h) = (network.gauss_newton(&u), network.hessian(&u));
        assert!(g.iter().zip(&h).any(|(g, h)| (g - h).abs() > 1e-3));
        assert!(dot(&g, &u) > 0.0);
        assert_eq!(Model::<f64>::curvature(&network.model), "gauss-newton");
    }
}

#[test]
fn expected_factors_sum_to_gauss_newton() {
    everywhere(|shape, activation, loss, what| {
        let case = case(17, shape, activation, loss, 1);
        let u = numbers(case.theta.len(), 3);
        assert_close(&case.fisher_product(Statistic::Expected, 1, &u), &case.gauss_newton(&u), 1e-12, what);
    });
}

#[test]
fn sampled_factors_and_signed_sums_converge_to_gauss_newton() {
    for loss in LOSSES {
        let case = case(17, &[4, 3], Activation::Gelu, loss, 1);
        let (d, draws) = (case.theta.len(), 20_000);
        let u = numbers(d, 3);
        let expected = case.gauss_newton(&u);
        let roots: Vec<f64> = case.weights.iter().map(|w| w.sqrt()).collect();
        let (mut sampled, mut sums) = (vec![0.0; d], [vec![0.0; d], vec![0.0; d]]);
        for seed in 0..draws {
            let product = case.fisher_product(Statistic::Sampled, seed, &u);
            sampled.iter_mut().zip(product).for_each(|(s, p)| *s += p / draws as f64);
            let signed: Vec<f64> = signs(!seed, 0..17).zip(&roots).map(|(sign, root)| sign * root).collect();
            for (sum, labels) in sums.iter_mut().zip([Labels::Sampled { seed }, Labels::Expected { seed }]) {
                let row = case.gradient(&case.theta, &signed, labels).1;
                let scale = dot(&row, &u) / draws as f64;
                sum.iter_mut().zip(&row).for_each(|(sum, g)| *sum += scale * g);
            }
        }
        assert_close(&sampled, &expected, 0.05, "sampled factors");
        assert_close(&sums[0], &expected, 0.05, "sampled sums");
        assert_close(&sums[1], &expected, 0.05, "expected sums");
    }
}

#[test]
fn sums_over_batches_of_any_size_are_sums_over_their_samples() {
    let perceptron = Shape::from(&[6, 4]);
    let images = [1, 2, 17, 700].map(|n| (n, POOLED));
    for (n, shape) in [1, 2, 3, 17, 64, 65, 1025, 2500].map(|n| (n, perceptron)).into_iter().chain(images) {
        let case = case(n, shape, Activation::Tanh, Loss::CrossEntropy, 2);
        let d = case.theta.len();
        let u = numbers(d, 3);
        let sum = |rows: &[Vec<f64>], weights: &[f64]| {
            let mut sum = vec![0.0; d];
            for (row, w) in rows.iter().zip(weights) {
                sum.iter_mut().zip(row).for_each(|(sum, g)| *sum += w * g);
            }
            sum
        };
        let (_, rows) = case.rows(Statistic::Empirical, 0);
        let (loss, gradient) = case.sampled_at(&case.theta);
        assert_close(&gradient, &sum(&rows, &case.weights), 1e-12, "gradient");
        assert_close(
            &case.fisher_product(Statistic::Expected, 0, &u),
            &case.gauss_newton(&u),
            1e-12,
            "product",
        );

        let mut p = vec![f64::NAN; 3 * n];
        case.model.probabilities(&case.theta, case.samples.features(), RowSet::all(n), &mut p).unwrap();
        let likelihoods = p.chunks_exact(3).zip(case.samples.labels()).map(|(p, &y)| -p[y as usize].ln());
        assert_close(&[loss], &[dot(&likelihoods.collect::<Vec<_>>(), &case.weights)], 1e-12, "loss");

        // Several terms in one pass, added to what is there.
        let (mut first, mut second, mut losses) = (vec![1.0; d], vec![0.0; d], vec![f64::NAN; n]);
        let (labels, ones) = (Labels::Sampled { seed: 6 }, vec![1.0; n]);
        let mut terms = [
            Term { weights: &case.weights, labels: Labels::Given, gradient: &mut first },
            Term { weights: &ones, labels, gradient: &mut second },
        ];
        case.with(|batch| case.model.gradients(&case.theta, batch, &mut terms, &mut losses));
        first.iter_mut().for_each(|g| *g -= 1.0);
        assert_close(&first, &gradient, 1e-12, "first term");
        let (_, rows) = case.rows(Statistic::Sampled, 6);
        assert_close(&second, &sum(&rows, &ones), 1e-12, "second term");
    }
}

#[test]
fn same_bits_whatever_the_threads_and_what_ran_before() {
    let run = |threads, n, shape| {
        let case = case(n, shape, Activation::Gelu, Loss::CrossEntropy, threads);
        let u = numbers(case.theta.len(), 3);
        let all = |case: &Case| {
            [
                case.sampled_at(&case.theta).1,
                case.gauss_newton(&u),
                case.hessian(&u),
                case.rows(Statistic::Sampled, 2).1.concat(),
            ]
        };
        let first = all(&case);
        assert_eq!(first, all(&case), "the second time");
        first
    };
    for (n, shape) in [65, 1025, 2500].map(|n| (n, Shape::from(&[40, 30]))).into_iter().chain([(700, POOLED)])
    {
        assert_eq!(run(1, n, shape), run(2, n, shape));
        assert_eq!(run(1, n, shape), run(7, n, shape));
    }
}

#[test]
fn squared_loss_is_half_the_squared_error() {
    let case = case(9, &[4], Activation::Relu, Loss::Squared, 1);
    let mut z = vec![f64::NAN; 27];
    case.model.probabilities(&case.theta, case.samples.features(), RowSet::all(9), &mut z).unwrap();
    for (i, &y) in case.samples.labels().iter().enumerate() {
        let square: f64 = (0..3).map(|c| (z[3 * i + c] - f64::from(u8::from(c == y as usize))).powi(2)).sum();
        let (loss, _) = case.gradient(&case.theta, &unit(9, i), Labels::Given);
        assert!((loss - 0.5 * square).abs() < 1e-14);
    }
}

#[test]
fn starts_are_random_scaled_and_repeatable() {
    let model = Network::<f32>::perceptron(400, &[200], 10, Activation::Relu, Loss::CrossEntropy, 1);
    let theta = model.initial(3).unwrap();
    assert_eq!(theta, model.initial(3).unwrap());
    assert_ne!(theta, model.initial(4).unwrap());
    let (first, second) = theta.split_at(401 * 200);
    let variance = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
    assert!((variance(&first[..400 * 200]) * 400.0 / 2.0 - 1.0).abs() < 0.02);
    assert!((variance(&second[..200 * 10]) * 210.0 / 2.0 - 1.0).abs() < 0.1);
    assert!(first[400 * 200..].iter().chain(&second[200 * 10..]).all(|&b| b == 0.0));
}
