//! How wrong labels arise: a noise transition, what it says of a label, and its estimate.

use nhgd_kernels::Scalar;
use nhgd_kernels::memory::{Result, collected, zeros};

/// T_ky = P(given y | true k), C × C and positive, kept as logarithms (Patrini et al. 2017).
#[derive(Debug)]
pub struct Transition<T> {
    classes: usize,
    logs: Vec<T>,
}

impl<T: Scalar> Transition<T> {
    /// `entries` is C × C, row-major.
    pub fn new(entries: &[T], classes: usize) -> Result<Self> {
        Ok(Self { classes, logs: collected(entries.iter().map(|t| t.ln()))? })
    }

    /// Every label as likely as any other, whatever the class, up to a factor that the biases of margin weights hold.
    pub fn uniform(classes: usize) -> Result<Self> {
        Ok(Self { classes, logs: zeros(classes * classes)? })
    }

    /// logs ← log p of each class, where p is no less than what `f32` can tell from zero.
    pub fn log_probabilities(p: &[T], logs: &mut [T]) {
        let least = T::of(f32::MIN_POSITIVE.into());
        logs.iter_mut().zip(p).for_each(|(log, p)| *log = p.max(least).ln());
    }

    /// L_k = slope · log p_k + log T_ky.
    fn level(&self, log_p: &[T], k: usize, y: usize, slope: T) -> T {
        slope * log_p[k] + self.logs[k * self.classes + y]
    }

    /// The log-odds that the label y is right, m = L_y − log Σ_{k≠y} e^{L_k}, and dm/dslope.
    pub fn margin(&self, log_p: &[T], y: usize, slope: T) -> (T, T) {
        let others = (0..self.classes).filter(|&k| k != y);
        let level = |k| self.level(log_p, k, y, slope);
        let top = others.clone().map(level).fold(T::neg_infinity(), T::max);
        let (mut total, mut mean) = (T::zero(), T::zero());
        for k in others {
            let share = (level(k) - top).exp();
            total += share;
            mean += share * log_p[k];
        }
        (level(y) - top - total.ln(), log_p[y] - mean / total)
    }

    /// One round of expectation maximisation: of which class each sample probably is, and so how labels arise. One
    /// pseudo-sample per entry and a hundredth of each row's samples, spread evenly, keep the entries from zero. Returns
    /// the entries, C × C. `probabilities` is n × C.
    pub fn estimate(&self, probabilities: &[T], labels: &[u32], slope: T) -> Result<Vec<T>> {
        let classes = self.classes;
        let mut counts: Vec<T> = zeros(classes * classes)?;
        let (mut log_p, mut shares): (Vec<T>, Vec<T>) = (zeros(classes)?, zeros(classes)?);
        for (p, &y) in probabilities.chunks_exact(classes).zip(labels) {
            Self::log_probabilities(p, &mut log_p);
            (0..classes).for_each(|k| shares[k] = self.level(&log_p, k, y as usize, slope));
            let top = shares.iter().copied().fold(T::neg_infinity(), T::max);
            shares.iter_mut().for_each(|share| *share = (*share - top).exp());
            let total = shares.iter().fold(T::zero(), |sum, &share| sum + share);
            for (k, &share) in shares.iter().enumerate() {
                counts[k * classes + y as usize] += share / total;
            }
        }
        for row in counts.chunks_exact_mut(classes) {
            let sum = |row: &[T]| row.iter().fold(T::zero(), |sum, &count| sum + count);
            let spread = T::of(0.01) * sum(row) / T::of(classes as f64) + T::one();
            row.iter_mut().for_each(|count| *count += spread);
            let all = sum(row);
            row.iter_mut().for_each(|count| *count /= all);
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: [f64; 9] = [0.7, 0.2, 0.1, 0.05, 0.9, 0.05, 0.3, 0.3, 0.4];

    fn logs(p: &[f64; 3]) -> [f64; 3] {
        let mut logs = [0.0; 3];
        Transition::log_probabilities(p, &mut logs);
        logs
    }

    #[test]
    fn a_margin_is_the_log_odds_of_the_posterior() {
        let transition = Transition::new(&ENTRIES, 3).unwrap();
        let p = [0.2, 0.5, 0.3];
        for y in 0..3 {
            let joint: Vec<f64> = (0..3).map(|k| p[k] * ENTRIES[3 * k + y]).collect();
            let right = joint[y] / joint.iter().sum::<f64>();
            let (margin, _) = transition.margin(&logs(&p), y, 1.0);
            assert!((margin - (right / (1.0 - right)).ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn an_estimate_counts_posteriors() {
        let transition = Transition::new(&ENTRIES, 3).unwrap();
        let (p, labels) = ([0.2, 0.5, 0.3, 0.6, 0.3, 0.1, 0.1, 0.1, 0.8, 0.0, 1.0, 0.0], [1, 2, 2, 0]);
        let mut counts = [[0.0; 3]; 3];
        for (p, &y) in p.chunks(3).zip(&labels) {
            let joint: Vec<f64> = (0..3).map(|k| p[k] * ENTRIES[3 * k + y as usize]).collect();
            for k in 0..3 {
                counts[k][y as usize] += joint[k] / joint.iter().sum::<f64>();
            }
        }
        let found = transition.estimate(&p, &labels, 1.0).unwrap();
        for (k, row) in counts.iter().enumerate() {
            let sum: f64 = row.iter().sum();
            for (y, count) in row.iter().enumerate() {
                let expected = (count + 0.01 * sum / 3.0 + 1.0) / (1.01 * sum + 3.0);
                assert!((found[3 * k + y] - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn probabilities_of_zero_stay_finite() {
        let transition = Transition::new(&ENTRIES, 3).unwrap();
        let log_p = logs(&[0.0, 1.0, 0.0]);
        assert!((0..3).all(|y| transition.margin(&log_p, y, 1.5).0.is_finite()));
    }
}
