//! The printed, decaying form and its relatives.

use crate::common::*;
use nhgd_fisher::{Fisher, Smoothing, Start};

const D: usize = 32;

fn printed(form: Form, beta: f64) -> Box<dyn Fisher<f64>> {
    fisher(form, D, &[], |config| {
        config.start = Start::Decaying;
        config.damping = 1.0;
        config.smoothing = Smoothing::Forget(beta);
        config.size = 64;
    })
}

#[test]
fn agrees_with_the_fixtures() {
    for (name, beta) in [("sherman_morrison", 0.9), ("sherman_morrison_beta099", 0.99)] {
        let fixture = Fixture::load(name);
        let (b, inverses) = (fixture.array("b"), fixture.array("A"));
        for form in [Form::Dense, Form::Window] {
            let mut fisher = printed(form, beta);
            for (t, g) in fixture.array("G").chunks_exact(D).enumerate() {
                fisher.observe(&rows(g, D)).expect("a good row");
                if t % 10 == 9 {
                    let expected = &inverses[t / 10 * D * D..][..D * D];
                    assert_close(&inverse(&mut *fisher), expected, 1e-10);
                }
            }
            let (x, report) = solve(&mut *fisher, &b);
            assert_close(&x, &fixture.array("Ab"), 1e-10);
            assert!((report.damping / beta.powi(50) - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn the_average_is_the_theorys() {
    // F_t = (δI + Σ g gᵀ) / t, with t − 1 gradients.
    let (d, delta) = (5, 0.3);
    let gradients = Random(1).normals(7 * d);
    let b = Random(2).normals(d);
    let mut f = vec![0.0; d * d];
    accumulate(&mut f, 0.0, 1.0 / 8.0, &gradients, d);
    let expected = reference(&f, |_| delta / 8.0, &b);
    for form in [Form::Dense, Form::Window] {
        let mut fisher = fisher(form, d, &[], |config| {
            config.start = Start::Decaying;
            config.damping = delta;
            config.smoothing = Smoothing::Average;
        });
        gradients.chunks_exact(d).for_each(|g| fisher.observe(&rows(g, d)).expect("a good row"));
        assert_close(&solve(&mut *fisher, &b).0, &expected, 1e-12);
    }
}

#[test]
fn rank_one_updates_make_one_rank_k_update() {
    // Smoothed with β^k and row j scaled by √((1−β) β^(k−1−j) / (1−β^k)).
    let (beta, k) = (0.9f64, 9);
    let gradients = Random(3).normals(k * D);
    let b = Random(4).normals(D);
    for start in [Start::Decaying, Start::Held] {
        let new = |beta| {
            fisher(Form::Dense, D, &[], |config| {
                config.start = start;
                config.smoothing = Smoothing::Forget(beta);
            })
        };
        let (mut one_by_one, mut at_once) = (new(beta), new(beta.powi(k as i32)));
        gradients.chunks_exact(D).for_each(|g| one_by_one.observe(&rows(g, D)).expect("a good row"));
        let total = 1.0 - beta.powi(k as i32);
        let scaled: Vec<f64> = gradients
            .chunks_exact(D)
            .enumerate()
            .flat_map(|(j, g)| {
                let c = ((1.0 - beta) * beta.powi((k - 1 - j) as i32) / total).sqrt();
                g.iter().map(move |g| c * g)
            })
            .collect();
        at_once.observe(&rows(&scaled, D)).expect("good rows");
        assert_close(&solve(&mut *one_by_one, &b).0, &solve(&mut *at_once, &b).0, 1e-10);
    }
}

#[test]
fn a_held_start_does_not_wind_up() {
    // Gradients visit half of the space; the printed form's inverse would pass 1e1000 in the other half.
    let (d, beta, damping) = (16, 0.9, 0.05);
    let mut fisher = fisher(Form::Dense, d, &[], |config| {
        config.smoothing = Smoothing::Forget(beta);
        config.damping = damping;
    });
    let mut random = Random(5);
    let mut f = vec![0.0; d * d];
    for _ in 0..100_000 {
        let g: Vec<f64> = (0..d).map(|i| if i < d / 2 { random.normal() } else { 0.0 }).collect();
        accumulate(&mut f, beta, 1.0 - beta, &g, d);
        fisher.observe(&rows(&g, d)).expect("a good row");
    }
    let a = inverse(&mut *fisher);
    for i in 0..d {
        for j in 0..d {
            assert!((a[i * d + j] - a[j * d + i]).abs() < 1e-8 / damping);
        }
    }
    for _ in 0..20 {
        let b = random.normals(d);
        let (x, report) = solve(&mut *fisher, &b);
        assert!(report.residual.is_some_and(|residual| residual <= 1e-10));
        assert_close(&x, &reference(&f, |_| damping, &b), 1e-8);
        assert!(x.iter().zip(&b).map(|(x, b)| x * b).sum::<f64>() > 0.0);
    }
}

#[test]
fn a_decaying_start_that_has_wound_up_is_an_error() {
    let mut fisher = printed(Form::Dense, 0.5);
    let mut unit = vec![0.0; D];
    unit[0] = 1.0;
    let mut failed = false;
    for _ in 0..3000 {
        failed |= fisher.observe(&rows(&unit, D)).is_err();
    }
    let mut x = vec![0.0; D];
    failed |= fisher.solve(&[1.0; D], &mut x).is_err();
    assert!(failed, "an inverse of 2^3000 can't be represented");
    fisher.reset();
    assert_close(&solve(&mut *fisher, &[1.0; D]).0, &[1.0; D], 0.0);
}
