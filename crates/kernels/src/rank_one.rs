//! A symmetric inverse under rank-one updates: half of it stored, written only every few updates.
//!
//! At large d an update costs what it moves. So A = s (B + Σ_j w_j u_j u_jᵀ), B the stored half and the sum pending:
//! an update reads B once, for its product with the gradient, and appends a pair (w, u). When no more pairs fit,
//! the pass that forms the next product writes them into B on its way.

use std::fmt;
use std::ops::Range;
use std::sync::Mutex;

use pulp::{Simd, WithSimd};

use crate::simd::{dispatch, prefetch_line};
use crate::skinny::{Accumulate, Project, Tile, WIDEST};
use crate::threads::Team;
use crate::{Aligned, Scalar, vector};

/// Rows of a panel: panel I holds rows 16 I .. 16 (I + 1) up to and with their diagonal block, row-major. The
/// diagonal block is whole, and its two triangles are kept equal.
const PANEL: usize = WIDEST;
/// Pending pairs at most.
const PENDING: usize = 16;
/// Gradients of one pass of a block update.
const BLOCK: usize = 8;
/// Vectors of a row that are on their way from memory: the hardware alone fetches too few pages ahead.
const AHEAD: usize = 24;
/// Parts with sums of their own, so that threads don't change a product's bits. From this many panels on.
const CHUNKS: usize = 8;
const PANELS_OF_CHUNKED: usize = 32;

/// A = F⁻¹, kept up to date while F gains outer products of gradients.
///
/// Sherman & Morrison 1950, Woodbury 1950. Its entries are symmetric to the bit.
#[derive(Clone, Debug)]
pub struct SymmetricInverse<T: Scalar> {
    d: usize,
    half: Aligned<T>,
    scale: T,
    weights: Vec<T>,
    /// One u_j a row, each padded with zeros to whole panels.
    pending: Vec<T>,
    team: Team,
}

/// An update that would leave A indefinite: β + γ gᵀAg, or a pivot of the block form, was not positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Indefinite {
    /// The offending value.
    pub value: f64,
}

impl fmt::Display for Indefinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the update of an inverse needs a positive pivot, got {}", self.value)
    }
}

impl std::error::Error for Indefinite {}

/// Entries before panel `i`.
fn offset(i: usize) -> usize {
    PANEL * PANEL * i * (i + 1) / 2
}

/// Where entry (i, j), j ≤ i, is stored.
fn position(i: usize, j: usize) -> usize {
    let panel = i / PANEL;
    offset(panel) + (i % PANEL) * PANEL * (panel + 1) + j
}

impl<T: Scalar> SymmetricInverse<T> {
    /// A = scale · I.
    pub fn identity(d: usize, scale: T) -> Self {
        let mut half = Aligned::zeros(offset(d.div_ceil(PANEL)));
        for i in 0..d {
            half[position(i, i)] = scale;
        }
        Self { d, half, scale: T::one(), weights: Vec::new(), pending: Vec::new(), team: Team::new(1) }
    }

    /// Takes the lower triangle of a row-major d × d matrix.
    pub fn from_full(d: usize, full: &[T]) -> Self {
        assert_eq!(full.len(), d * d);
        let mut inverse = Self::identity(d, T::zero());
        for i in 0..d {
            let at = position(i, 0);
            inverse.half[at..at + i + 1].copy_from_slice(&full[i * d..i * d + i + 1]);
        }
        for panel in 0..inverse.panels() {
            let end = offset(panel + 1);
            mirror_diagonal(&mut inverse.half[offset(panel)..end], PANEL * panel);
        }
        inverse
    }

    /// The whole matrix, row-major.
    pub fn to_full(&self) -> Vec<T> {
        let d = self.d;
        let mut full = vec![T::zero(); d * d];
        for i in 0..d {
            for j in 0..=i {
                let pending = self.pending.chunks_exact(self.padded()).zip(&self.weights);
                let entry = pending.fold(self.half[position(i, j)], |a, (u, &w)| a + w * u[i] * u[j]);
                full[i * d + j] = self.scale * entry;
                full[j * d + i] = self.scale * entry;
            }
        }
        full
    }

