//! Few outer variables for all samples: how far the labels of each class are believed.

use nhgd_kernels::memory::{Result, zeros};
use nhgd_kernels::{RowSet, Scalar};

use super::{Weights, sigmoid};
use crate::Transition;

/// w_i = σ(v_y + m_i) with the given label y, a bias v_y for each class, and the margin m_i: the log-odds that the model
/// gives to the label being right, its scores s taken times the slope v_C, if wrong labels arise by the noise
/// transition T_ky = P(given y | true k):
///
/// m_i = L_y − log Σ_{k≠y} e^{L_k}, L_k = v_C s_k + log T_ky.
///
/// No gradient runs through s. Between two refreshes m is taken as linear in v_C. v has C + 1 entries. The signals are
/// the slope of the last refresh, n margins there, and their n derivatives by the slope.
#[derive(Debug)]
pub struct MarginWeights<T> {
    labels: Vec<u32>,
    classes: usize,
    transition: Transition<T>,
}

impl<T: Scalar> MarginWeights<T> {
    /// `transition` is C × C, row-major, its entries positive; uniform noise where absent, up to a factor that the
    /// biases hold.
    pub fn new(labels: Vec<u32>, classes: usize, transition: Option<Vec<T>>) -> Result<Self> {
        let transition = match transition {
            Some(entries) => Transition::new(&entries, classes)?,
            None => Transition::uniform(classes)?,
        };
        Ok(Self { labels, classes, transition })
    }

    /// The weight of sample i, and the derivative of its margin by the slope.
    fn weight(&self, outer: &[T], signals: &[T], i: usize) -> (T, T) {
        let (margin, slope) = (signals[1 + i], signals[1 + self.labels.len() + i]);
        let moved = outer[self.classes] - signals[0];
        (sigmoid(outer[self.labels[i] as usize] + margin + moved * slope), slope)
    }
}

impl<T: Scalar> Weights<T> for MarginWeights<T> {
    fn outer_len(&self) -> usize {
        self.classes + 1
    }

    fn signals_len(&self) -> usize {
        1 + 2 * self.labels.len()
    }

    fn weights(&self, outer: &[T], signals: &[T], rows: RowSet<'_>, out: &mut [T]) -> Result<()> {
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.weight(outer, signals, rows.get(i)).0;
        }
        Ok(())
    }

    fn pull_back(
        &self,
        outer: &[T],
        signals: &[T],
        rows: RowSet<'_>,
        q: &[T],
        scale: T,
        product: &mut [T],
    ) -> Result<()> {
        for (i, &q) in q.iter().enumerate() {
            let i = rows.get(i);
            let (w, slope) = self.weight(outer, signals, i);
            let q = scale * w * (T::one() - w) * q;
            product[self.labels[i] as usize] += q;
            product[self.classes] += q * slope;
        }
        Ok(())
    }

    fn refresh(&self, outer: &[T], probabilities: &[T], signals: &mut [T]) -> Result<()> {
        let mut log_p: Vec<T> = zeros(self.classes)?;
        let slope = outer[self.classes];
        let (at, rest) = signals.split_at_mut(1);
        let (margins, slopes) = rest.split_at_mut(self.labels.len());
        at[0] = slope;
        for (i, p) in probabilities.chunks_exact(self.classes).take(self.labels.len()).enumerate() {
            Transition::log_probabilities(p, &mut log_p);
            (margins[i], slopes[i]) = self.transition.margin(&log_p, self.labels[i] as usize, slope);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivative_and_uniform_case_match_their_formulas() {
        let transition = vec![0.7, 0.2, 0.1, 0.05, 0.9, 0.05, 0.3, 0.3, 0.4];
        let weighting = MarginWeights::new(vec![1, 2], 3, Some(transition)).unwrap();
        let p = [0.2f64, 0.5, 0.3, 0.6, 0.3, 0.1];
        let log_p = p.map(f64::ln);
        for (i, y) in [1usize, 2].into_iter().enumerate() {
            let at = |slope| weighting.transition.margin(&log_p[3 * i..3 * i + 3], y, slope);
            let (up, down) = (at(1.3 + 1e-6).0, at(1.3 - 1e-6).0);
            assert!(((up - down) / 2e-6 - at(1.3).1).abs() < 1e-8);
        }
        // Without noise of its own and slope 1 it is the log-odds of the label.
        let plain: MarginWeights<f64> = MarginWeights::new(vec![1, 2], 3, None).unwrap();
        assert!((plain.transition.margin(&log_p[..3], 1, 1.0).0 - (0.5f64 / 0.5).ln()).abs() < 1e-12);
        assert!((plain.transition.margin(&log_p[3..], 2, 1.0).0 - (0.1f64 / 0.9).ln()).abs() < 1e-12);
    }

    #[test]
    fn pull_back_is_the_derivative_of_the_weights() {
        let weighting =
            MarginWeights::new(vec![0, 2, 1, 1], 3, Some(vec![0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.3, 0.1, 0.6]))
                .unwrap();
        let p = [0.2, 0.5, 0.3, 0.6, 0.3, 0.1, 0.1, 0.1, 0.8, 0.4, 0.3, 0.3];
        let v = [0.3f64, -0.2, 0.5, 1.4];
        let mut signals = [0.0; 9];
        weighting.refresh(&v, &p, &mut signals).unwrap();
        let (rows, q) = (RowSet::all(4), [0.5, -1.0, 2.0, 0.25]);
        let mut product = [0.0; 4];
        weighting.pull_back(&v, &signals, rows, &q, 1.0, &mut product).unwrap();
        for j in 0..4 {
            let weighted = |step: f64| {
                let mut moved = v;
                moved[j] += step;
                let mut w = [0.0; 4];
                weighting.weights(&moved, &signals, rows, &mut w).unwrap();
                w.iter().zip(q).map(|(w, q)| w * q).sum::<f64>()
            };
            assert!(((weighted(1e-6) - weighted(-1e-6)) / 2e-6 - product[j]).abs() < 1e-8, "{j}");
        }
    }
}
