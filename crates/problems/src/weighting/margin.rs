//! A few outer variables for all samples: how far a label is believed, by class.

use std::sync::{Arc, RwLock};

use nhgd_kernels::{RowSet, Scalar};

use super::{Weighting, sigmoid};

/// w_i = σ(v_y + m_i) with the given label y, a bias v_y for each class, and the margin m_i: the log-odds that the model
/// gives to the label being right, its scores s taken times the slope v_C, if wrong labels arise by the noise
/// transition T_ky = P(given y | true k):
///
/// m_i = L_y − log Σ_{k≠y} e^{L_k}, L_k = v_C s_k + log T_ky.
///
/// No gradient runs through s. Between two refreshes m is taken as linear in v_C. v has C + 1 entries.
#[derive(Debug)]
pub struct Margin<T> {
    labels: Vec<u32>,
    classes: usize,
    log_transition: Vec<T>,
    state: RwLock<Arc<State<T>>>,
}

/// Margins as of the last refresh: m at `slope`, and dm/dv_C there.
#[derive(Debug)]
struct State<T> {
    slope: T,
    margins: Vec<T>,
    slopes: Vec<T>,
}

impl<T: Scalar> Margin<T> {
    /// Margins are 0 until the first refresh. `transition` is C × C, row-major, its entries positive; uniform noise
    /// where absent, up to a factor that the biases hold.
    pub fn new(labels: Vec<u32>, classes: usize, transition: Option<Vec<T>>) -> Self {
        let log_transition = match transition {
            Some(transition) => transition.into_iter().map(T::ln).collect(),
            None => vec![T::zero(); classes * classes],
        };
        let zeros = vec![T::zero(); labels.len()];
        let state = State { slope: T::zero(), margins: zeros.clone(), slopes: zeros };
        Self { labels, classes, log_transition, state: RwLock::new(Arc::new(state)) }
    }

    fn state(&self) -> Arc<State<T>> {
        self.state.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn weight(&self, outer: &[T], state: &State<T>, i: usize) -> T {
        let moved = outer[self.classes] - state.slope;
        sigmoid(outer[self.labels[i] as usize] + state.margins[i] + moved * state.slopes[i])
    }

    /// m and dm/dslope of a sample with label y from its log-probabilities.
    fn margin(&self, log_p: &[T], y: usize, slope: T) -> (T, T) {
        let level = |k: usize| slope * log_p[k] + self.log_transition[k * self.classes + y];
        let others = (0..self.classes).filter(|&k| k != y);
        let top = others.clone().map(level).fold(T::neg_infinity(), T::max);
        let (mut total, mut mean) = (T::zero(), T::zero());
        for k in others {
            let share = (level(k) - top).exp();
            total += share;
            mean += share * log_p[k];
        }
        (level(y) - top - total.ln(), log_p[y] - mean / total)
    }
}

impl<T: Scalar> Weighting<T> for Margin<T> {
    fn outer_len(&self) -> usize {
        self.classes + 1
    }

    fn weights(&self, outer: &[T], rows: RowSet<'_>, out: &mut [T]) {
        let state = self.state();
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.weight(outer, &state, rows.get(i));
        }
    }

    fn pull_back(&self, outer: &[T], rows: RowSet<'_>, q: &[T], scale: T, product: &mut [T]) {
        let state = self.state();
        for (i, &q) in q.iter().enumerate() {
            let i = rows.get(i);
            let w = self.weight(outer, &state, i);
            let q = scale * w * (T::one() - w) * q;
            product[self.labels[i] as usize] += q;
            product[self.classes] += q * state.slopes[i];
        }
    }

    fn needs_probabilities(&self) -> bool {
        true
    }

    fn refresh(&self, outer: &[T], probabilities: &[T]) {
        let slope = outer[self.classes];
        let least = T::min_positive_value();
        let (margins, slopes) = (self.labels.iter().zip(probabilities.chunks_exact(self.classes)))
            .map(|(&y, p)| {
                let log_p: Vec<T> = p.iter().map(|p| p.max(least).ln()).collect();
                self.margin(&log_p, y as usize, slope)
            })
            .unzip();
        *self.state.write().unwrap_or_else(|e| e.into_inner()) = Arc::new(State { slope, margins, slopes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivative_and_uniform_case_match_their_formulas() {
        let transition = vec![0.7, 0.2, 0.1, 0.05, 0.9, 0.05, 0.3, 0.3, 0.4];
        let weighting = Margin::new(vec![1, 2], 3, Some(transition));
        let p = [0.2f64, 0.5, 0.3, 0.6, 0.3, 0.1];
        let log_p = p.map(f64::ln);
        for (i, y) in [1usize, 2].into_iter().enumerate() {
            let at = |slope| weighting.margin(&log_p[3 * i..3 * i + 3], y, slope);
            let (up, down) = (at(1.3 + 1e-6).0, at(1.3 - 1e-6).0);
            assert!(((up - down) / 2e-6 - at(1.3).1).abs() < 1e-8);
        }
        // Without noise of its own and slope 1 it is the log-odds of the label.
        let plain: Margin<f64> = Margin::new(vec![1, 2], 3, None);
        assert!((plain.margin(&log_p[..3], 1, 1.0).0 - (0.5f64 / 0.5).ln()).abs() < 1e-12);
        assert!((plain.margin(&log_p[3..], 2, 1.0).0 - (0.1f64 / 0.9).ln()).abs() < 1e-12);
    }

    #[test]
    fn pull_back_is_the_derivative_of_the_weights() {
        let weighting =
            Margin::new(vec![0, 2, 1, 1], 3, Some(vec![0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.3, 0.1, 0.6]));
        let p = [0.2, 0.5, 0.3, 0.6, 0.3, 0.1, 0.1, 0.1, 0.8, 0.4, 0.3, 0.3];
        let v = [0.3f64, -0.2, 0.5, 1.4];
        weighting.refresh(&v, &p);
        let (rows, q) = (RowSet::all(4), [0.5, -1.0, 2.0, 0.25]);
        let mut product = [0.0; 4];
        weighting.pull_back(&v, rows, &q, 1.0, &mut product);
        for j in 0..4 {
            let weighted = |step: f64| {
                let mut moved = v;
                moved[j] += step;
                let mut w = [0.0; 4];
                weighting.weights(&moved, rows, &mut w);
                w.iter().zip(q).map(|(w, q)| w * q).sum::<f64>()
            };
            assert!(((weighted(1e-6) - weighted(-1e-6)) / 2e-6 - product[j]).abs() < 1e-8, "{j}");
        }
    }
}
