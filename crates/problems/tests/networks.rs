//! Reweighting with a network as its model, against the fixture `mlp2`.

use std::sync::Arc;

use nhgd_curvature::{Diagonal, Statistic, Wants};
use nhgd_fisher::{EigenKroneckerSettings, FisherSettings, KroneckerSettings, SamplesSettings, build};
use nhgd_kernels::{FeatureData, Features, RowSet};
use nhgd_models::{Activation, Loss, Network, Samples, Targets};
use nhgd_problems::blocks::SampleWeights;
use nhgd_problems::{Block, Point, Problem, Risk};

const LAMBDA: f64 = 0.01;
const N: usize = 32;

struct Fixture(serde_json::Value);

impl Fixture {
    fn load() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/fixtures/mlp2/fixture.json");
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
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

    fn samples(&self, features: &str, labels: &str) -> Samples {
        let labels: Vec<u32> = self.array(labels).iter().map(|&y| y as u32).collect();
        let features = FeatureData::F64(self.array(features).into());
        Samples::new(Arc::new(Features::new(features, labels.len(), 6, 1.0)), None, Targets::Classes(labels))
    }

    fn problem(&self) -> Risk<f64> {
        let model = Network::perceptron(6, &[5], 3, Activation::Tanh, Loss::CrossEntropy, 1);
        let (train, trusted) = (self.samples("X", "y"), self.samples("Xval", "yval"));
        let weights = Block::Weights(Box::new(SampleWeights::new(N)));
        Risk::new(Box::new(model), train, trusted, vec![weights], LAMBDA, None).unwrap()
    }
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m, x| m.max(x.abs()))
}

#[track_caller]
fn assert_close(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    assert!(got.iter().all(|x| x.is_finite()), "the result isn't finite");
    let difference: Vec<f64> = got.iter().zip(expected).map(|(x, y)| x - y).collect();
    let distance = largest(&difference) / largest(expected);
    assert!(distance <= tolerance, "{distance:e} of the largest entry is more than {tolerance:e}");
}

fn cosine(x: &[f64], y: &[f64]) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()
}

fn scaled(x: &[f64], by: f64) -> Vec<f64> {
    x.iter().map(|x| by * x).collect()
}

/// ∇_θ f.
fn target(problem: &Risk<f64>, point: Point<'_, f64>) -> Vec<f64> {
    let (m, mut sums) = (problem.outer_samples(), vec![f64::NAN; problem.inner_len()]);
    problem.outer_sums(point, RowSet::all(m), &mut sums).unwrap();
    scaled(&sums, 1.0 / m as f64)
}

/// The Gauss–Newton matrix with the penalty's part, times u.
fn curvature(problem: &Risk<f64>, point: Point<'_, f64>, u: &[f64]) -> Vec<f64> {
    let mut sums = vec![f64::NAN; u.len()];
    problem.curvature_sums(point, RowSet::all(N), u, &mut sums).unwrap();
    let mut product = scaled(&sums, 1.0 / N as f64);
    problem.penalty().add_product(point.outer, point.inner, u, &mut product).unwrap();
    product
}

/// −Lᵀu, which is the hypergradient here: f does not depend on v itself.
fn minus_cross(problem: &Risk<f64>, point: Point<'_, f64>, u: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; N];
    problem.cross_sums(point, RowSet::all(N), u, &mut sums).unwrap();
    scaled(&sums, -1.0 / N as f64)
}

/// The hypergradient at θ* by an inverse Fisher that observed all samples once, and the residual that it leaves in the
/// Gauss–Newton system.
fn hypergradient(fixture: &Fixture, settings: &FisherSettings) -> (Vec<f64>, f64) {
    let problem = fixture.problem();
    let (inner, outer, all) = (fixture.array("theta_star"), fixture.array("v"), RowSet::all(N));
    let point = Point::new(&inner, &outer);
    let regularizer = problem.penalty().diagonal(&outer, &inner).unwrap();
    assert_eq!(regularizer, Diagonal::Scalar(2.0 * LAMBDA));
    let mut fisher =
        build(settings, &problem.layers(), problem.inner_len(), regularizer).expect("good settings");
    assert_eq!(fisher.wants(), Wants::Factors(Statistic::Expected));
    fisher.observe(&problem.observation(point, all, fisher.wants(), 1).unwrap()).expect("good samples");

    let target = target(&problem, point);
    let mut u = vec![f64::NAN; problem.inner_len()];
    fisher.solve(&target, &mut u).expect("a solution");
    let product = curvature(&problem, point, &u);
    let residual: Vec<f64> = product.iter().zip(&target).map(|(cu, b)| cu - b).collect();
    (minus_cross(&problem, point, &u), largest(&residual) / largest(&target))
}

#[test]
fn oracles_are_those_of_the_fixture() {
    let fixture = Fixture::load();
    let problem = fixture.problem();
    assert_eq!(problem.curvature(), "gauss-newton");
    let (outer, all) = (fixture.array("v"), RowSet::all(N));
    let theta = fixture.array("theta0");
    let mut sums = vec![f64::NAN; 53];
    problem.inner_sums(Point::new(&theta, &outer), all, None, &mut sums).unwrap();
    let mut gradient = scaled(&sums, 1.0 / N as f64);
    problem.penalty().add_gradient(&outer, &theta, &mut gradient).unwrap();
    assert_close(&gradient, &fixture.array("grad_g_theta0"), 1e-10);

    let (inner, u) = (fixture.array("theta_star"), fixture.array("u_star"));
    let point = Point::new(&inner, &outer);
    let (product, ggn) = (curvature(&problem, point, &u), fixture.array("ggn_star"));
    let expected = (0..53).map(|i| {
        let data: f64 = (0..53).map(|j| ggn[i * 53 + j] * u[j]).sum();
        data + 2.0 * LAMBDA * u[i]
    });
    assert_close(&product, &expected.collect::<Vec<_>>(), 1e-10);

    assert_close(&target(&problem, point), &fixture.array("grad_f_star"), 1e-10);
    assert_close(&minus_cross(&problem, point, &u), &fixture.array("hypergrad_star"), 1e-10);
}

#[test]
fn expected_samples_give_the_gauss_newton_hypergradient() {
    let fixture = Fixture::load();
    let usual = SamplesSettings::default();
    let (statistic, tolerance) = (Statistic::Expected, 1e-12);
    let samples = SamplesSettings { statistic, damping: 0.0, samples: N, tolerance, ..usual };
    let (got, residual) = hypergradient(&fixture, &FisherSettings::Samples(samples));
    assert!(residual < 1e-10, "{residual}");
    assert_close(&got, &fixture.array("hypergrad_ggn"), 1e-8);
}

/// Kronecker factors are not exact for a network, but close.
#[test]
fn kronecker_factors_come_close_to_the_gauss_newton_hypergradient() {
    let fixture = Fixture::load();
    let exact = fixture.array("hypergrad_ggn");
    let (statistic, damping) = (Statistic::Expected, 0.0);
    let kronecker = KroneckerSettings { statistic, damping, ..Default::default() };
    let corrected = EigenKroneckerSettings { statistic, damping, ..Default::default() };
    for settings in [FisherSettings::Kronecker(kronecker), FisherSettings::EigenKronecker(corrected)] {
        let (got, _) = hypergradient(&fixture, &settings);
        assert!(cosine(&got, &exact) > 0.9, "{settings:?}: cosine {}", cosine(&got, &exact));
    }
}
