//! The two scalar types, `f32` and `f64`, and their vectors.

use std::fmt::{Debug, Display};
use std::iter::Sum;

use num_traits::{Float, NumAssign};
use pulp::Simd;

use crate::exp::{exp_f32, exp_f64};
use crate::memory::Number;

/// A real number that the kernels compute with: `f32` or `f64`.
pub trait Scalar:
    Number + Float + NumAssign + Sum + Default + Debug + Display + Send + Sync + 'static
{
    /// Vector of this scalar on instruction set `S`.
    type Lanes<S: Simd>: Copy + Debug;

    /// `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// Nearest scalar to `x`.
    fn of(x: f64) -> Self;
    /// `self` as `f64`, exactly.
    fn wide(self) -> f64;

    /// eˣ to 2 units in the last place, in a form that the compiler vectorises in loops.
    fn exp_approx(self) -> Self;

    /// Splits a slice into whole vectors and the rest.
    fn lanes<S: Simd>(x: &[Self]) -> (&[Self::Lanes<S>], &[Self]);
    /// Splits a mutable slice into whole vectors and the rest.
    fn lanes_mut<S: Simd>(x: &mut [Self]) -> (&mut [Self::Lanes<S>], &mut [Self]);
    /// `x` in every lane.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Lanes<S>;
    /// `a + b`.
    fn add_lanes<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S>;
    /// `a · b`.
    fn mul_lanes<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S>;
    /// `a · b + c`, fused where the instruction set fuses.
    fn mul_add_lanes<S: Simd>(
        simd: S,
        a: Self::Lanes<S>,
        b: Self::Lanes<S>,
        c: Self::Lanes<S>,
    ) -> Self::Lanes<S>;
    /// Sum over the lanes.
    fn sum_lanes<S: Simd>(simd: S, a: Self::Lanes<S>) -> Self;

    /// out = x · scale, in a form that the compiler vectorises.
    #[inline(always)]
    fn widen<X: Copy + Into<f64>>(x: &[X], scale: Self, out: &mut [Self]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = Self::of(x.into()) * scale; // the compiler leaves f64 out: u8 → f32 is one conversion
        }
    }
    /// [`Scalar::widen`] of bytes, which WebAssembly does faster with its own vectors.
    #[inline(always)]
    fn widen_bytes(x: &[u8], scale: Self, out: &mut [Self]) {
        Self::widen(x, scale, out);
    }
}

macro_rules! scalar {
    ($t:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $add:ident, $mul:ident, $mul_add:ident, $sum:ident, $exp:ident, { $($own:tt)* }) => {
        impl Scalar for $t {
            type Lanes<S: Simd> = S::$lanes;
            const NAME: &'static str = stringify!($t);

            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn exp_approx(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn lanes<S: Simd>(x: &[Self]) -> (&[Self::Lanes<S>], &[Self]) {
                S::$as_simd(x)
            }
            #[inline(always)]
            fn lanes_mut<S: Simd>(x: &mut [Self]) -> (&mut [Self::Lanes<S>], &mut [Self]) {
                S::$as_mut_simd(x)
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> Self::Lanes<S> {
                simd.$splat(x)
            }
            #[inline(always)]
            fn add_lanes<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S> {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn mul_lanes<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S> {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn mul_add_lanes<S: Simd>(
                simd: S,
                a: Self::Lanes<S>,
                b: Self::Lanes<S>,
                c: Self::Lanes<S>,
            ) -> Self::Lanes<S> {
                simd.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn sum_lanes<S: Simd>(simd: S, a: Self::Lanes<S>) -> Self {
                simd.$sum(a)
            }
            $($own)*
        }
    };
}

scalar!(
    f32,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    add_f32s,
    mul_f32s,
    mul_add_e_f32s,
    reduce_sum_f32s,
    exp_f32,
    {
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        #[inline(always)]
        fn widen_bytes(x: &[u8], scale: Self, out: &mut [Self]) {
            let (x, out) = crate::bytes::widen_blocks(x, scale, out);
            Self::widen(x, scale, out);
        }
    }
);
scalar!(
    f64,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    add_f64s,
    mul_f64s,
    mul_add_e_f64s,
    reduce_sum_f64s,
    exp_f64,
    {}
);