    /// All that a copy needs to go on with the same bits, for [`SymmetricInverse::from_parts`]: the scale, the stored
    /// half, and of each pending pair the weight and the vector.
    pub fn parts(&self) -> Vec<T> {
        let mut parts = vec![self.scale];
        parts.extend_from_slice(&self.half);
        for (&weight, u) in self.weights.iter().zip(self.pending.chunks_exact(self.padded().max(1))) {
            parts.push(weight);
            parts.extend_from_slice(u);
        }
        parts
    }

    /// What [`SymmetricInverse::parts`] gave; `None` if they are not as many as a d × d inverse has.
    pub fn from_parts(d: usize, parts: &[T]) -> Option<Self> {
        let mut inverse = Self::identity(d, T::one());
        let (&scale, rest) = parts.split_first()?;
        let (half, pairs) = rest.split_at_checked(inverse.half.len())?;
        let pairs = pairs.chunks_exact(inverse.padded() + 1);
        if !pairs.remainder().is_empty() || pairs.len() > PENDING {
            return None;
        }
        inverse.scale = scale;
        inverse.half.copy_from_slice(half);
        for pair in pairs {
            inverse.weights.push(pair[0]);
            inverse.pending.extend_from_slice(&pair[1..]);
        }
        Some(inverse)
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.d
    }

    /// Lets passes over a large matrix use up to `threads` threads, which stay until this is dropped; the bits stay the
    /// same.
    pub fn set_threads(&mut self, threads: usize) {
        self.team = Team::new(threads);
    }

    /// y = A x.
    pub fn multiply(&self, x: &[T], y: &mut [T]) {
        assert!(x.len() == self.d && y.len() == self.d);
        let x = self.pad(&[x]);
        let mut product = pass(self.panels(), Half::Read(&self.half), &x, 1, &self.team);
        self.add_pending(&x, &mut product);
        for (y, &u) in y.iter_mut().zip(&product[..]) {
            *y = self.scale * u;
        }
    }

    /// F ← βF + γ ggᵀ, that is A ← (1/β) [A − γ (Ag)(Ag)ᵀ / (β + γ gᵀAg)]. Returns gᵀAg of the old A.
    ///
    /// On an error A is what it was.
    pub fn update(&mut self, g: &[T], beta: T, gamma: T) -> Result<T, Indefinite> {
        assert_eq!(g.len(), self.d);
        let g = self.pad(&[g]);
        let u = self.product(&g, 1); // A g / scale
        let curvature = self.scale * vector::dot(&g, &u);
        let pivot = beta + gamma * curvature;
        if !(pivot > T::zero() && pivot.is_finite()) {
            return Err(Indefinite { value: pivot.wide() });
        }
        self.weights.push(-(gamma * self.scale) / pivot);
        self.pending.extend_from_slice(&u);
        self.scale /= beta;
        Ok(curvature)
    }

