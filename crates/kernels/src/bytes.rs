//! Bytes as `f32` on WebAssembly's vectors: the compiler's own loop converts four at once and takes twice the time.

use std::arch::wasm32::{
    f32x4_convert_i32x4, f32x4_mul, f32x4_splat, i16x8_extend_high_u8x16, i16x8_extend_low_u8x16,
    i32x4_extend_high_u16x8, i32x4_extend_low_u16x8, v128_load, v128_store,
};

/// out = x · scale for whole blocks of 16. Returns what is left of both.
#[inline(always)]
pub(crate) fn widen_blocks<'a>(x: &'a [u8], scale: f32, out: &'a mut [f32]) -> (&'a [u8], &'a mut [f32]) {
    let (blocks, rest) = x.as_chunks::<16>();
    let (out_blocks, out_rest) = out.as_chunks_mut::<16>();
    for (x, out) in blocks.iter().zip(out_blocks) {
        widen_block(x, scale, out);
    }
    (rest, out_rest)
}

#[inline(always)]
fn widen_block(x: &[u8; 16], scale: f32, out: &mut [f32; 16]) {
    // SAFETY: `x` is 16 bytes, and a load asks for no alignment.
    let x = unsafe { v128_load(x.as_ptr().cast()) };
    let (low, high) = (i16x8_extend_low_u8x16(x), i16x8_extend_high_u8x16(x));
    let quarters = [
        i32x4_extend_low_u16x8(low),
        i32x4_extend_high_u16x8(low),
        i32x4_extend_low_u16x8(high),
        i32x4_extend_high_u16x8(high),
    ];
    for (quarter, out) in quarters.into_iter().zip(out.as_chunks_mut::<4>().0) {
        let values = f32x4_mul(f32x4_convert_i32x4(quarter), f32x4_splat(scale));
        // SAFETY: `out` is four singles, and a store asks for no alignment.
        unsafe { v128_store(out.as_mut_ptr().cast(), values) };
    }
}
