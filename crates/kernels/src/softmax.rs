//! Softmax over the rows of a `rows × classes` matrix of scores.

use crate::Scalar;

/// Turns each row of scores into probabilities.
pub fn softmax_in_place<T: Scalar>(scores: &mut [T], classes: usize) {
    for row in scores.chunks_exact_mut(classes) {
        let max = row.iter().copied().fold(T::neg_infinity(), T::max);
        for s in row.iter_mut() {
            *s = (*s - max).exp();
        }
        let total: T = row.iter().copied().sum();
        for p in row {
            *p /= total;
        }
    }
}

/// losses[r] = log Σ_c exp(scores[r][c]) − scores[r][labels[r]].
pub fn cross_entropy<T: Scalar>(scores: &[T], classes: usize, labels: &[u32], losses: &mut [T]) {
    for ((row, &label), loss) in scores.chunks_exact(classes).zip(labels).zip(losses) {
        let max = row.iter().copied().fold(T::neg_infinity(), T::max);
        let total: T = row.iter().map(|&s| (s - max).exp()).sum();
        *loss = total.ln() + max - row[label as usize];
    }
}

/// Both in one pass: scores become probabilities, losses are written.
pub fn softmax_cross_entropy<T: Scalar>(scores: &mut [T], classes: usize, labels: &[u32], losses: &mut [T]) {
    cross_entropy(scores, classes, labels, losses);
    softmax_in_place(scores, classes);
}

/// p ← w_r (p − onehot(labels[r])) for each row of probabilities; without `weights` all are 1.
pub fn residuals<T: Scalar>(probabilities: &mut [T], classes: usize, labels: &[u32], weights: Option<&[T]>) {
    for (r, (row, &label)) in probabilities.chunks_exact_mut(classes).zip(labels).enumerate() {
        row[label as usize] -= T::one();
        if let Some(weights) = weights {
            crate::vector::scale(weights[r], row);
        }
    }
}

/// ds ← J ds = p ∘ ds − p (pᵀ ds) for each row, J the derivative of softmax at probabilities p.
pub fn softmax_r<T: Scalar>(probabilities: &[T], scores_dot: &mut [T], classes: usize) {
    for (p, ds) in probabilities.chunks_exact(classes).zip(scores_dot.chunks_exact_mut(classes)) {
        let mean: T = p.iter().zip(ds.iter()).map(|(&p, &ds)| p * ds).sum();
        for (ds, &p) in ds.iter_mut().zip(p) {
            *ds = p * (*ds - mean);
        }
    }
}
