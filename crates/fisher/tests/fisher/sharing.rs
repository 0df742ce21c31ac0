//! Layers that share their weights over positions.

use crate::common::*;
use nhgd_curvature::{Factors, LayerFactors, LayerShape, Observation};

const LAYERS: [LayerShape; 2] = [LayerShape { inputs: 3, outputs: 2 }, LayerShape { inputs: 4, outputs: 3 }];

/// Factors of two layers, of which the first meets its weights at three positions.
fn factors(random: &mut Random, samples: usize, directions: usize) -> Factors<f64> {
    let mut factors = random.factors(samples, directions, &LAYERS);
    factors.layers[0] = LayerFactors {
        positions: 3,
        ..LayerFactors::new(random.normals(samples * 3 * 3), random.normals(samples * directions * 3 * 2))
    };
    factors
}

#[test]
fn samples_are_exact_and_keep_their_state() {
    let mut random = Random(51);
    for directions in [1, 3] {
        let factors = factors(&mut random, 20, directions);
        let (d, b) = (18, random.normals(18));
        let mut f = vec![0.0; d * d];
        accumulate(&mut f, 0.0, 1.0, &factors.rows(&LAYERS).data, d);
        let expected = reference(&f, |_| 0.1, &b);
        let make = || fisher(Form::Samples, d, &LAYERS, |config| (config.damping, config.size) = (0.1, 20));
        let mut fisher = make();
        fisher.observe(&Observation::Factors(factors.clone())).expect("good factors");
        let (x, _) = solve(&mut *fisher, &b);
        assert_close(&x, &expected, 1e-9);
        let mut copy = make();
        copy.restore(&saved(&*fisher)).expect("a state");
        assert_eq!(solve(&mut *copy, &b).0, x);
        // Other positions than before are refused, and nothing changes.
        let other = random.factors(4, directions, &LAYERS);
        assert!(fisher.observe(&Observation::Factors(other)).is_err());
        assert_eq!(solve(&mut *fisher, &b).0, x);
    }
}

#[test]
fn the_corrected_spectrum_keeps_the_trace() {
    let factors = factors(&mut Random(52), 20, 2);
    let trace: f64 = factors.rows(&LAYERS).data.iter().map(|g| g * g).sum();
    let mut fisher = fisher(Form::EigenKronecker, 18, &LAYERS, |config| config.damping = 1.0);
    fisher.refresh(&Observation::Factors(factors)).expect("good factors");
    // tr F = Σ 1/a_j − d over the eigenvalues a of A = (F + I)⁻¹.
    let a = inverse(&mut *fisher);
    let unit = |j: usize| (0..18).map(|i| if i == j { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let found: f64 = (0..18).map(|j| reference(&a, |_| 0.0, &unit(j))[j] - 1.0).sum();
    assert!((found / trace - 1.0).abs() < 1e-9, "{found} against {trace}");
}
