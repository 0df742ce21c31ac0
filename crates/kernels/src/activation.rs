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
mod tests;