    /// F ← βF + Σ_j weights[j] g_j g_jᵀ, with `gradients` row-major k × d and weights ≥ 0.
    ///
    /// k smoothed rank-1 updates are this with β^k and weights (1 − β) β^(k−1−j). With GGᵀ the sum,
    /// A ← (1/β) [A − AG (βI + GᵀAG)⁻¹ GᵀA], eight gradients a pass. On an error A is what it was, to rounding where
    /// there are more than eight.
    pub fn update_many(&mut self, gradients: &[T], beta: T, weights: &[T]) -> Result<(), Indefinite> {
        assert_eq!(gradients.len(), weights.len() * self.d);
        let mut taken: Vec<Vec<T>> = Vec::new();
        for (block, weights) in gradients.chunks(BLOCK * self.d).zip(weights.chunks(BLOCK)) {
            let factor = if taken.is_empty() { beta } else { T::one() };
            match self.update_block(block, factor, weights) {
                Ok(rows) => taken.push(rows),
                Err(error) => {
                    self.give_back(&taken, beta);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Undoes blocks of an update from the last to the first: each took Σ v vᵀ over its rows, the first before 1/β.
    fn give_back(&mut self, taken: &[Vec<T>], beta: T) {
        for (i, rows) in taken.iter().enumerate().rev() {
            self.flush();
            if i == 0 {
                self.scale = beta;
            }
            self.weights.resize(rows.len() / self.padded(), self.scale.recip());
            self.pending.extend_from_slice(rows);
        }
    }

    /// Returns the rows v of which A lost Σ v vᵀ, before 1/β.
    fn update_block(&mut self, gradients: &[T], beta: T, weights: &[T]) -> Result<Vec<T>, Indefinite> {
        let (k, n) = (weights.len(), self.padded());
        let rows: Vec<&[T]> = gradients.chunks_exact(self.d).collect();
        let mut g = self.pad(&rows);
        for (g, weight) in g.chunks_exact_mut(n).zip(weights) {
            vector::scale(weight.sqrt(), g);
        }
        let mut u = self.product(&g, k); // A G / scale, a column a row

        // βI + GᵀAG = LLᵀ, and then U ← U L⁻ᵀ, whose columns are the new pairs.
        let mut lower = [[T::zero(); BLOCK]; BLOCK];
        for i in 0..k {
            for j in 0..=i {
                let mut entry = self.scale * vector::dot(&g[i * n..(i + 1) * n], &u[j * n..(j + 1) * n]);
                for p in 0..j {
                    entry -= lower[i][p] * lower[j][p];
                }
                if i == j {
                    entry += beta;
                    if !(entry > T::zero() && entry.is_finite()) {
                        return Err(Indefinite { value: entry.wide() });
                    }
                    lower[i][i] = entry.sqrt();
                } else {
                    lower[i][j] = entry / lower[j][j];
                }
            }
        }
        for i in 0..k {
            let (before, u) = u.split_at_mut(i * n);
            for (j, v) in before.chunks_exact(n).enumerate() {
                vector::axpy(-lower[i][j], v, &mut u[..n]);
            }
            vector::scale(lower[i][i].recip(), &mut u[..n]);
        }
        self.weights.extend(std::iter::repeat_n(-self.scale, k));
        self.pending.extend_from_slice(&u);
        vector::scale(self.scale, &mut u);
        self.scale /= beta;
        Ok(u.to_vec())
    }

    /// A ← scale · A.
    pub fn scale(&mut self, scale: T) {
        self.scale *= scale;
    }

    /// Writes pending updates into the stored half.
    pub fn flush(&mut self) {
        self.write_pending(&[], 0);
    }

    fn panels(&self) -> usize {
        self.d.div_ceil(PANEL)
    }

    fn padded(&self) -> usize {
        PANEL * self.panels()
    }

    fn pad(&self, rows: &[&[T]]) -> Aligned<T> {
        let n = self.padded();
        let mut padded = Aligned::zeros(rows.len() * n);
        for (padded, row) in padded.chunks_exact_mut(n.max(1)).zip(rows) {
            padded[..self.d].copy_from_slice(row);
        }
        padded
    }

    /// (B + Σ_j w_j u_j u_jᵀ) x for each of the `k` rows of `x`, with room for as many pairs afterwards.
    fn product(&mut self, x: &[T], k: usize) -> Aligned<T> {
        if self.weights.len() + k > PENDING || !self.scale_is_moderate() {
            return self.write_pending(x, k);
        }
        let mut product = pass(self.panels(), Half::Read(&self.half), x, k, &self.team);
        self.add_pending(x, &mut product);
        product
    }

    /// The scale grows by 1/β an update while the sum in A shrinks as much by cancellation, digits of B with it.
    fn scale_is_moderate(&self) -> bool {
        self.scale < T::of(16.0) && self.scale > T::of(1.0 / 16.0)
    }

    fn write_pending(&mut self, x: &[T], k: usize) -> Aligned<T> {
        let pairs = Pairs { scale: self.scale, weights: &self.weights, rows: &self.pending };
        let product = pass(self.panels(), Half::Write(&mut self.half, pairs), x, k, &self.team);
        self.weights.clear();
        self.pending.clear();
        self.scale = T::one();
        product
    }

    /// y += Σ_j w_j u_j (u_jᵀ x) for each row of `x`.
    fn add_pending(&self, x: &[T], y: &mut [T]) {
        let n = self.padded();
        for (u, &w) in self.pending.chunks_exact(n.max(1)).zip(&self.weights) {
            for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
                vector::axpy(w * vector::dot(u, x), u, y);
            }
        }
    }
}

/// The stored half, and whether a pass applies pending pairs to it.
enum Half<'a, T> {
    Read(&'a [T]),
    Write(&'a mut [T], Pairs<'a, T>),
}

/// B ← scale (B + Σ_j weights[j] u_j u_jᵀ), u_j the rows.
#[derive(Clone, Copy)]
struct Pairs<'a, T> {
    scale: T,
    weights: &'a [T],
    rows: &'a [T],
}

/// One pass over the half: applies pending pairs if there are any, and returns B x for each of `k` rows of `x`.
fn pass<T: Scalar>(panels: usize, half: Half<'_, T>, x: &[T], k: usize, team: &Team) -> Aligned<T> {
    let chunks = if panels >= PANELS_OF_CHUNKED { CHUNKS } else { 1 };
    // Chunk c ends where its share of the area does.
    let end = |c: usize| (panels as f64 * (c as f64 / chunks as f64).sqrt()).round() as usize;
    let ranges: Vec<Range<usize>> = (0..chunks).map(|c| end(c)..end(c + 1)).collect();

    let sums = match half {
        Half::Read(half) => team.for_chunks(chunks, 1, |c, _| {
            let mut y = Aligned::zeros(k * PANEL * panels);
            for panel in ranges[c].clone() {
                let rows = &half[offset(panel)..offset(panel + 1)];
                dispatch(Multiply { rows, panel, x, y: &mut y, k });
            }
            y
        }),
        Half::Write(half, pairs) => {
            let mut rest = half;
            let mut parts = Vec::new();
            for range in &ranges {
                let (part, after) = rest.split_at_mut(offset(range.end) - offset(range.start));
                parts.push(Mutex::new(part));
                rest = after;
            }
            team.for_chunks(chunks, 1, |c, _| {
                let mut part = parts[c].lock().expect("each part is taken once");
                let mut y = Aligned::zeros(k * PANEL * panels);
                for panel in ranges[c].clone() {
                    let first = offset(ranges[c].start);
                    let rows = &mut part[offset(panel) - first..offset(panel + 1) - first];
                    dispatch(Apply { rows, panel, n: PANEL * panels, pairs });
                    mirror_diagonal(rows, PANEL * panel);
                    dispatch(Multiply { rows, panel, x, y: &mut y, k });
                }
                y
            })
        }
    };
    let mut sums = sums.into_iter();
    let mut total = sums.next().expect("there is a chunk");
    for sum in sums {
        vector::axpy(T::one(), &sum, &mut total);
    }
    total
}

/// Copies the lower triangle of a panel's diagonal block, which starts at column `from`, to the upper one.
fn mirror_diagonal<T: Copy>(panel: &mut [T], from: usize) {
    let stride = from + PANEL;
    for i in 0..PANEL {
        for j in 0..i {
            panel[j * stride + from + i] = panel[i * stride + from + j];
        }
    }
}

/// y += the product of x with a panel and with the panel's transpose, the diagonal block taken once.
struct Multiply<'a, T> {
    rows: &'a [T],
    panel: usize,
    x: &'a [T],
    y: &'a mut [T],
    k: usize,
}

impl<T: Scalar> WithSimd for Multiply<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, panel, x, y, k } = self;
        let from = PANEL * panel;
        if k == 1 {
            const R: usize = 4;
            for (i, rows) in rows.chunks_exact(R * (from + PANEL)).enumerate() {
                let at = from + R * i;
                let dots: [T; R] = symmetric_rows(simd, rows, from, x, at, y);
                for r in 0..R {
                    y[at + r] += dots[r];
                }
            }
        } else if k > 1 {
            let n = x.len() / k;
            let mut x_rows = [T::zero(); PANEL * BLOCK];
            let mut dots = [T::zero(); PANEL * BLOCK];
            let tile = Tile { data: rows, rows: PANEL, stride: from + PANEL, cols: from + PANEL };
            Project { tile, weights: x, stride: n, classes: k, scores: &mut dots }.with_simd(simd);
            for r in 0..PANEL {
                for j in 0..k {
                    x_rows[r * k + j] = x[j * n + from + r];
                    y[j * n + from + r] += dots[r * k + j];
                }
            }
            let tile = Tile { cols: from, ..tile };
            Accumulate { tile, residuals: &x_rows, classes: k, sums: y, stride: n }.with_simd(simd);
        }
    }
}

