//! Exponentials without branches or fused products: the compiler vectorises a loop over them, and the bits are the same
//! on every instruction set. The error is at most 2 units in the last place, also for subnormal results, 0 and ∞.
//!
//! eˣ = 2ⁿ eʳ, where n is the integer nearest to x / ln 2, |r| ≤ ½ ln 2, and a Taylor polynomial approximates eʳ.

macro_rules! exponential {
    ($name:ident, $t:ident, $bits:ident, degree $degree:literal, ln2 $ln2_high:literal + $ln2_low:literal, range $low:literal .. $high:literal) => {
        #[inline(always)]
        pub(crate) fn $name(x: $t) -> $t {
            const MANTISSA: u32 = $t::MANTISSA_DIGITS - 1;
            const BIAS: $bits = ($t::MAX_EXP - 1) as $bits;
            // Adding this rounds to an integer, which then stands in the last bits.
            const ROUND: $t = 1.5 * ((1 as $bits) << MANTISSA) as $t;
            const INVERSE_FACTORIALS: [$t; $degree + 1] = {
                let mut c = [1.0; $degree + 1];
                let mut k = 1;
                while k <= $degree {
                    c[k] = c[k - 1] / k as $t;
                    k += 1;
                }
                c
            };

            // Beyond the range the result is 0 or ∞ already; NaN passes.
            let x = if x < $low { $low } else { x };
            let x = if x > $high { $high } else { x };
            let rounded = x * std::$t::consts::LOG2_E + ROUND;
            let n = rounded - ROUND;
            let r = (x - n * $ln2_high) - n * $ln2_low;
            let mut sum = INVERSE_FACTORIALS[$degree];
            let mut k = $degree - 1;
            while k >= 2 {
                sum = sum * r + INVERSE_FACTORIALS[k];
                k -= 1;
            }
            let value = 1.0 + (r + r * r * sum);

            // 2ⁿ in two factors, because 2ⁿ itself may be no normal number.
            let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(4 * BIAS);
            let half = n / 2 - BIAS;
            let rest = n - 2 * BIAS - half;
            value * $t::from_bits(half << MANTISSA) * $t::from_bits(rest << MANTISSA)
        }
    };
}

exponential!(exp_f32, f32, u32, degree 7, ln2 0.693_359_4 + -2.121_944_4e-4, range -105.0 .. 90.0);
exponential!(exp_f64, f64, u64, degree 13, ln2 0.693_147_180_369_123_8 + 1.908_214_929_270_587_7e-10, range -747.0 .. 711.0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scalar;

    fn ulps<T: Scalar>(got: T, exact: f64) -> f64 {
        let tiny = T::min_positive_value().wide();
        let unit = 2f64.powi(exact.abs().max(tiny).log2().floor() as i32) * T::epsilon().wide();
        (got.wide() - exact).abs() / unit
    }

    #[test]
    fn exponentials_are_accurate() {
        let mut worst = (0f64, 0f64);
        for i in 0..2_000_000 {
            let x = -103.0 + 191.7 * f64::from(i) / 2e6;
            worst.0 = worst.0.max(ulps(exp_f32(x as f32), f64::from(x as f32).exp()));
            let x = -744.0 + 1453.0 * f64::from(i) / 2e6;
            worst.1 = worst.1.max(ulps(exp_f64(x), x.exp()));
        }
        assert!(worst.0 < 2.0 && worst.1 < 2.0, "{worst:?}");
    }

    #[test]
    fn exponentials_are_safe_at_the_ends() {
        assert_eq!((exp_f32(0.0), exp_f64(0.0)), (1.0, 1.0));
        for x in [f32::NEG_INFINITY, f32::MIN, -104.5] {
            assert_eq!((exp_f32(x), exp_f64(8.0 * f64::from(x))), (0.0, 0.0));
        }
        for x in [f32::INFINITY, f32::MAX, 89.0] {
            assert_eq!((exp_f32(x), exp_f64(8.0 * f64::from(x))), (f32::INFINITY, f64::INFINITY));
        }
        assert!(exp_f32(f32::NAN).is_nan() && exp_f64(f64::NAN).is_nan());
        assert!(exp_f32(-100.0) > 0.0 && exp_f64(-740.0) > 0.0);
    }
}
