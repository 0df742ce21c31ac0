use super::*;
use crate::naive::{assert_close, numbers};
use crate::simd::on_each_level;

/// Distance of `got` from `exact` in units in the last place of the scalar type.
fn agrees_with_its_definition<T: Scalar>() {
    on_each_level(|level| {
        for (rows, classes) in [(1, 1), (3, 2), (5, 10), (64, 10), (7, 17), (2, 100)] {
            for size in [1.0, 30.0, 3e4] {
                let scores: Vec<T> =
                    numbers(rows * classes, 7).into_iter().map(|s: T| s * T::of(size)).collect();
                let labels: Vec<u32> = (0..rows).map(|r| (3 * r % classes) as u32).collect();
                let mut p = scores.clone();
                let mut losses = vec![T::nan(); rows];
                softmax_cross_entropy(&mut p, classes, &labels, &mut losses);
                let mut also_p = scores.clone();
                softmax_in_place(&mut also_p, classes);
                let mut also_losses = losses.clone();
                cross_entropy(&scores, classes, &labels, &mut also_losses);
                assert!(also_p == p && also_losses == losses, "{level}: the same bits by each way");

                let weights: Vec<T> = numbers(rows, 8);
                let mut e = p.clone();
                residuals(&mut e, classes, &labels, Some(&weights));
                let directions: Vec<T> = numbers(rows * classes, 9);
                let mut ds = directions.clone();
                softmax_r(&p, &mut ds, classes);

                let tolerance = 8.0 * classes as f64 * T::epsilon().wide();
                for r in 0..rows {
                    let row = &scores[r * classes..(r + 1) * classes];
                    let max = row.iter().fold(f64::MIN, |max, s| max.max(s.wide()));
                    let total: f64 = row.iter().map(|s| (s.wide() - max).exp()).sum();
                    let exact: Vec<f64> = row.iter().map(|s| (s.wide() - max).exp() / total).collect();
                    let loss = max + total.ln() - row[labels[r] as usize].wide();
                    assert_close(losses[r], T::of(loss), tolerance * (1.0 + loss.abs() + max.abs()), level);
                    let mean: f64 = (0..classes).map(|c| exact[c] * directions[r * classes + c].wide()).sum();
                    for c in 0..classes {
                        let at = r * classes + c;
                        // An error of the difference of scores becomes a relative one of p.
                        let tolerance = tolerance * (1.0 + size);
                        assert_close(p[at], T::of(exact[c]), tolerance, level);
                        let one_hot = f64::from(u8::from(c == labels[r] as usize));
                        assert_close(
                            e[at],
                            T::of(weights[r].wide() * (exact[c] - one_hot)),
                            tolerance,
                            level,
                        );
                        let expected = exact[c] * (directions[at].wide() - mean);
                        assert_close(ds[at], T::of(expected), 2.0 * tolerance, level);
                    }
                }
            }
        }
    });
}

#[test]
fn softmax_agrees_with_its_definition() {
    agrees_with_its_definition::<f32>();
    agrees_with_its_definition::<f64>();
}

#[test]
fn rows_keep_their_bits_in_any_tile() {
    on_each_level(|level| {
        let scores: Vec<f32> = numbers(23 * 10, 7);
        let mut whole = scores.clone();
        softmax_in_place(&mut whole, 10);
        for height in [1, 2, 7, 16] {
            let mut tiled = scores.clone();
            tiled.chunks_mut(10 * height).for_each(|tile| softmax_in_place(tile, 10));
            assert_eq!(tiled, whole, "{level}");
        }
    });
}

#[test]
fn what_is_not_finite_stays_in_its_row() {
    on_each_level(|level| {
        let infinity = f64::INFINITY;
        let mut p = [
            0.0,
            f64::NAN,
            1.0,
            /**/ 0.0,
            infinity,
            1.0,
            /**/ -infinity,
            2.0,
            2.0,
            /**/ 1.0,
            1.0,
            1.0,
        ];
        softmax_in_place(&mut p, 3);
        assert!(p[..6].iter().all(|p| p.is_nan()), "{level}");
        assert_eq!(p[6..9], [0.0, 0.5, 0.5]);
        assert!((p[9] - 1.0 / 3.0).abs() < 1e-15);
    });
}
