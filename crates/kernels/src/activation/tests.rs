use super::*;
use crate::simd::on_each_level;

const ALL: [Activation; 3] = [Activation::Relu, Activation::Tanh, Activation::Gelu];

#[test]
fn tanh_is_accurate() {
    for i in -200_000..=200_000 {
        let x = f64::from(i) / 8e3;
        assert!((tanh(x) - x.tanh()).abs() <= 8.0 * f64::EPSILON * x.tanh().abs(), "{x}");
        let (x, error) = (x as f32, 8.0 * f64::from(f32::EPSILON));
        let exact = f64::from(x).tanh();
        assert!((f64::from(tanh(x)) - exact).abs() <= error * exact.abs(), "{x}");
    }
    for (x, exact) in [(1e-30, 1e-30), (1e30, 1.0), (f64::NEG_INFINITY, -1.0)] {
        assert_eq!(tanh(x), exact);
    }
    assert!(tanh(f64::NAN).is_nan());
}

#[test]
fn functions_have_their_known_values() {
    // GELU from its formula, by Python's math module.
    let known =
        [(Activation::Gelu, 1.0, 0.841_191_990_608_276), (Activation::Gelu, -2.0, -0.045_402_305_912_225)];
    for (activation, s, value) in known {
        assert!((activation.at::<f64>(s)[0] - value).abs() < 1e-14, "{activation:?} {s}");
    }
    assert_eq!([-1.0, 0.0, 2.5].map(|s| Activation::Relu.at::<f64>(s)[0]), [0.0, 0.0, 2.5]);
}

#[test]
fn derivatives_match_finite_differences() {
    let h = 1e-5;
    for activation in ALL {
        for s in [-6.0, -2.3, -0.51, -0.49, -1e-3, 2e-3, 0.3, 0.7, 1.9, 8.0] {
            let [up, at, down] = [s + h, s, s - h].map(|s: f64| activation.at(s));
            for order in [0, 1] {
                let difference = (up[order] - down[order]) / (2.0 * h);
                assert!((difference - at[order + 1]).abs() < 1e-8, "{activation:?} {s} {order}");
            }
        }
    }
}

#[test]
fn layers_agree_with_single_units() {
    on_each_level(|level| {
        for activation in ALL {
            for units in [1, 3, 8, 17, 100] {
                let sums: Vec<f32> = crate::naive::numbers(5 * units, 3);
                let (mut slopes, mut values) = (sums.clone(), vec![f32::NAN; 5 * (units + 1)]);
                activate(activation, units, &mut slopes, &mut values);
                for (i, &s) in sums.iter().enumerate() {
                    let [value, slope, _] = activation.at(s);
                    let got = values[i / units * (units + 1) + i % units];
                    assert!(got == value && slopes[i] == slope, "{level} {activation:?} {s}");
                }
                assert!(values.chunks_exact(units + 1).all(|row| row[units] == 1.0));
            }
        }
    });
}

#[test]
fn what_is_no_number_stays_none() {
    for activation in ALL {
        assert!(activation.at(f32::NAN)[..2].iter().all(|x| x.is_nan()));
    }
}
