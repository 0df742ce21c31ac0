//! Reweighting with a network as its model, against the fixture `mlp2`.

use std::sync::Arc;

use nhgd_curvature::{Diagonal, Statistic, Wants};
use nhgd_fisher::{FisherConfig, Form, build};
use nhgd_kernels::{FeatureData, Features, RowSet};
use nhgd_models::{Activation, Loss, Mlp, Samples, Targets};
use nhgd_problems::weighting::PerSample;
use nhgd_problems::{Point, Problem, Reweighting};

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
        let features = FeatureData::F64(self.array(features));
        Samples::new(Arc::new(Features::new(features, labels.len(), 6, 1.0)), None, Targets::Classes(labels))
    }

    fn problem(&self) -> Reweighting<f64> {
        let model = Mlp::new(6, &[5], 3, Activation::Tanh, Loss::CrossEntropy, 1);
        let (train, trusted) = (self.samples("X", "y"), self.samples("Xval", "yval"));
        Reweighting::new(Box::new(model), train, trusted, Box::new(PerSample::new(N)), LAMBDA, None)
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

/// The hypergradient at θ* by an inverse Fisher that observed all samples once, and the residual that it leaves in the
/// Gauss–Newton system.
fn hypergradient(fixture: &Fixture, form: Form) -> (Vec<f64>, f64) {
    let problem = fixture.problem();
    let (inner, outer, all) = (fixture.array("theta_star"), fixture.array("v"), RowSet::all(N));
    let point = Point::new(&inner, &outer);
    let config = FisherConfig {
        form,
        statistic: Statistic::Expected,
        damping: 0.0,
        size: N,
        tolerance: 1e-12,
        ..FisherConfig::default()
    };
    let regularizer = problem.regularizer(point);
    assert_eq!(regularizer, Diagonal::Scalar(2.0 * LAMBDA));
    let mut fisher =
        build(&config, &problem.layers(), problem.inner_len(), regularizer).expect("good settings");
    assert_eq!(fisher.wants(), Wants::Factors(Statistic::Expected));
    fisher.observe(&problem.observation(point, all, fisher.wants(), 1)).expect("good samples");

    let (mut direct, mut target) = (vec![f64::NAN; N], vec![f64::NAN; problem.inner_len()]);
    problem.outer_gradient(point, RowSet::all(problem.outer_samples()), &mut direct, &mut target);
    let mut u = vec![f64::NAN; problem.inner_len()];
    fisher.solve(&target, &mut u).expect("a solution");
    let mut product = vec![f64::NAN; u.len()];
    problem.curvature_product(point, all, &u, &mut product);
    let residual: Vec<f64> = product.iter().zip(&target).map(|(cu, b)| cu - b).collect();
    problem.cross_product(point, all, &u, -1.0, &mut direct);
    (direct, largest(&residual) / largest(&target))
}

#[test]
fn oracles_are_those_of_the_fixture() {
    let fixture = Fixture::load();
    let problem = fixture.problem();
    assert_eq!(problem.curvature(), "gauss-newton");
    let (outer, all) = (fixture.array("v"), RowSet::all(N));
    let mut gradient = vec![f64::NAN; 53];
    problem.inner_gradient(Point::new(&fixture.array("theta0"), &outer), all, &mut gradient);
    assert_close(&gradient, &fixture.array("grad_g_theta0"), 1e-10);

    let (inner, u) = (fixture.array("theta_star"), fixture.array("u_star"));
    let point = Point::new(&inner, &outer);
    let (mut product, ggn) = (vec![f64::NAN; 53], fixture.array("ggn_star"));
    problem.curvature_product(point, all, &u, &mut product);
    let expected = (0..53).map(|i| {
        let data: f64 = (0..53).map(|j| ggn[i * 53 + j] * u[j]).sum();
        data + 2.0 * LAMBDA * u[i]
    });
    assert_close(&product, &expected.collect::<Vec<_>>(), 1e-10);

    let (mut direct, mut target) = (vec![f64::NAN; N], vec![f64::NAN; 53]);
    problem.outer_gradient(point, RowSet::all(problem.outer_samples()), &mut direct, &mut target);
    assert_close(&target, &fixture.array("grad_f_star"), 1e-10);
    problem.cross_product(point, all, &u, -1.0, &mut direct);
    assert_close(&direct, &fixture.array("hypergrad_star"), 1e-10);
}

#[test]
fn expected_samples_give_the_gauss_newton_hypergradient() {
    let fixture = Fixture::load();
    let (got, residual) = hypergradient(&fixture, Form::Samples);
    assert!(residual < 1e-10, "{residual}");
    assert_close(&got, &fixture.array("hypergrad_ggn"), 1e-8);
}

/// Kronecker factors are not exact for a network, but close.
#[test]
fn kronecker_factors_come_close_to_the_gauss_newton_hypergradient() {
    let fixture = Fixture::load();
    let exact = fixture.array("hypergrad_ggn");
    for form in [Form::Kronecker, Form::EigenKronecker] {
        let (got, _) = hypergradient(&fixture, form);
        assert!(cosine(&got, &exact) > 0.9, "{form:?}: cosine {}", cosine(&got, &exact));
    }
}
