//! Linear models of every loss against finite differences, closed forms and each other.

use std::sync::Arc;

use nhgd_curvature::Statistic;
use nhgd_kernels::memory::Result;
use nhgd_kernels::{FeatureData, Features, RowSet};
use nhgd_models::{Along, Batch, Labels, Linear, Loss, Model, Samples, Targets, Term, signs, uniform};

const FEATURES: usize = 5;

struct Case {
    model: Linear,
    samples: Samples,
    theta: Vec<f64>,
    weights: Vec<f64>,
}

/// Numbers between −½ and ½.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    (0..n as u64).map(|i| uniform(seed, i) - 0.5).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn classes(n: usize, classes: usize) -> Targets {
    Targets::Classes((0..n as u64).map(|i| (uniform(5, i) * classes as f64) as u32).collect())
}

fn case(n: usize, outputs: usize, bias: bool, loss: Loss, targets: Targets, threads: usize) -> Case {
    let model = Linear::new(FEATURES, outputs, bias, loss, threads);
    let d = Model::<f64>::parameters(&model);
    assert_eq!(d, (FEATURES + usize::from(bias)) * outputs);
    let features = Features::new(FeatureData::F64(numbers(n * FEATURES, 1).into()), n, FEATURES, 3.0);
    Case {
        model,
        samples: Samples::new(Arc::new(features), None, targets),
        theta: numbers(d, 2),
        weights: numbers(n, 9).iter().map(|x| x + 0.7).collect(),
    }
}

/// Every loss with every kind of target that it takes.
fn everywhere(n: usize, mut body: impl FnMut(Case, &str)) {
    for bias in [false, true] {
        for (outputs, loss, targets) in [
            (3, Loss::CrossEntropy, classes(n, 3)),
            (1, Loss::Logistic, classes(n, 2)),
            (3, Loss::Squared, classes(n, 3)),
            (1, Loss::Squared, Targets::Values(numbers(n, 7), 1)),
            (2, Loss::Squared, Targets::Values(numbers(2 * n, 7), 2)),
        ] {
            let what = format!("{loss:?}, {outputs} outputs, bias {bias}, n = {n}");
            body(case(n, outputs, bias, loss, targets, 2), &what);
        }
    }
}

impl Case {
    fn with<R>(&self, body: impl FnOnce(Batch<'_>) -> Result<R>) -> R {
        self.samples.with(RowSet::all(self.samples.len()), body).unwrap()
    }

    /// Losses and Σ w_i ∇ℓ_i.
    fn gradient(&self, theta: &[f64], weights: &[f64], labels: Labels) -> (Vec<f64>, Vec<f64>) {
        let (mut gradient, mut losses) = (vec![0.0; theta.len()], vec![f64::NAN; weights.len()]);
        let term = Term { weights, labels, gradient: &mut gradient };
        self.with(|batch| self.model.gradients(theta, batch, &mut [term], &mut losses));
        (losses, gradient)
    }

    fn curvature(&self, weights: &[f64], u: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; u.len()];
        self.with(|batch| self.model.curvature_product(&self.theta, batch, weights, u, &mut product));
        product
    }

    fn moved(&self, u: &[f64], step: f64) -> Vec<f64> {
        self.theta.iter().zip(u).map(|(t, u)| t + step * u).collect()
    }

