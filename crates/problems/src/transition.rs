//! How wrong labels arise: a noise transition, what it says of a label, and its estimate.

use nhgd_kernels::Scalar;

/// T_ky = P(given y | true k), C × C and positive, kept as logarithms (Patrini et al. 2017).
#[derive(Clone, Debug)]
pub struct Transition<T> {
    classes: usize,
    logs: Vec<T>,
}

impl<T: Scalar> Transition<T> {
    /// `entries` is C × C, row-major.
    pub fn new(entries: &[T], classes: usize) -> Self {
        Self { classes, logs: entries.iter().map(|t| t.ln()).collect() }
    }

    /// Every label as likely as any other, whatever the class, up to a factor that the biases of margin weights hold.
    pub fn uniform(classes: usize) -> Self {
        Self { classes, logs: vec![T::zero(); classes * classes] }
    }

    /// log p of each class, where p is no less than what `f32` can tell from zero.
    pub fn log_probabilities(p: &[T]) -> Vec<T> {
        let least = T::of(f32::MIN_POSITIVE.into());
        p.iter().map(|p| p.max(least).ln()).collect()
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
    pub fn estimate(&self, probabilities: &[T], labels: &[u32], slope: T) -> Vec<T> {
        let classes = self.classes;
        let mut counts = vec![T::zero(); classes * classes];
        for (p, &y) in probabilities.chunks_exact(classes).zip(labels) {
            let log_p = Self::log_probabilities(p);
            let levels: Vec<T> = (0..classes).map(|k| self.level(&log_p, k, y as usize, slope)).collect();
            let top = levels.iter().copied().fold(T::neg_infinity(), T::max);
            let shares: Vec<T> = levels.iter().map(|&level| (level - top).exp()).collect();
            let total = shares.iter().fold(T::zero(), |sum, &share| sum + share);
            for (k, share) in shares.into_iter().enumerate() {
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
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: [f64; 9] = [0.7, 0.2, 0.1, 0.05, 0.9, 0.05, 0.3, 0.3, 0.4];

    #[test]
    fn a_margin_is_the_log_odds_of_the_posterior() {
        let transition = Transition::new(&ENTRIES, 3);
        let p = [0.2, 0.5, 0.3];
        for y in 0..3 {
            let joint: Vec<f64> = (0..3).map(|k| p[k] * ENTRIES[3 * k + y]).collect();
            let right = joint[y] / joint.iter().sum::<f64>();
            let (margin, _) = transition.margin(&Transition::log_probabilities(&p), y, 1.0);
            assert!((margin - (right / (1.0 - right)).ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn an_estimate_counts_posteriors() {
        let transition = Transition::new(&ENTRIES, 3);
        let (p, labels) = ([0.2, 0.5, 0.3, 0.6, 0.3, 0.1, 0.1, 0.1, 0.8, 0.0, 1.0, 0.0], [1, 2, 2, 0]);
        let mut counts = [[0.0; 3]; 3];
        for (p, &y) in p.chunks(3).zip(&labels) {
            let joint: Vec<f64> = (0..3).map(|k| p[k] * ENTRIES[3 * k + y as usize]).collect();
            for k in 0..3 {
                counts[k][y as usize] += joint[k] / joint.iter().sum::<f64>();
            }
        }
        let found = transition.estimate(&p, &labels, 1.0);
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
        let transition = Transition::new(&ENTRIES, 3);
        let log_p = Transition::log_probabilities(&[0.0, 1.0, 0.0]);
        assert!((0..3).all(|y| transition.margin(&log_p, y, 1.5).0.is_finite()));
    }
}
