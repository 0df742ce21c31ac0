//! One-line definitions of what the kernels compute, and the slices on which tests compare both.

use crate::{MatRef, Scalar};

pub(crate) fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    T::of(x.iter().zip(y).map(|(x, y)| x.wide() * y.wide()).sum())
}

pub(crate) fn sum<T: Scalar>(x: &[T]) -> T {
    T::of(x.iter().map(|x| x.wide()).sum())
}

pub(crate) fn norm<T: Scalar>(x: &[T]) -> T {
    T::of(x.iter().map(|x| x.wide() * x.wide()).sum::<f64>().sqrt())
}

/// Reproducible numbers of mixed sign and size: a linear congruential generator's high bits.
pub(crate) fn numbers<T: Scalar>(n: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        T::of((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
    })
    .take(n)
    .collect()
}

/// Lengths on both sides of every block size.
pub(crate) fn lengths() -> impl Iterator<Item = usize> {
    (0..=67).chain((7..=11).flat_map(|k| [(1 << k) - 1, 1 << k, (1 << k) + 1]))
}

/// Calls `body` with pairs of slices of those lengths, at odd offsets, with NaN, infinities and subnormals just
/// outside of them.
pub(crate) fn for_each_slice<T: Scalar>(mut body: impl FnMut(&[T], &[T])) {
    let poison = [T::nan(), T::infinity(), T::neg_infinity(), T::min_positive_value() / T::of(4.0)];
    for n in lengths() {
        for (from_x, from_y) in [(0, 0), (1, 3), (5, 2)] {
            let wrap = |from: usize, seed| {
                let mut x = vec![poison[n % 4]; n + from + 4];
                x[..from].fill(poison[(n + 1) % 4]);
                x[from..from + n].copy_from_slice(&numbers(n, seed));
                x
            };
            let (x, y) = (wrap(from_x, 2 * n as u64), wrap(from_y, 2 * n as u64 + 1));
            body(&x[from_x..from_x + n], &y[from_y..from_y + n]);
        }
    }
}

#[track_caller]
pub(crate) fn assert_close<T: Scalar>(got: T, expected: T, tolerance: f64, what: &str) {
    let error = (got.wide() - expected.wide()).abs();
    assert!(error <= tolerance, "{what}: got {got}, expected {expected} within {tolerance:e}");
}

/// A·B in `f64`, row-major.
pub(crate) fn product<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Vec<f64> {
    let entry = |i, j| (0..a.cols()).map(|k| a.at(i, k).wide() * b.at(k, j).wide()).sum();
    (0..a.rows()).flat_map(|i| (0..b.cols()).map(move |j| entry(i, j))).collect()
}

/// Largest of |aᵢ − bᵢ|; infinite if one of them is NaN.
pub(crate) fn distance<T: Scalar>(a: &[T], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let error = |(a, b): (&T, &f64)| if a.is_nan() { f64::INFINITY } else { (a.wide() - b).abs() };
    a.iter().zip(b).map(error).fold(0.0, f64::max)
}

/// Sizes of matrices on both sides of every block size; up to `NHGD_LARGEST_ORDER` where each access of memory is checked.
pub(crate) fn orders() -> impl Iterator<Item = usize> {
    let largest = std::env::var("NHGD_LARGEST_ORDER").ok().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    [0, 1, 2, 3, 16, 17, 31, 32, 33, 63, 64, 65, 97, 129, 200].into_iter().filter(move |&n| n <= largest)
}