    /// n Σ_i w_i Σ_k g_ik g_ikᵀ u / n.
    fn fisher_product(&self, statistic: Statistic, seed: u64, u: &[f64]) -> Vec<f64> {
        let mut factors = self.with(|batch| self.model.factors(&self.theta, batch, statistic, seed));
        factors.weights = self.weights.iter().map(|w| w * self.weights.len() as f64).collect();
        let rows = factors.rows(&Model::<f64>::layers(&self.model)).unwrap();
        let mut product = vec![0.0; u.len()];
        for g in rows.data.chunks_exact(u.len()) {
            let scale = dot(g, u);
            product.iter_mut().zip(g).for_each(|(p, g)| *p += scale * g);
        }
        product
    }
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

#[test]
fn derivatives_match_finite_differences() {
    let h = 1e-5;
    for n in [1, 3, 17, 64, 65, 1025, 2500] {
        everywhere(n, |case, what| {
            let d = case.theta.len();
            let (_, g) = case.gradient(&case.theta, &case.weights, Labels::Given);
            let difference: Vec<f64> = (0..d)
                .map(|j| {
                    let at = |step: f64| {
                        let mut theta = case.theta.clone();
                        theta[j] += step;
                        dot(&case.gradient(&theta, &case.weights, Labels::Given).0, &case.weights)
                    };
                    (at(h) - at(-h)) / (2.0 * h)
                })
                .collect();
            assert_close(&g, &difference, 1e-6, what);

            let u = numbers(d, 3);
            let at = |step| case.gradient(&case.moved(&u, step), &case.weights, Labels::Given).1;
            let difference: Vec<f64> =
                at(h).iter().zip(at(-h)).map(|(up, down)| (up - down) / (2.0 * h)).collect();
            assert_close(&case.curvature(&case.weights, &u), &difference, 1e-6, what);
            let mut hessian = vec![0.0; d];
            case.with(|b| case.model.hessian_product(&case.theta, b, &case.weights, &u, &mut hessian));
            assert_eq!(hessian, case.curvature(&case.weights, &u), "Gauss–Newton is the Hessian: {what}");

            let mut q = vec![f64::NAN; n];
            let out = Along { losses: &mut q, scores: &mut [], inputs: &mut [] };
            case.with(|batch| case.model.along(&case.theta, batch, &[], &u, out));
            assert_close(&[dot(&q, &case.weights)], &[dot(&g, &u)], 1e-10, what);
        });
    }
}

#[test]
fn expected_factors_are_the_curvature() {
    everywhere(40, |case, what| {
        let u = numbers(case.theta.len(), 3);
        let expected = case.curvature(&case.weights, &u);
        assert_close(&case.fisher_product(Statistic::Expected, 1, &u), &expected, 1e-12, what);
    });
}

#[test]
fn given_factors_are_the_gradients() {
    everywhere(9, |case, what| {
        let factors = case.with(|batch| case.model.factors(&case.theta, batch, Statistic::Empirical, 1));
        for i in 0..9 {
            let weights: Vec<f64> = (0..9).map(|j| f64::from(u8::from(i == j))).collect();
            let (_, gradient) = case.gradient(&case.theta, &weights, Labels::Given);
            let mut got = vec![f64::NAN; gradient.len()];
            factors.layers[0].gradient(i, 0, 1, Model::<f64>::layers(&case.model)[0], &mut got).unwrap();
            assert_close(&got, &gradient, 1e-12, what);
        }
    });
}

#[test]
fn draws_converge_to_the_curvature() {
    everywhere(2, |case, what| {
        let d = case.theta.len();
        let u = numbers(d, 3);
        let expected = case.curvature(&case.weights, &u);
        let roots: Vec<f64> = case.weights.iter().map(|w| w.sqrt()).collect();
        let draws = 20_000;
        let (mut sampled, mut sums) = (vec![0.0; d], [vec![0.0; d], vec![0.0; d]]);
        for seed in 0..draws {
            let product = case.fisher_product(Statistic::Sampled, seed, &u);
            sampled.iter_mut().zip(product).for_each(|(s, p)| *s += p / draws as f64);
            let signed: Vec<f64> = signs(!seed, 0..2).zip(&roots).map(|(sign, root)| sign * root).collect();
            for (sum, labels) in sums.iter_mut().zip([Labels::Sampled { seed }, Labels::Expected { seed }]) {
                let (_, row) = case.gradient(&case.theta, &signed, labels);
                let scale = dot(&row, &u) / draws as f64;
                sum.iter_mut().zip(&row).for_each(|(sum, g)| *sum += scale * g);
            }
        }
        assert_close(&sampled, &expected, 0.06, what);
        sums.iter().for_each(|sum| assert_close(sum, &expected, 0.06, what));
    });
}

#[test]
fn linear_regression_is_least_squares() {
    let (n, k) = (30, 2);
    let y = numbers(n * k, 7);
    let case = case(n, k, true, Loss::Squared, Targets::Values(y.clone(), k), 1);
    let x = numbers(n * FEATURES, 1);
    let (losses, gradient) = case.gradient(&case.theta, &case.weights, Labels::Given);
    let mut expected = vec![0.0; case.theta.len()];
    let mut z = vec![f64::NAN; n * k];
    case.model.probabilities(&case.theta, case.samples.features(), RowSet::all(n), &mut z).unwrap();
    for i in 0..n {
        let a: Vec<f64> = x[i * FEATURES..][..FEATURES].iter().map(|x| 3.0 * x).chain([1.0]).collect();
        let errors: Vec<f64> = (0..k)
            .map(|c| a.iter().enumerate().map(|(j, a)| a * case.theta[j * k + c]).sum::<f64>() - y[i * k + c])
            .collect();
        assert!((losses[i] - 0.5 * dot(&errors, &errors)).abs() < 1e-12);
        (0..k).for_each(|c| assert!((z[i * k + c] - y[i * k + c] - errors[c]).abs() < 1e-12));
        for (j, a) in a.iter().enumerate() {
            (0..k).for_each(|c| expected[j * k + c] += case.weights[i] * a * errors[c]);
        }
    }
    assert_close(&gradient, &expected, 1e-12, "the normal equations' residual");
}

#[test]
fn logistic_regression_is_softmax_regression_of_two_classes() {
    let n = 70;
    let logistic = case(n, 1, true, Loss::Logistic, classes(n, 2), 1);
    let mut softmax = case(n, 2, true, Loss::CrossEntropy, classes(n, 2), 1);
    softmax.theta = logistic.theta.iter().flat_map(|t| [-t / 2.0, t / 2.0]).collect();
    let [one, two] = [&logistic, &softmax].map(|c| c.gradient(&c.theta, &c.weights, Labels::Given));
    assert_close(&one.0, &two.0, 1e-12, "losses");
    let half: Vec<f64> = two.1.chunks_exact(2).map(|g| (g[1] - g[0]) / 2.0).collect();
    assert_close(&one.1, &half, 1e-12, "gradient");
    let [p, q] = [&logistic, &softmax].map(|c| {
        let mut p = vec![f64::NAN; 2 * n];
        c.model.probabilities(&c.theta, c.samples.features(), RowSet::all(n), &mut p).unwrap();
        p
    });
    assert_close(&p, &q, 1e-12, "probabilities");
}

#[test]
fn far_scores_keep_losses_and_probabilities_finite() {
    let n = 40;
    let mut case = case(n, 1, true, Loss::Logistic, classes(n, 2), 1);
    case.theta.iter_mut().for_each(|t| *t *= 1e4);
    let (losses, gradient) = case.gradient(&case.theta, &case.weights, Labels::Given);
    assert!(losses.iter().all(|l| (0.0..1e6).contains(l)) && losses.iter().any(|&l| l > 1e3));
    assert!(gradient.iter().all(|g| g.is_finite()));
    let mut p = vec![f64::NAN; 2 * n];
    case.model.probabilities(&case.theta, case.samples.features(), RowSet::all(n), &mut p).unwrap();
    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
}

#[test]
fn listed_positions_take_their_own_targets() {
    for targets in [classes(6, 3), Targets::Values(numbers(18, 7), 3)] {
        let loss = if let Targets::Classes(_) = targets { Loss::CrossEntropy } else { Loss::Squared };
        let case = case(6, 3, true, loss, targets, 1);
        let (all, _) = case.gradient(&case.theta, &case.weights, Labels::Given);
        let mut some = [f64::NAN; 3];
        case.samples
            .with(RowSet::Indices(&[4, 0, 4]), |batch| case.model.losses(&case.theta, batch, &mut some))
            .unwrap();
        assert_close(&some, &[all[4], all[0], all[4]], 1e-14, "losses");
        let mut some = [f64::NAN; 3];
        let range = RowSet::Range { start: 2, end: 5 };
        case.samples.with(range, |batch| case.model.losses(&case.theta, batch, &mut some)).unwrap();
        assert_close(&some, &all[2..5], 1e-14, "losses");
    }
}

#[test]
fn targets_that_do_not_fit_are_told() {
    let misfit = |targets: Targets, loss: Loss, classes| loss.misfit(&targets, classes);
    assert_eq!(misfit(Targets::Classes(vec![0, 2, 1]), Loss::CrossEntropy, 3), None);
    let (expected, got) = misfit(Targets::Classes(vec![0, 3]), Loss::CrossEntropy, 3).expect("a misfit");
    assert_eq!((&*expected, &*got), ("classes 0 to 2", "3 at index 1"));
    assert_eq!(misfit(Targets::Values(vec![0.5; 4], 2), Loss::Squared, 2), None);
    assert!(misfit(Targets::Values(vec![0.5; 4], 2), Loss::Squared, 1).is_some());
    assert!(misfit(Targets::Values(vec![0.5; 4], 1), Loss::Logistic, 2).is_some());
    assert!(misfit(Targets::Values(vec![0.5; 4], 4), Loss::CrossEntropy, 4).is_some());
}

#[test]
fn same_bits_whatever_the_threads() {
    let run = |threads| {
        let case = case(5000, 3, true, Loss::CrossEntropy, classes(5000, 3), threads);
        case.gradient(&case.theta, &case.weights, Labels::Given)
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(7));
}