/// Products of R rows with x, while y gains x[at + r] times row r on the columns before the diagonal block.
#[inline(always)]
fn symmetric_rows<T: Scalar, S: Simd, const R: usize>(
    simd: S,
    rows: &[T],
    from: usize,
    x: &[T],
    at: usize,
    y: &mut [T],
) -> [T; R] {
    let cols = from + PANEL;
    let mut x_rows = [T::splat(simd, T::zero()); R];
    for r in 0..R {
        x_rows[r] = T::splat(simd, x[at + r]);
    }
    let x = T::lanes::<S>(&x[..cols]).0;
    let y = T::lanes_mut::<S>(&mut y[..from]).0;
    let lanes: [_; R] = std::array::from_fn(|r| &T::lanes::<S>(&rows[r * cols..(r + 1) * cols]).0[..x.len()]);
    let (before, block) = x.split_at(y.len());
    let mut dots = [T::splat(simd, T::zero()); R];
    {
        let lanes = lanes.map(|row| &row[..before.len()]);
        for (p, (y, &x)) in y.iter_mut().zip(before).enumerate() {
            let mut sum = *y;
            for r in 0..R {
                prefetch_line(lanes[r].as_ptr().wrapping_add(p + AHEAD));
                let a = lanes[r][p];
                dots[r] = T::mul_add_lanes(simd, a, x, dots[r]);
                sum = T::mul_add_lanes(simd, a, x_rows[r], sum);
            }
            *y = sum;
        }
    }
    let lanes = lanes.map(|row| &row[before.len()..]);
    for (p, &x) in block.iter().enumerate() {
        for r in 0..R {
            dots[r] = T::mul_add_lanes(simd, lanes[r][p], x, dots[r]);
        }
    }
    let mut totals = [T::zero(); R];
    for r in 0..R {
        totals[r] = T::sum_lanes(simd, dots[r]);
    }
    totals
}

