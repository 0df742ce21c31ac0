//! Layers that share their weights over positions.

use crate::common::*;
use nhgd_curvature::{Factors, LayerFactors, LayerShape, Observation};
use nhgd_fisher::Sharing;

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
        accumulate(&mut f, 0.0, 1.0, &factors.rows(&LAYERS).unwrap().data, d);
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
    let trace: f64 = factors.rows(&LAYERS).unwrap().data.iter().map(|g| g * g).sum();
    let mut fisher = fisher(Form::EigenKronecker, 18, &LAYERS, |config| config.damping = 1.0);
    fisher.refresh(&Observation::Factors(factors)).expect("good factors");
    // tr F = Σ 1/a_j − d over the eigenvalues a of A = (F + I)⁻¹.
    let a = inverse(&mut *fisher);
    let unit = |j: usize| (0..18).map(|i| if i == j { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let found: f64 = (0..18).map(|j| reference(&a, |_| 0.0, &unit(j))[j] - 1.0).sum();
    assert!((found / trace - 1.0).abs() < 1e-9, "{found} against {trace}");
}

#[test]
fn factors_are_exact_for_linear_networks_with_a_loss_where_the_setting_says() {
    let (mut random, layers, samples, positions) = (Random(53), [layer(3, 2)], 9, 3);
    // What follows the layer: ∂z_c/∂s_o.
    let followed = [[0.7, -1.1], [0.4, 0.9]];
    for theory in [Sharing::Expand, Sharing::Reduce] {
        // A loss at each position has a direction per position and score, a loss at the mean has one per score.
        let directions = if theory == Sharing::Expand { 2 * positions } else { 2 };
        let output = |at: usize| {
            let (o, t, k) = (at % 2, at / 2 % positions, at / (2 * positions) % directions);
            match theory {
                Sharing::Expand if k / 2 == t => followed[k % 2][o],
                Sharing::Expand => 0.0,
                Sharing::Reduce => followed[k][o] / positions as f64,
            }
        };
        let mut factors = random.factors(samples, directions, &layers);
        let outputs = (0..samples * directions * positions * 2).map(output).collect();
        let inputs = random.normals(samples * positions * 3);
        factors.layers[0] = LayerFactors { positions, ..LayerFactors::new(inputs, outputs) };
        let (mut f, b) = (vec![0.0; 36], random.normals(6));
        accumulate(&mut f, 0.0, 1.0, &factors.rows(&layers).unwrap().data, 6);
        let expected = reference(&f, |_| 0.1, &b);
        for form in [Form::Kronecker, Form::EigenKronecker] {
            for sharing in [Sharing::Expand, Sharing::Reduce] {
                let mut fisher =
                    fisher(form, 6, &layers, |config| (config.damping, config.sharing) = (0.1, sharing));
                fisher.refresh(&Observation::Factors(factors.clone())).expect("good factors");
                let error = distance(&solve(&mut *fisher, &b).0, &expected);
                let exact = sharing == theory;
                assert!(if exact { error < 1e-12 } else { error > 1e-2 }, "{form:?}, {sharing:?}: {error}");
            }
        }
    }
}
