//! Softmax over the rows of a `rows × classes` matrix of scores.
//!
//! Each entry's value depends on its row alone, so tiles of any height give the same bits. A row with a NaN or
//! +∞ becomes NaN, and a score of −∞ gets probability 0.

use pulp::{Simd, WithSimd};

use crate::Scalar;
use crate::simd::dispatch;

/// Turns each row of scores into probabilities.
pub fn softmax_in_place<T: Scalar>(scores: &mut [T], classes: usize) {
    dispatch(Softmax { scores, classes, losses: None });
}

/// Turns each row of scores into probabilities and writes losses[r] = log Σ_c exp(scores[r][c]) −
/// scores[r][labels[r]].
pub fn softmax_cross_entropy<T: Scalar>(scores: &mut [T], classes: usize, labels: &[u32], losses: &mut [T]) {
    let rows = scores.len() / classes;
    assert!(labels.len() == rows && losses.len() == rows);
    dispatch(Softmax { scores, classes, losses: Some((labels, losses)) });
}

struct Softmax<'a, T> {
    scores: &'a mut [T],
    classes: usize,
    losses: Option<(&'a [u32], &'a mut [T])>,
}

impl<T: Scalar> WithSimd for Softmax<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { scores, classes, mut losses } = self;
        for (r, row) in scores.chunks_exact_mut(classes).enumerate() {
            let max = largest(row);
            for s in row.iter_mut() {
                *s -= max;
            }
            if let Some((labels, losses)) = &mut losses {
                losses[r] = -row[labels[r] as usize];
            }
        }
        for s in scores.iter_mut() {
            *s = s.exp_approx();
        }
        for (r, row) in scores.chunks_exact_mut(classes).enumerate() {
            let total: T = row.iter().copied().sum();
            let inverse = total.recip();
            for p in row {
                *p *= inverse;
            }
            if let Some((_, losses)) = &mut losses {
                losses[r] += total.ln();
            }
        }
    }
}

#[inline(always)]
fn largest<T: Scalar>(row: &[T]) -> T {
    row.iter().fold(T::neg_infinity(), |max, &s| if s > max { s } else { max })
}

/// losses[r] = log Σ_c exp(scores[r][c]) − scores[r][labels[r]].
pub fn cross_entropy<T: Scalar>(scores: &[T], classes: usize, labels: &[u32], losses: &mut [T]) {
    let rows = scores.len() / classes;
    assert!(labels.len() == rows && losses.len() == rows);
    dispatch(CrossEntropy { scores, classes, labels, losses });
}

struct CrossEntropy<'a, T> {
    scores: &'a [T],
    classes: usize,
    labels: &'a [u32],
    losses: &'a mut [T],
}

impl<T: Scalar> WithSimd for CrossEntropy<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.scores.chunks_exact(self.classes).zip(self.labels);
        for ((row, &label), loss) in rows.zip(self.losses) {
            let max = largest(row);
            let total: T = row.iter().map(|&s| (s - max).exp_approx()).sum();
            *loss = total.ln() - (row[label as usize] - max);
        }
    }
}

/// p ← w_r (p − onehot(labels[r])) for each row of probabilities; without `weights` each w_r is 1.
pub fn residuals<T: Scalar>(probabilities: &mut [T], classes: usize, labels: &[u32], weights: Option<&[T]>) {
    let rows = probabilities.len() / classes;
    assert!(labels.len() == rows && weights.is_none_or(|weights| weights.len() == rows));
    for (r, (row, &label)) in probabilities.chunks_exact_mut(classes).zip(labels).enumerate() {
        row[label as usize] -= T::one();
        if let Some(weights) = weights {
            for e in row {
                *e *= weights[r];
            }
        }
    }
}

/// ds ← J ds = p ∘ ds − p (pᵀ ds) for each row, J the derivative of softmax at probabilities p.
pub fn softmax_r<T: Scalar>(probabilities: &[T], scores_dot: &mut [T], classes: usize) {
    assert_eq!(probabilities.len(), scores_dot.len());
    dispatch(SoftmaxR { probabilities, scores_dot, classes });
}

struct SoftmaxR<'a, T> {
    probabilities: &'a [T],
    scores_dot: &'a mut [T],
    classes: usize,
}

impl<T: Scalar> WithSimd for SoftmaxR<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.probabilities.chunks_exact(self.classes);
        for (p, ds) in rows.zip(self.scores_dot.chunks_exact_mut(self.classes)) {
            let mean: T = p.iter().zip(ds.iter()).map(|(&p, &ds)| p * ds).sum();
            for (ds, &p) in ds.iter_mut().zip(p) {
                *ds = p * (*ds - mean);
            }
        }
    }
}

#[cfg(test)]
mod tests;
