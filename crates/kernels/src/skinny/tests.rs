use super::*;
use crate::naive::{assert_close, numbers};
use crate::simd::on_each_level;

/// Sizes around the blocks: rows by 2, classes by 5 and 10, features by one and two vectors.
fn for_each_shape(mut body: impl FnMut(usize, usize, usize)) {
    for rows in [0, 1, 2, 3, 8, 65] {
        for classes in (1..=13).chain([20, 21, 64, 100]) {
            for features in [1, 15, 16, 17, 33, 48, 50, 131] {
                body(rows, features, classes);
            }
        }
    }
}

fn padded<T: Scalar>(rows: usize, features: usize, seed: u64) -> (Vec<T>, usize) {
    let stride = stride(features);
    let mut x = numbers(rows * stride, seed);
    x.chunks_exact_mut(stride).for_each(|row| row[features..].fill(T::zero()));
    (x, stride)
}

fn products_agree<T: Scalar>() {
    on_each_level(|level| {
        for_each_shape(|rows, features, classes| {
            let (tile, stride) = padded::<T>(rows, features, 1);
            let (weights, _) = padded::<T>(classes, features, 2);
            let mut scores = vec![T::nan(); rows * classes];
            project(&tile, rows, stride, &weights, classes, &mut scores);
            for r in 0..rows {
                for c in 0..classes {
                    let terms = || {
                        (0..features).map(|p| tile[r * stride + p].wide() * weights[c * stride + p].wide())
                    };
                    let tolerance =
                        8.0 * features as f64 * T::epsilon().wide() * terms().map(f64::abs).sum::<f64>();
                    assert_close(scores[r * classes + c], T::of(terms().sum()), tolerance, level);
                }
            }

            let residuals = numbers::<T>(rows * classes, 3);
            let mut sums = vec![T::one(); classes * stride];
            accumulate(&tile, rows, stride, &residuals, classes, &mut sums);
            for c in 0..classes {
                for p in 0..stride {
                    let terms =
                        || (0..rows).map(|r| residuals[r * classes + c].wide() * tile[r * stride + p].wide());
                    let size = 1.0 + terms().map(f64::abs).sum::<f64>();
                    let tolerance = 8.0 * (rows + 1) as f64 * T::epsilon().wide() * size;
                    assert_close(sums[c * stride + p], T::of(1.0 + terms().sum::<f64>()), tolerance, level);
                }
            }
        });
    });
}

#[test]
fn products_agree_with_their_definitions() {
    products_agree::<f32>();
    products_agree::<f64>();
}

#[test]
fn a_bad_sample_spoils_its_own_scores_only() {
    on_each_level(|level| {
        let (mut tile, stride) = padded::<f32>(5, 50, 1);
        let (weights, _) = padded::<f32>(10, 50, 2);
        tile[3 * stride + 7] = f32::NAN;
        let mut scores = vec![0.0; 50];
        project(&tile, 5, stride, &weights, 10, &mut scores);
        assert!(scores.iter().enumerate().all(|(i, s)| s.is_nan() == (i / 10 == 3)), "{level}");
    });
}

#[test]
fn layouts_are_each_other_s_way_back() {
    let weights: Vec<f64> = numbers(7 * 3, 4);
    let mut class_major = vec![f64::NAN; 3 * 16];
    to_class_major(&weights, 7, 3, 16, &mut class_major);
    assert_eq!(class_major[16 + 2], weights[2 * 3 + 1]);
    assert!(class_major.chunks(16).all(|c| c[7..].iter().all(|&x| x == 0.0)));
    let mut back = vec![f64::NAN; 7 * 3];
    from_class_major(&class_major, 7, 3, 16, &mut back);
    assert_eq!(back, weights);
}
