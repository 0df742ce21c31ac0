//! Losses of a model's scores: what they predict, their residuals and their curvature.

use nhgd_curvature::{Outputs, Statistic};
use nhgd_kernels::memory::{Result, collected, filled, reserved};
use nhgd_kernels::{Scalar, softmax, vector};

use crate::{Batch, BatchTargets, Labels, Targets, signs, uniform};

/// A loss ℓ(z, y) of the scores z and the target y of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// −log softmax(z)_y of a class y; of learned targets y, which are probabilities, −Σ_c y_c log softmax(z)_c.
    CrossEntropy,
    /// ½ ‖z − y‖². A class stands for its unit vector, so that the scores estimate the probabilities of the classes.
    /// The residuals z − y that the model draws are random signs: they have the moments of a Gaussian with mean 0 and
    /// unit variance.
    Squared,
    /// log(1 + exp(∓z)) of one score z per sample, − for class 1 and + for class 0; of a learned target y, which is a
    /// probability, log(1 + exp z) − yz.
    Logistic,
}

impl Loss {
    /// What it expects of the targets of `classes` classes or outputs, and what it finds instead; nothing where they fit.
    pub fn misfit(self, targets: &Targets, classes: usize) -> Option<(String, String)> {
        match targets {
            Targets::Classes(labels) => {
                let i = labels.iter().position(|&y| y as usize >= classes)?;
                let expected = match classes {
                    1 => "continuous targets for a model of one output".to_string(),
                    _ => format!("classes 0 to {}", classes - 1),
                };
                Some((expected, format!("{} at index {i}", labels[i])))
            }
            Targets::Values(_, columns) if self == Self::Squared => (*columns != classes)
                .then(|| (format!("{classes} target columns, one per output"), columns.to_string())),
            Targets::Values(..) => Some(("a class per sample".to_string(), "continuous targets".to_string())),
        }
    }

    /// Turns scores, rows × outputs, into predictions: probabilities, or the scores themselves.
    pub(crate) fn predict<T: Scalar>(self, scores: &mut [T], outputs: usize) {
        match self {
            Self::CrossEntropy => softmax::softmax_in_place(scores, outputs),
            Self::Squared => {}
            Self::Logistic => scores.iter_mut().for_each(|z| *z = (T::one() + (-*z).exp()).recip()),
        }
    }

    /// The same, and writes the losses.
    pub(crate) fn evaluate<T: Scalar>(
        self,
        scores: &mut [T],
        outputs: usize,
        targets: BatchTargets<'_>,
        losses: &mut [T],
    ) {
        match (self, targets) {
            (Self::CrossEntropy, BatchTargets::Classes(labels)) => {
                softmax::softmax_cross_entropy(scores, outputs, labels, losses);
            }
            // log Σ_c e^(z_c) − yᵀz, since y sums to 1.
            (Self::CrossEntropy, BatchTargets::Values(targets, _)) => {
                let rows = scores.chunks_exact(outputs).zip(targets.chunks_exact(outputs));
                for ((z, y), loss) in rows.zip(losses) {
                    let top = z.iter().fold(T::neg_infinity(), |top, &z| top.max(z));
                    let sum: T = z.iter().map(|&z| (z - top).exp()).sum();
                    *loss = sum.ln() - z.iter().zip(y).map(|(&z, &y)| T::of(y) * (z - top)).sum::<T>();
                }
                self.predict(scores, outputs);
            }
            (Self::Squared, _) => {
                for (r, (z, loss)) in scores.chunks_exact(outputs).zip(losses).enumerate() {
                    let error = |(c, &z): (usize, &T)| z - target(targets, r, c);
                    *loss = T::of(0.5) * z.iter().enumerate().map(error).map(|e| e * e).sum();
                }
            }
            (Self::Logistic, BatchTargets::Classes(labels)) => {
                for ((&z, &y), loss) in scores.iter().zip(labels).zip(losses) {
                    let margin = if y == 1 { z } else { -z };
                    *loss = (-margin).max(T::zero()) + (-margin.abs()).exp().ln_1p();
                }
                self.predict(scores, outputs);
            }
            (Self::Logistic, BatchTargets::Values(targets, _)) => {
                for ((&z, &y), loss) in scores.iter().zip(targets).zip(losses) {
                    *loss = z.max(T::zero()) + (-z.abs()).exp().ln_1p() - T::of(y) * z;
                }
                self.predict(scores, outputs);
            }
        }
    }

