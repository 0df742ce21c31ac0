//! Products of a tile of samples with matrices of few columns. Vector lanes run over features.
//!
//! A tile holds `rows` samples, `stride` entries apart, zero from the last feature up to the stride. Weights and
//! sums are class-major with the same stride: class c's entries start at `c · stride`. So no kernel has a
//! tail, and the blocking does not change the order of the additions in a score or a sum.

use pulp::{Simd, WithSimd};

use crate::Scalar;
use crate::simd::dispatch;

/// Entries of the widest vector.
pub(crate) const WIDEST: usize = 16;

/// Distance between the rows of a tile that holds `features` columns (the bias among them).
pub fn stride(features: usize) -> usize {
    let stride = features.max(1).next_multiple_of(WIDEST);
    // Rows a multiple of 2 KiB apart would compete for the same few cache lines.
    if stride.is_multiple_of(512) { stride + WIDEST } else { stride }
}

/// The largest value of [`classes_at_once`]. An engine maps WebAssembly's vectors to SSE's 16 registers.
const MOST_AT_ONCE: usize = if cfg!(target_family = "wasm") { 5 } else { 10 };

/// Classes whose sums fit in the registers, of which there are 32 or 16, beside two vectors of the tile.
fn classes_at_once<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { MOST_AT_ONCE } else { 5 }
}

/// Evaluates `$call` with the constant `$N` equal to `$n`, known to be in 1..=10 and at most [`MOST_AT_ONCE`].
macro_rules! with_classes {
    ($n:expr, $N:ident => $call:expr) => {
        with_classes!(@ $n, $N => $call, 1 2 3 4 5 6 7 8 9 10)
    };
    (@ $n:expr, $N:ident => $call:expr, $($size:literal)*) => {
        match $n {
            $($size if $size <= MOST_AT_ONCE => { const $N: usize = $size; $call })*
            _ => unreachable!("a block has 1 to 10 classes"),
        }
    };
}

/// Splits `0..classes` into blocks of nearly equal size.
#[inline(always)]
fn blocks(classes: usize, at_once: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = classes.div_ceil(at_once);
    (0..count).map(move |i| i * classes / count..(i + 1) * classes / count)
}

fn check<T>(tile: &[T], rows: usize, stride: usize, class_major: &[T], classes: usize, per_row: &[T]) {
    assert!(stride.is_multiple_of(WIDEST), "a tile's stride is a multiple of {WIDEST}");
    assert!(tile.len() >= rows * stride && class_major.len() >= classes * stride);
    assert!(per_row.len() >= rows * classes);
}

/// scores[r][c] = Σ_p tile[r][p] · weights[c][p], with `weights` class-major and `scores` rows × classes.
pub fn project<T: Scalar>(
    tile: &[T],
    rows: usize,
    stride: usize,
    weights: &[T],
    classes: usize,
    scores: &mut [T],
) {
    check(tile, rows, stride, weights, classes, scores);
    let tile = Tile { data: tile, rows, stride, cols: stride };
    dispatch(Project { tile, weights, stride, classes, scores });
}

/// Samples that start `stride` entries apart. Their first `cols` entries take part, a multiple of the widest vector.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) rows: usize,
    pub(crate) stride: usize,
    pub(crate) cols: usize,
}

impl<'a, T> Tile<'a, T> {
    #[inline(always)]
    fn row(&self, r: usize) -> &'a [T] {
        &self.data[r * self.stride..r * self.stride + self.cols]
    }
}

/// [`project`] with weights whose classes are `stride` apart.
pub(crate) struct Project<'a, T> {
    pub(crate) tile: Tile<'a, T>,
    pub(crate) weights: &'a [T],
    pub(crate) stride: usize,
    pub(crate) classes: usize,
    pub(crate) scores: &'a mut [T],
}

impl<T: Scalar> WithSimd for Project<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, weights, stride, classes, scores } = self;
        for block in blocks(classes, classes_at_once::<S>()) {
            with_classes!(block.len(), C => {
                let weights: [_; C] = std::array::from_fn(|c| &weights[(block.start + c) * stride..][..tile.cols]);
                let mut r = 0;
                while r < tile.rows {
                    let out = &mut scores[r * classes + block.start..];
                    if r + 2 <= tile.rows {
                        project_block(simd, [tile.row(r), tile.row(r + 1)], weights, out, classes);
                    } else {
                        project_block(simd, [tile.row(r)], weights, out, classes);
                    }
                    r += 2;
                }
            });
        }
    }
}

