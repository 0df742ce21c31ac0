use super::*;
use crate::naive::{self, assert_close, for_each_slice};
use crate::simd::on_each_level;

fn agree_with_their_definitions<T: Scalar>() {
    on_each_level(|level| {
        for_each_slice::<T>(|x, y| {
            let n = x.len() as f64;
            let size =
                |terms: &mut dyn Iterator<Item = f64>| 8.0 * n * T::epsilon().wide() * terms.sum::<f64>();
            let products = size(&mut x.iter().zip(y).map(|(x, y)| (x.wide() * y.wide()).abs()));
            assert_close(dot(x, y), naive::dot(x, y), products, level);
            assert_close(sum(x), naive::sum(x), size(&mut x.iter().map(|x| x.wide().abs())), level);
            assert_close(norm(x), naive::norm(x), size(&mut std::iter::once(naive::norm(x).wide())), level);
            assert!(all_finite(x), "{level}");

            let alpha = T::of(-1.7);
            let mut z = y.to_vec();
            axpy(alpha, x, &mut z);
            for ((&z, &x), &y) in z.iter().zip(x).zip(y) {
                let terms = (alpha * x).wide().abs() + y.wide().abs();
                assert_close(z, alpha * x + y, 8.0 * T::epsilon().wide() * terms, level);
            }
            let mut z = y.to_vec();
            mul_into(x, &mut z);
            assert!(z.iter().zip(x).zip(y).all(|((&z, &x), &y)| z == x * y), "{level}");
            scale(alpha, &mut z);
            assert!(z.iter().zip(x).zip(y).all(|((&z, &x), &y)| z == alpha * (x * y)), "{level}");
        });
    });
}

#[test]
fn vectors_agree_with_their_definitions() {
    agree_with_their_definitions::<f32>();
    agree_with_their_definitions::<f64>();
}

fn norm_is_safe<T: Scalar>() {
    let three_four = |unit: T| [T::of(3.0) * unit, T::zero(), T::of(-4.0) * unit];
    for unit in [T::max_value() / T::of(8.0), T::min_positive_value(), T::one()] {
        assert_close(
            norm(&three_four(unit)) / unit,
            T::of(5.0),
            40.0 * T::epsilon().wide(),
            "norm of extremes",
        );
    }
    assert_eq!(norm(&[T::one(), T::neg_infinity()]), T::infinity());
    assert!(norm(&[T::one(), T::nan()]).is_nan());
    assert_eq!(norm::<T>(&[]), T::zero());
}

#[test]
fn norm_neither_overflows_nor_underflows() {
    norm_is_safe::<f32>();
    norm_is_safe::<f64>();
}

#[test]
fn one_bad_entry_is_found_anywhere() {
    on_each_level(|level| {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for n in 1..70 {
                for at in 0..n {
                    let mut x = vec![f32::MAX; n];
                    x[at] = bad;
                    assert!(!all_finite(&x), "{level}: {bad} at {at} of {n}");
                }
            }
        }
    });
}