    /// Predictions of the samples of `batch` from position `first` on become w_i ∂ℓ_i/∂z at `labels`; one weight per row.
    pub(crate) fn residuals<T: Scalar>(
        self,
        p: &mut [T],
        outputs: usize,
        batch: &Batch<'_>,
        first: usize,
        labels: Labels,
        weights: &[T],
    ) -> Result<()> {
        let range = first..first + p.len() / outputs;
        // By sample, so that a part of a batch has the draws that it has in the whole.
        let drawn = |seed: u64, i: usize| uniform(seed, batch.positions.get(i) as u64);
        match (labels, self) {
            // Every loss has the residual p − y.
            (Labels::Given, _) => match batch.targets.slice(range) {
                BatchTargets::Classes(labels) if self != Self::Logistic => {
                    softmax::residuals(p, outputs, labels, Some(weights));
                }
                targets => {
                    for (r, (p, &w)) in p.chunks_exact_mut(outputs).zip(weights).enumerate() {
                        for (c, p) in p.iter_mut().enumerate() {
                            let y = match (self, targets) {
                                (Self::Logistic, BatchTargets::Classes(labels)) => {
                                    T::of(f64::from(labels[r]))
                                }
                                _ => target(targets, r, c),
                            };
                            *p = w * (*p - y);
                        }
                    }
                }
            },
            (Labels::Sampled { seed }, Self::CrossEntropy) => {
                let rows = range.zip(p.chunks_exact(outputs));
                let labels = collected(rows.map(|(i, p)| draw(p, drawn(seed, i))))?;
                softmax::residuals(p, outputs, &labels, Some(weights));
            }
            (Labels::Expected { seed }, Self::CrossEntropy) => {
                for ((i, p), &w) in range.zip(p.chunks_exact_mut(outputs)).zip(weights) {
                    signed_residual(p, drawn(seed, i))?;
                    vector::scale(w, p);
                }
            }
            (Labels::Sampled { seed }, Self::Logistic) => {
                for ((i, p), &w) in range.zip(p).zip(weights) {
                    let one = drawn(seed, i) < p.wide();
                    *p = w * if one { *p - T::one() } else { *p };
                }
            }
            (Labels::Expected { seed }, Self::Logistic) => {
                for ((i, p), &w) in range.zip(p).zip(weights) {
                    let sign = if drawn(seed, i) < 0.5 { -w } else { w };
                    *p = sign * (*p * (T::one() - *p)).sqrt();
                }
            }
            (Labels::Sampled { seed } | Labels::Expected { seed }, Self::Squared) => {
                for ((i, p), &w) in range.zip(p.chunks_exact_mut(outputs)).zip(weights) {
                    let epsilon = signs(drawn(seed, i).to_bits(), 0..outputs);
                    p.iter_mut().zip(epsilon).for_each(|(p, sign)| *p = w * T::of(sign));
                }
            }
        }
        Ok(())
    }

    /// ds ← w_i (∂²ℓ_i/∂z²) ds for each row, at its predictions.
    pub(crate) fn curvature<T: Scalar>(self, p: &[T], ds: &mut [T], outputs: usize, weights: &[T]) {
        match self {
            Self::CrossEntropy => softmax::softmax_r(p, ds, outputs),
            Self::Squared => {}
            Self::Logistic => ds.iter_mut().zip(p).for_each(|(ds, &p)| *ds *= p * (T::one() - p)),
        }
        for (ds, &w) in ds.chunks_exact_mut(outputs).zip(weights) {
            vector::scale(w, ds);
        }
    }

    /// Directions per sample that [`Loss::roots`] writes.
    pub(crate) fn directions(self, statistic: Statistic, outputs: usize) -> usize {
        if statistic == Statistic::Expected && self != Self::Logistic { outputs } else { 1 }
    }

    /// Form of the last layer's outputs in the factors of a statistic.
    pub(crate) fn form(self, statistic: Statistic) -> Outputs {
        let all = self == Self::CrossEntropy && statistic == Statistic::Expected;
        if all { Outputs::Softmax } else { Outputs::Gradients }
    }

    /// Writes rows × directions × outputs: the vectors ∂ℓ/∂z whose outer products make up the curvature by a statistic,
    /// at predictions of the samples of `batch` from position `first` on; overwrites the predictions.
    pub(crate) fn roots<T: Scalar>(
        self,
        p: &mut [T],
        outputs: usize,
        batch: &Batch<'_>,
        first: usize,
        statistic: Statistic,
        seed: u64,
        out: &mut [T],
    ) -> Result<()> {
        let labels = match statistic {
            Statistic::Empirical => Labels::Given,
            Statistic::Sampled => Labels::Sampled { seed },
            Statistic::Expected => {
                let rows = p.chunks_exact(outputs).zip(out.chunks_exact_mut(out.len() / (p.len() / outputs)));
                rows.for_each(|(p, out)| self.all_roots(p, out));
                return Ok(());
            }
        };
        let ones = filled(T::one(), p.len() / outputs)?;
        self.residuals(p, outputs, batch, first, labels, &ones)?;
        out.copy_from_slice(p);
        Ok(())
    }

    /// Vectors whose outer products sum to ∂²ℓ/∂z².
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
                Self::Logistic => out[0] = (p[0] * (T::one() - p[0])).sqrt(),
            }
        }
    }
}

/// Entry c of the r-th target: of a class, of its unit vector.
fn target<T: Scalar>(targets: BatchTargets<'_>, r: usize, c: usize) -> T {
    match targets {
        BatchTargets::Classes(labels) if labels[r] as usize == c => T::one(),
        BatchTargets::Classes(_) => T::zero(),
        BatchTargets::Values(values, columns) => T::of(values[r * columns + c]),
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
fn signed_residual<T: Scalar>(p: &mut [T], u: f64) -> Result<()> {
    let roots = signs(u.to_bits(), 0..p.len()).zip(p.iter());
    let mut epsilon = reserved(p.len())?;
    epsilon.extend(roots.map(|(sign, &p)| T::of(sign) * p.max(T::zero()).sqrt()));
    let total = epsilon.iter().copied().sum::<T>();
    for (p, epsilon) in p.iter_mut().zip(epsilon) {
        *p = *p * total - epsilon;
    }
    Ok(())
}