/// R rows times C classes; scores of the next row are `classes` further.
#[inline(always)]
fn project_block<T: Scalar, S: Simd, const R: usize, const C: usize>(
    simd: S,
    rows: [&[T]; R],
    weights: [&[T]; C],
    scores: &mut [T],
    classes: usize,
) {
    let rows = rows.map(|row| T::lanes::<S>(row).0);
    let weights = weights.map(|w| T::lanes::<S>(w).0);
    let n = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == n) && weights.iter().all(|w| w.len() == n));
    let mut sums = [[T::splat(simd, T::zero()); C]; R];
    for p in 0..n {
        for c in 0..C {
            let w = weights[c][p];
            for r in 0..R {
                sums[r][c] = T::mul_add_lanes(simd, rows[r][p], w, sums[r][c]);
            }
        }
    }
    for r in 0..R {
        let scores = &mut scores[r * classes..r * classes + C];
        for c in 0..C {
            scores[c] = T::sum_lanes(simd, sums[r][c]);
        }
    }
}

/// sums[c][p] += Σ_r residuals[r][c] · tile[r][p], with `residuals` rows × classes and `sums` class-major.
pub fn accumulate<T: Scalar>(
    tile: &[T],
    rows: usize,
    stride: usize,
    residuals: &[T],
    classes: usize,
    sums: &mut [T],
) {
    check(tile, rows, stride, sums, classes, residuals);
    let tile = Tile { data: tile, rows, stride, cols: stride };
    dispatch(Accumulate { tile, residuals, classes, sums, stride });
}

/// [`accumulate`] with sums whose classes are `stride` apart.
pub(crate) struct Accumulate<'a, T> {
    pub(crate) tile: Tile<'a, T>,
    pub(crate) residuals: &'a [T],
    pub(crate) classes: usize,
    pub(crate) sums: &'a mut [T],
    pub(crate) stride: usize,
}

impl<T: Scalar> WithSimd for Accumulate<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, residuals, classes, sums, stride } = self;
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let mut p = 0;
        while p < tile.cols && tile.rows > 0 {
            let wide = p + 2 * lanes <= tile.cols;
            for block in blocks(classes, classes_at_once::<S>()) {
                let sums = &mut sums[block.start * stride + p..];
                let residuals = Columns { data: residuals, stride: classes, start: block.start };
                with_classes!(block.len(), C => if wide {
                    accumulate_block::<T, S, 2, C>(simd, tile, p, residuals, sums, stride);
                } else {
                    accumulate_block::<T, S, 1, C>(simd, tile, p, residuals, sums, stride);
                });
            }
            p += if wide { 2 * lanes } else { lanes };
        }
    }
}

/// Rows that start `stride` entries apart. Their entries from `start` on take part.
#[derive(Clone, Copy)]
struct Columns<'a, T> {
    data: &'a [T],
    stride: usize,
    start: usize,
}

/// V vectors of features, from column p on, times C classes, over all rows.
#[inline(always)]
fn accumulate_block<T: Scalar, S: Simd, const V: usize, const C: usize>(
    simd: S,
    tile: Tile<'_, T>,
    p: usize,
    residuals: Columns<'_, T>,
    sums: &mut [T],
    stride: usize,
) {
    let q = p + V * (size_of::<T::Lanes<S>>() / size_of::<T>());
    let Columns { data, stride: classes, start } = residuals;
    // Asserted ahead of the loop; otherwise WebAssembly checks it in each row.
    assert!(q <= tile.stride && start + C <= classes);
    let rows = tile.data[..tile.rows * tile.stride].chunks_exact(tile.stride);
    let mut total = [[T::splat(simd, T::zero()); V]; C];
    for (row, residuals) in rows.zip(data.chunks_exact(classes)) {
        let x = T::lanes::<S>(&row[p..q]).0;
        let residuals = &residuals[start..start + C];
        for c in 0..C {
            let e = T::splat(simd, residuals[c]);
            for v in 0..V {
                total[c][v] = T::mul_add_lanes(simd, e, x[v], total[c][v]);
            }
        }
    }
    for c in 0..C {
        let sums = T::lanes_mut::<S>(&mut sums[c * stride..]).0;
        for v in 0..V {
            sums[v] = T::add_lanes(simd, sums[v], total[c][v]);
        }
    }
}

/// Copies row-major `features × classes` weights class by class, each padded with zeros to `stride`.
pub fn to_class_major<T: Scalar>(
    weights: &[T],
    features: usize,
    classes: usize,
    stride: usize,
    out: &mut [T],
) {
    assert!(weights.len() == features * classes && out.len() >= classes * stride && stride >= features);
    for (c, out) in out.chunks_exact_mut(stride).take(classes).enumerate() {
        let (out, rest) = out.split_at_mut(features);
        for (out, row) in out.iter_mut().zip(weights.chunks_exact(classes)) {
            *out = row[c];
        }
        rest.fill(T::zero());
    }
}

/// The inverse of [`to_class_major`].
pub fn from_class_major<T: Scalar>(
    class_major: &[T],
    features: usize,
    classes: usize,
    stride: usize,
    out: &mut [T],
) {
    assert!(out.len() == features * classes && class_major.len() >= classes * stride && stride >= features);
    for (p, row) in out.chunks_exact_mut(classes).enumerate() {
        for (c, out) in row.iter_mut().enumerate() {
            *out = class_major[c * stride + p];
        }
    }
}

#[cfg(test)]
mod tests;
