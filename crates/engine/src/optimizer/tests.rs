use super::*;

fn after(settings: &str, gradients: &[[f64; 2]], rate: f64) -> Vec<f64> {
    let (optimizer, x) = (Optimizer::new(settings).unwrap(), Vector::from_vec(vec![1.0, -2.0]));
    for g in gradients {
        optimizer.step(&x, &Vector::from_vec(g.to_vec()), rate).unwrap();
    }
    x.read().unwrap()
}

fn close(got: Vec<f64>, expected: [f64; 2]) {
    assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-12), "{got:?} {expected:?}");
}

#[test]
fn steps_follow_their_formulas() {
    let g = [[1.0, -3.0], [0.5, 1.0]];
    close(after(r#"{"kind":"sgd"}"#, &g, 0.1), [1.0 - 0.15, -2.0 + 0.2]);
    let m = [0.9 * 1.0 + 0.5, 0.9 * -3.0 + 1.0];
    close(
        after(r#"{"kind":"momentum","momentum":0.9}"#, &g, 0.1),
        [1.0 - 0.1 - 0.1 * m[0], -2.0 + 0.3 - 0.1 * m[1]],
    );
    // The first step of Adam is the sign of the gradient; with one second moment it keeps the direction.
    let adam =
        |shared| format!(r#"{{"kind":"adam","beta1":0.9,"beta2":0.99,"epsilon":0,"shared":{shared}}}"#);
    close(after(&adam(false), &g[..1], 0.1), [0.9, -1.9]);
    let rms = 5f64.sqrt();
    close(after(&adam(true), &g[..1], 0.1), [1.0 - 0.1 / rms, -2.0 + 0.3 / rms]);
}

const RULES: [&str; 4] = [
    r#"{"kind":"sgd"}"#,
    r#"{"kind":"momentum","momentum":0.9}"#,
    r#"{"kind":"adam","beta1":0.9,"beta2":0.99,"epsilon":1e-3,"shared":false}"#,
    r#"{"kind":"adam","beta1":0.9,"beta2":0.99,"epsilon":1e-3,"shared":true}"#,
];

#[test]
fn the_adaptation_is_the_derivative_of_the_last_step() {
    let (before, last, target) = ([0.7, -0.2], [1.0, -3.0], [0.3, 2.0]);
    for rule in RULES {
        let x = |g: [f64; 2]| after(rule, &[before, g], 0.1);
        let optimizer = Optimizer::new(rule).unwrap();
        let [x0, g, b, u] = [[1.0, -2.0], last, target, [0.0; 2]].map(|v| Vector::from_vec(v.to_vec()));
        optimizer.step(&x0, &Vector::from_vec(before.to_vec()), 0.1).unwrap();
        optimizer.step(&x0, &g, 0.1).unwrap();
        assert_eq!(optimizer.steps(), 2);
        optimizer.adaptation(&g, &b, 0.1, &u).unwrap();
        let expected = [0, 1].map(|j| {
            let moved = |by: f64| x(std::array::from_fn(|i| last[i] + if i == j { by } else { 0.0 }));
            let (up, down) = (moved(1e-5), moved(-1e-5));
            (0..2).map(|i| -(up[i] - down[i]) / 2e-5 * target[i]).sum::<f64>()
        });
        let got: Vec<f64> = u.read().unwrap();
        assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-8), "{rule}: {got:?} {expected:?}");
    }
}

#[test]
fn a_restored_optimiser_goes_on_with_the_same_bits() {
    let g = Vector::from_vec(vec![0.3, -0.7]);
    for (i, rule) in RULES.into_iter().enumerate() {
        let [one, other] = [0, 1].map(|_| Optimizer::new(rule).unwrap());
        let x = Vector::from_vec(vec![1.0, 2.0]);
        other.restore(&one.save().unwrap()).unwrap();
        one.step(&x, &g, 0.1).unwrap();
        let saved = one.save().unwrap();
        other.restore(&saved).unwrap();
        assert_eq!(other.steps(), 1);
        let y = Vector::from_vec(x.read::<f64>().unwrap());
        one.step(&x, &g, 0.1).unwrap();
        other.step(&y, &g, 0.1).unwrap();
        assert_eq!(x.read::<f64>().unwrap(), y.read::<f64>().unwrap());
        let foreign = Optimizer::new(RULES[(i + 1) % 4]).unwrap();
        for (optimizer, bytes) in [(&one, &saved[..saved.len() - 1]), (&one, &[]), (&foreign, &saved[..])] {
            assert_eq!(optimizer.restore(bytes).unwrap_err().code, Code::Checkpoint, "{rule}");
        }
    }
}

#[test]
fn bad_settings_are_refused() {
    for bad in ["{}", r#"{"kind":"momentum","momentum":1}"#, r#"{"kind":"sgd","rate":1}"#, "nonsense"] {
        assert_eq!(Optimizer::new(bad).unwrap_err().code, Code::Range, "{bad}");
    }
    let optimizer = Optimizer::new(r#"{"kind":"sgd"}"#).unwrap();
    let x = Vector::from_vec(vec![0.0; 3]);
    assert_eq!(optimizer.step(&x, &x, 0.1).unwrap_err().code, Code::Range);
    assert_eq!(optimizer.step(&x, &Vector::from_vec(vec![0.0; 2]), 0.1).unwrap_err().code, Code::Shape);
    assert_eq!(optimizer.step(&x, &Vector::from_vec(vec![0f32; 3]), 0.1).unwrap_err().code, Code::Dtype);
    assert_eq!(optimizer.step(&x, &Vector::from_vec(vec![0.0; 3]), -1.0).unwrap_err().code, Code::Range);
}
