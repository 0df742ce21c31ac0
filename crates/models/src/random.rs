//! Random numbers as a function of a seed and a position.
//!
//! Draws for samples (labels, signs) are counter-based, because several threads draw at once and the bits must not
//! depend on who draws first. The sampler and the optimisers draw in sequence, from the generator in the engine's
//! `batch`.

use std::ops::Range;

use nhgd_kernels::Scalar;
use nhgd_kernels::memory::{Result, grow};

/// The `i`-th uniform number in [0, 1) of a seed: SplitMix64 (Steele, Lea & Flood 2014).
pub fn uniform(seed: u64, i: u64) -> f64 {
    let mut z = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / 2f64.powi(64) * (1.0 - f64::EPSILON)
}

/// ±1 for each of some samples, the same for a sample whatever the others are.
pub fn signs(seed: u64, samples: Range<usize>) -> impl Iterator<Item = f64> {
    samples.map(move |i| if uniform(seed, i as u64) < 0.5 { -1.0 } else { 1.0 })
}

/// Adds a layer of uniform weights in ±`limit`, inputs × outputs, and zero biases to θ.
pub(crate) fn push_layer<T: Scalar>(
    theta: &mut Vec<T>,
    seed: u64,
    inputs: usize,
    outputs: usize,
    limit: f64,
) -> Result<()> {
    grow(theta, (inputs + 1) * outputs)?;
    let first = theta.len() as u64;
    let draw = |i| T::of(limit * (2.0 * uniform(seed, first + i) - 1.0));
    theta.extend((0..(inputs * outputs) as u64).map(draw));
    theta.extend((0..outputs).map(|_| T::zero()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_uniform_and_signs_balanced() {
        let n = 100_000;
        let mean = (0..n).map(|i| uniform(7, i)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 5e-3, "{mean}");
        assert!((0..n).all(|i| (0.0..1.0).contains(&uniform(u64::MAX, i))));
        assert!(signs(3, 0..n as usize).sum::<f64>().abs() < 5.0 * (n as f64).sqrt());
        assert_ne!(uniform(1, 0), uniform(2, 0));
    }
}