/// Applies pending pairs, rows of length `n`, to a panel.
struct Apply<'a, T> {
    rows: &'a mut [T],
    panel: usize,
    n: usize,
    pairs: Pairs<'a, T>,
}

impl<T: Scalar> WithSimd for Apply<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        const R: usize = 4;
        let Self { rows, panel, n, pairs } = self;
        let cols = PANEL * (panel + 1);
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let mut factors = [[T::zero(); R]; PENDING];
        for (i, rows) in rows.chunks_exact_mut(R * cols).enumerate() {
            for (j, &w) in pairs.weights.iter().enumerate() {
                let u = &pairs.rows[j * n + PANEL * panel + R * i..];
                for r in 0..R {
                    factors[j][r] = pairs.scale * w * u[r];
                }
            }
            let factors = &factors[..pairs.weights.len()];
            let mut p = 0;
            while p < cols {
                if p + 2 * lanes <= cols {
                    apply_block::<T, S, R, 2>(simd, rows, cols, p, n, pairs, factors);
                    p += 2 * lanes;
                } else {
                    apply_block::<T, S, R, 1>(simd, rows, cols, p, n, pairs, factors);
                    p += lanes;
                }
            }
        }
    }
}

/// R rows times V vectors from column p on: scale · row + Σ_j factors[j] u_j.
#[inline(always)]
fn apply_block<T: Scalar, S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: &mut [T],
    cols: usize,
    p: usize,
    n: usize,
    pairs: Pairs<'_, T>,
    factors: &[[T; R]],
) {
    let scale = T::splat(simd, pairs.scale);
    let mut sums = [[scale; V]; R];
    for r in 0..R {
        let row = T::lanes::<S>(&rows[r * cols + p..(r + 1) * cols]).0;
        for v in 0..V {
            sums[r][v] = T::mul_lanes(simd, row[v], scale);
        }
    }
    for (j, factor) in factors.iter().enumerate() {
        let u = T::lanes::<S>(&pairs.rows[j * n + p..(j + 1) * n]).0;
        let u: [_; V] = u[..V].try_into().expect("the row has V vectors");
        for r in 0..R {
            let factor = T::splat(simd, factor[r]);
            for v in 0..V {
                sums[r][v] = T::mul_add_lanes(simd, factor, u[v], sums[r][v]);
            }
        }
    }
    for r in 0..R {
        let row = T::lanes_mut::<S>(&mut rows[r * cols + p..(r + 1) * cols]).0;
        row[..V].copy_from_slice(&sums[r]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::{assert_close, numbers};
    use crate::simd::on_each_level;

    /// Sizes on both sides of a panel, of a vector pair, and of the first chunked pass.
    const SIZES: [usize; 12] = [1, 2, 15, 16, 17, 31, 33, 48, 67, 130, 496, 497];

    /// A symmetric positive definite matrix without structure: I + Σ g gᵀ over three g, and more on the diagonal.
    fn positive(d: usize) -> Vec<f64> {
        let g: Vec<f64> = numbers(3 * d, 11);
        let mut a = vec![0.0; d * d];
        for i in 0..d {
            for j in 0..d {
                a[i * d + j] = (0..3).map(|k| g[k * d + i] * g[k * d + j]).sum::<f64>() / d as f64;
            }
            a[i * d + i] += 1.0 + i as f64 / d as f64;
        }
        a
    }

    fn multiply(a: &[f64], x: &[f64]) -> Vec<f64> {
        a.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
    }

    fn narrow<T: Scalar>(x: &[f64]) -> Vec<T> {
        x.iter().map(|&x| T::of(x)).collect()
    }

    fn relative_error<T: Scalar>(got: &[T], exact: &[f64]) -> f64 {
        let size = exact.iter().fold(0f64, |size, x| size.max(x.abs()));
        got.iter().zip(exact).fold(0f64, |worst, (got, x)| worst.max((got.wide() - x).abs())) / size
    }

    fn assert_symmetric<T: Scalar>(a: &[T], d: usize) {
        for i in 0..d {
            for j in 0..i {
                assert!(a[i * d + j] == a[j * d + i], "entry ({i}, {j}) of {d}");
            }
        }
    }

    fn multiplies<T: Scalar>() {
        on_each_level(|level| {
            for d in SIZES {
                let full = positive(d);
                let a = SymmetricInverse::<T>::from_full(d, &narrow(&full));
                assert_eq!(a.to_full(), narrow(&full), "{level}, d = {d}");
                let x: Vec<f64> = numbers(d, 5);
                let mut y = vec![T::nan(); d];
                a.multiply(&narrow(&x), &mut y);
                let error = relative_error(&y, &multiply(&full, &x));
                assert!(error < 8.0 * (d as f64).sqrt() * T::epsilon().wide(), "{level}, d = {d}: {error:e}");
            }
        });
    }

    #[test]
    fn multiplies_as_the_whole_matrix_does() {
        multiplies::<f32>();
        multiplies::<f64>();
    }

    /// F A = I, with F summed up densely in f64 and A updated one by one and in blocks.
    fn inverts<T: Scalar>() {
        on_each_level(|level| {
            for d in [1, 5, 16, 17, 40, 67] {
                let (beta, gamma) = (0.9, 0.3);
                let mut a = SymmetricInverse::<T>::identity(d, T::of(2.0));
                let mut b = a.clone();
                let mut f = vec![0.0; d * d];
                f.iter_mut().step_by(d + 1).for_each(|f| *f = 0.5);
                let updates = 41; // two flushes and a rest, five blocks and a rest
                let g: Vec<T> = numbers(updates * d, 3);
                for g in g.chunks_exact(d) {
                    for i in 0..d {
                        for j in 0..d {
                            f[i * d + j] = beta * f[i * d + j] + gamma * g[i].wide() * g[j].wide();
                        }
                    }
                    let mut ag = vec![T::zero(); d];
                    a.multiply(g, &mut ag);
                    let curvature = a.update(g, T::of(beta), T::of(gamma)).unwrap();
                    let expected = vector::dot(g, &ag);
                    assert_close(curvature, expected, 1e3 * T::epsilon().wide() * expected.wide(), level);
                }
                let weights: Vec<T> =
                    (0..updates).map(|j| T::of(gamma * beta.powi((updates - 1 - j) as i32))).collect();
                b.update_many(&g, T::of(beta.powi(updates as i32)), &weights).unwrap();

                for inverse in [&mut a, &mut b] {
                    for flushed in [false, true] {
                        if flushed {
                            inverse.flush();
                        }
                        let full = inverse.to_full();
                        assert_symmetric(&full, d);
                        let wide: Vec<f64> = full.iter().map(|a| a.wide()).collect();
                        let size = wide.iter().fold(0f64, |size, a| size.max(a.abs()));
                        for row in 0..d {
                            let product = multiply(&wide, &f[row * d..(row + 1) * d]);
                            for (column, &entry) in product.iter().enumerate() {
                                let expected = f64::from(u8::from(row == column));
                                let error = (entry - expected).abs() / (size * d as f64);
                                assert!(error < 100.0 * T::epsilon().wide(), "{level}, d = {d}: {error:e}");
                            }
                        }
                    }
                }
            }
        });
    }

    #[test]
    fn updates_keep_the_inverse_of_what_was_summed() {
        inverts::<f32>();
        inverts::<f64>();
    }

    #[test]
    fn many_updates_stay_symmetric_and_positive() {
        let d = 37;
        let mut a = SymmetricInverse::<f32>::identity(d, 1.0);
        let g: Vec<f32> = numbers(10_000 * d, 21);
        for g in g.chunks_exact(d) {
            assert!(a.update(g, 0.99, 0.01).unwrap() > 0.0);
        }
        let full = a.to_full();
        assert!(vector::all_finite(&full));
        assert_symmetric(&full, d);
        let full: Vec<f64> = full.iter().map(|&a| f64::from(a)).collect();
        for seed in 0..100 {
            let x: Vec<f64> = numbers(d, seed);
            let y = multiply(&full, &x);
            assert!(x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() > 0.0);
        }
    }

    #[test]
    fn fast_forgetting_neither_overflows_nor_cancels() {
        let d = 3;
        let mut a = SymmetricInverse::<f32>::identity(d, 1.0);
        for t in 0..3000 {
            let mut g = [0.0; 3];
            g[t % d] = 1.0;
            a.update(&g, 0.5, 0.5).unwrap();
        }
        // F stays diagonal. Axis i was renewed 2 − i updates before the last, and every three before that.
        let full = a.to_full();
        for i in 0..d {
            let f = 0.5f64.powi((2 - i) as i32 + 1) / (1.0 - 0.125);
            assert!((f64::from(full[i * d + i]) * f - 1.0).abs() < 4e-6, "axis {i}: {full:?}");
        }
    }

    #[test]
    fn the_bits_don_t_depend_on_the_threads() {
        let d = PANEL * PANELS_OF_CHUNKED + 5;
        let g: Vec<f32> = numbers(8 * d, 2);
        let bits = |threads| {
            let mut a = SymmetricInverse::identity(d, 1f32);
            a.set_threads(threads);
            for g in g.chunks_exact(d).take(3) {
                a.update(g, 0.9, 0.1).unwrap();
            }
            a.update_many(&g, 0.9, &[0.1; 8]).unwrap();
            a.flush();
            let mut y = vec![0.0; d];
            a.multiply(&g[..d], &mut y);
            y.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert!(bits(1) == bits(2));
    }

    #[test]
    fn an_error_in_a_later_block_leaves_nothing_behind() {
        let d = 40;
        let mut a = SymmetricInverse::<f64>::identity(d, 2.0);
        let mut g: Vec<f64> = numbers(29 * d, 8);
        a.update_many(&g, 0.7, &[0.2; 29]).unwrap();
        let (before, size) = (a.to_full(), 2.0);
        g[27 * d] = f64::NAN; // in the fourth block
        assert!(a.update_many(&g, 0.5, &[0.3; 29]).is_err());
        for (after, before) in a.to_full().iter().zip(&before) {
            assert!((after - before).abs() < 1e-14 * size, "{after} was {before}");
        }
        a.update(&g[..d], 0.9, 0.1).unwrap();
    }

    #[test]
    fn an_update_that_makes_it_indefinite_is_refused() {
        let mut a = SymmetricInverse::identity(2, 1.0);
        let before = a.to_full();
        assert_eq!(a.update(&[2.0, 0.0], 1.0, -0.5), Err(Indefinite { value: -1.0 }));
        assert!(a.update(&[f64::NAN, 0.0], 1.0, 0.5).is_err());
        assert!(a.update_many(&[f64::INFINITY, 0.0], 1.0, &[1.0]).is_err());
        assert_eq!(a.to_full(), before);
        a.update(&[2.0, 0.0], 1.0, 0.5).unwrap();
        a.scale(3.0);
        assert_eq!(a.to_full(), [1.0, 0.0, 0.0, 3.0]);
    }
}
