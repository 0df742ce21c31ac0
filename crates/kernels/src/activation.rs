//! Activation functions of networks, with their derivatives.

use pulp::{Simd, WithSimd};

use crate::Scalar;
use crate::simd::dispatch;

/// A function φ that acts on each unit of a layer separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(s, 0), with slope 0 at 0.
    Relu,
    /// tanh s.
    Tanh,
    /// ½ s (1 + tanh(√(2/π) (s + 0.044715 s³))): the tanh form of Hendrycks & Gimpel 2016.
    Gelu,
}

impl Activation {
    /// φ(s), φ′(s) and φ″(s).
    pub fn at<T: Scalar>(self, s: T) -> [T; 3] {
        match self {
            Self::Relu => relu(s),
            Self::Tanh => tanh_jet(s),
            Self::Gelu => gelu(s),
        }
    }
}

/// Turns the sums s of a layer, rows × units, into slopes φ′(s), and writes φ(s) to `values`, rows × (units + 1),
/// with a 1 at the end of each row.
pub fn activate<T: Scalar>(activation: Activation, units: usize, sums: &mut [T], values: &mut [T]) {
    assert_eq!(values.len(), sums.len() + sums.len() / units);
    dispatch(Activate { activation, units, sums, values });
}

struct Activate<'a, T> {
    activation: Activation,
    units: usize,
    sums: &'a mut [T],
    values: &'a mut [T],
}

impl<T: Scalar> WithSimd for Activate<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // One loop for each function: a choice inside the loop would keep the compiler from vectorising it.
        macro_rules! apply {
            ($jet:ident) => {
                for (sums, values) in
                    self.sums.chunks_exact_mut(self.units).zip(self.values.chunks_exact_mut(self.units + 1))
                {
                    values[self.units] = T::one();
                    for (s, value) in sums.iter_mut().zip(values) {
                        let [phi, slope, _] = $jet(*s);
                        *value = phi;
                        *s = slope;
                    }
                }
            };
        }
        match self.activation {
            Activation::Relu => apply!(relu),
            Activation::Tanh => apply!(tanh_jet),
            Activation::Gelu => apply!(gelu),
        }
    }
}

#[inline(always)]
fn relu<T: Scalar>(s: T) -> [T; 3] {
    let zero = T::zero();
    // The condition lets a NaN through.
    if s <= zero { [zero, zero, zero] } else { [s, if s > zero { T::one() } else { s }, zero] }
}

#[inline(always)]
fn tanh_jet<T: Scalar>(s: T) -> [T; 3] {
    let t = tanh(s);
    let slope = T::one() - t * t;
    [t, slope, T::of(-2.0) * t * slope]
}

#[inline(always)]
fn gelu<T: Scalar>(s: T) -> [T; 3] {
    let (half, c, k) = (T::of(0.5), T::of((2.0 / std::f64::consts::PI).sqrt()), T::of(0.044715));
    let square = s * s;
    // t = tanh u(s) and its derivatives.
    let t = tanh(c * s * (T::one() + k * square));
    let u1 = c * (T::one() + T::of(3.0) * k * square);
    let u2 = T::of(6.0) * c * k * s;
    let sech = (T::one() - t) * (T::one() + t);
    let t1 = sech * u1;
    let t2 = sech * u2 - T::of(2.0) * t * t1 * u1;
    let gate = half * (T::one() + t);
    [s * gate, gate + half * s * t1, t1 + half * s * t2]
}

/// tanh x to a few units in the last place, without branches: its Padé approximant of degree 7 by 6 near 0, where
/// 1 − 2 / (e^2|x| + 1) would cancel.
#[inline(always)]
fn tanh<T: Scalar>(x: T) -> T {
    let (one, two) = (T::one(), T::of(2.0));
    let square = x * x;
    let numerator = ((square + T::of(378.0)) * square + T::of(17_325.0)) * square + T::of(135_135.0);
    let denominator =
        ((T::of(28.0) * square + T::of(3_150.0)) * square + T::of(62_370.0)) * square + T::of(135_135.0);
    let near = x * (numerator / denominator);
    let far = one - two / ((two * x.abs()).exp_approx() + one);
    let far = if x < T::zero() { -far } else { far };
    if x.abs() < T::of(0.5) { near } else { far }
}

#[cfg(test)]
mod tests {
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
        let known = [
            (Activation::Gelu, 1.0, 0.841_191_990_608_276),
            (Activation::Gelu, -2.0, -0.045_402_305_912_225),
        ];
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
}
