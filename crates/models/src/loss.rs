//! Losses of a model's scores: what they predict, their residuals and their curvature.

use nhgd_curvature::Statistic;
use nhgd_kernels::{Scalar, softmax, vector};

use crate::{Batch, Labels, signs, uniform};

/// A loss ℓ(z, y) of the scores z and the label y of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// −log softmax(z)_y.
    CrossEntropy,
    /// ½ ‖z − e_y‖², e_y the y-th unit vector: the scores themselves estimate the probabilities of the classes, and
    /// the labels that the model draws have the moments of a Gaussian with mean z and unit variance.
    Squared,
}

impl Loss {
    /// Turns scores, rows × C, into predictions: probabilities, or the scores themselves.
    pub(crate) fn predict<T: Scalar>(self, scores: &mut [T], classes: usize) {
        match self {
            Self::CrossEntropy => softmax::softmax_in_place(scores, classes),
            Self::Squared => {}
        }
    }

    /// The same, and writes the losses at the given labels.
    pub(crate) fn evaluate<T: Scalar>(
        self,
        scores: &mut [T],
        classes: usize,
        labels: &[u32],
        losses: &mut [T],
    ) {
        match self {
            Self::CrossEntropy => softmax::softmax_cross_entropy(scores, classes, labels, losses),
            Self::Squared => {
                for ((z, &label), loss) in scores.chunks_exact(classes).zip(labels).zip(losses) {
                    let error = |(c, &z): (usize, &T)| if c == label as usize { z - T::one() } else { z };
                    *loss = T::of(0.5) * z.iter().enumerate().map(error).map(|e| e * e).sum();
                }
            }
        }
    }

    /// Predictions of the samples of `batch` from position `first` on become w_i ∂ℓ_i/∂z at `labels`; one weight a row.
    pub(crate) fn residuals<T: Scalar>(
        self,
        p: &mut [T],
        classes: usize,
        batch: &Batch<'_>,
        first: usize,
        labels: Labels,
        weights: &[T],
    ) {
        let range = first..first + p.len() / classes;
        match (labels, self) {
            // Both losses have the residual p − e_y.
            (Labels::Given, _) => softmax::residuals(p, classes, &batch.labels[range], Some(weights)),
            (Labels::Sampled { seed }, Self::CrossEntropy) => {
                let drawn: Vec<u32> = range
                    .zip(p.chunks_exact(classes))
                    .map(|(i, p)| draw(p, uniform(seed, i as u64)))
                    .collect();
                softmax::residuals(p, classes, &drawn, Some(weights));
            }
            (Labels::Expected { seed }, Self::CrossEntropy) => {
                for ((i, p), &w) in range.zip(p.chunks_exact_mut(classes)).zip(weights) {
                    signed_residual(p, uniform(seed, i as u64));
                    vector::scale(w, p);
                }
            }
            (Labels::Sampled { seed } | Labels::Expected { seed }, Self::Squared) => {
                for ((i, p), &w) in range.zip(p.chunks_exact_mut(classes)).zip(weights) {
                    let epsilon = signs(uniform(seed, i as u64).to_bits(), classes);
                    p.iter_mut().zip(epsilon).for_each(|(p, sign)| *p = w * T::of(sign));
                }
            }
        }
    }

    /// ds ← w_i (∂²ℓ_i/∂z²) ds for each row, at its predictions.
    pub(crate) fn curvature<T: Scalar>(self, p: &[T], ds: &mut [T], classes: usize, weights: &[T]) {
        match self {
            Self::CrossEntropy => softmax::softmax_r(p, ds, classes),
            Self::Squared => {}
        }
        for (ds, &w) in ds.chunks_exact_mut(classes).zip(weights) {
            vector::scale(w, ds);
        }
    }

    /// Directions a sample that [`Loss::roots`] writes.
    pub(crate) fn directions(statistic: Statistic, classes: usize) -> usize {
        if statistic == Statistic::Expected { classes } else { 1 }
    }

    /// Writes rows × directions × C: the vectors ∂ℓ/∂z whose outer products make up the curvature by a statistic, at
    /// predictions of the samples of `batch` from position `first` on; overwrites the predictions.
    pub(crate) fn roots<T: Scalar>(
        self,
        p: &mut [T],
        classes: usize,
        batch: &Batch<'_>,
        first: usize,
        statistic: Statistic,
        seed: u64,
        out: &mut [T],
    ) {
        let labels = match statistic {
            Statistic::Empirical => Labels::Given,
            Statistic::Sampled => Labels::Sampled { seed },
            Statistic::Expected => {
                let rows = p.chunks_exact(classes).zip(out.chunks_exact_mut(classes * classes));
                return rows.for_each(|(p, out)| self.all_roots(p, out));
            }
        };
        self.residuals(p, classes, batch, first, labels, &vec![T::one(); p.len() / classes]);
        out.copy_from_slice(p);
    }

    /// C vectors whose outer products sum to ∂²ℓ/∂z².
    fn all_roots<T: Scalar>(self, p: &[T], out: &mut [T]) {
        for (c, out) in out.chunks_exact_mut(p.len()).enumerate() {
            match self {
                // √p_c (p − e_c): their outer products sum to diag p − ppᵀ.
                Self::CrossEntropy => {
                    let root = p[c].max(T::zero()).sqrt();
                    out.iter_mut().zip(p).for_each(|(out, &p)| *out = root * p);
                    out[c] = root * (p[c] - T::one());
                }
                Self::Squared => {
                    out.fill(T::zero());
                    out[c] = T::one();
                }
            }
        }
    }
}

/// The class that the uniform number u picks from probabilities p.
fn draw<T: Scalar>(p: &[T], u: f64) -> u32 {
    let mut below = 0.0;
    let class = p.iter().position(|&p| {
        below += p.wide();
        u < below
    });
    class.unwrap_or(p.len() - 1) as u32
}

/// Σ_c ε_c √p_c (p − e_c) with random signs ε: its expected outer product is diag p − ppᵀ.
fn signed_residual<T: Scalar>(p: &mut [T], u: f64) {
    let epsilon: Vec<T> = signs(u.to_bits(), p.len())
        .zip(p.iter())
        .map(|(sign, &p)| T::of(sign) * p.max(T::zero()).sqrt())
        .collect();
    let total: T = epsilon.iter().copied().sum();
    for (p, epsilon) in p.iter_mut().zip(epsilon) {
        *p = *p * total - epsilon;
    }
}
