//! Few outer variables for all samples: a small network of signals that are given for each sample.

use nhgd_kernels::memory::Result;
use nhgd_kernels::{RowSet, Scalar};

use super::{Weights, sigmoid};

/// z_i = b + aᵀ h_i with h_i = s_i, the k signals of sample i, or h_i = tanh(W s_i + c) with a hidden layer. It has two
/// outputs, since weights that help training are no probabilities: the score σ(z_i) that the label of sample i is right,
/// and the weight w_i = σ(e^τ z_i + β).
///
/// v = (W, c, a, b, τ, β), W row by row; without a hidden layer there are no W and c. No gradient runs through the signals.
/// Samples whose labels were checked add the mean log loss of their scores to f.
#[derive(Debug)]
pub struct WeightNetwork<T> {
    signals: Vec<T>,
    columns: usize,
    hidden: usize,
    checked: Vec<(u32, bool)>,
}

impl<T: Scalar> WeightNetwork<T> {
    /// `signals` is n × columns, row-major, and `checked` has samples below n and whether their labels are right.
    pub fn new(signals: Vec<T>, columns: usize, hidden: usize, checked: Vec<(u32, bool)>) -> Self {
        Self { signals, columns, hidden, checked }
    }

    /// Entries of v for so many columns and hidden units; none where they can't be counted.
    pub fn parameters(columns: usize, hidden: usize) -> Option<usize> {
        let first = hidden.checked_mul(columns.checked_add(1)?)?;
        first.checked_add(if hidden == 0 { columns } else { hidden })?.checked_add(3)
    }

    /// The slices W, c, a of v and where b stands.
    fn parts(&self) -> (usize, usize, usize) {
        let c = self.hidden * self.columns;
        let a = c + self.hidden;
        (c, a, a + if self.hidden == 0 { self.columns } else { self.hidden })
    }

    fn row(&self, i: usize) -> &[T] {
        &self.signals[i * self.columns..][..self.columns]
    }

    /// h_i, with a hidden layer.
    fn units(&self, outer: &[T], i: usize) -> impl Iterator<Item = T> {
        let s = self.row(i);
        let (c, a, _) = self.parts();
        (outer[..c].chunks_exact(self.columns.max(1)).zip(&outer[c..a]))
            .map(move |(w, &c)| (c + w.iter().zip(s).fold(T::zero(), |sum, (&w, &s)| sum + w * s)).tanh())
    }

    /// z_i.
    fn logit(&self, outer: &[T], i: usize) -> T {
        let (_, a, b) = self.parts();
        let add = |sum, (&a, h): (&T, T)| sum + a * h;
        if self.hidden == 0 {
            outer[a..b].iter().zip(self.row(i).iter().copied()).fold(outer[b], add)
        } else {
            outer[a..b].iter().zip(self.units(outer, i)).fold(outer[b], add)
        }
    }

    /// product ← product + (∂z_i/∂v) · by.
    fn pull(&self, outer: &[T], i: usize, by: T, product: &mut [T]) {
        let (c, a, b) = self.parts();
        product[b] += by;
        if self.hidden == 0 {
            product[a..b].iter_mut().zip(self.row(i)).for_each(|(p, &s)| *p += by * s);
            return;
        }
        for (j, h) in self.units(outer, i).enumerate() {
            product[a + j] += by * h;
            let inner = by * outer[a + j] * (T::one() - h * h);
            product[c + j] += inner;
            let w = &mut product[j * self.columns..][..self.columns];
            w.iter_mut().zip(self.row(i)).for_each(|(p, &s)| *p += inner * s);
        }
    }

    /// z_i, e^τ and w_i. The slope e^τ is bounded so that its product with z = 0 is 0, not NaN.
    fn weight(&self, outer: &[T], i: usize) -> (T, T, T) {
        let (_, _, b) = self.parts();
        let (z, slope) = (self.logit(outer, i), outer[b + 1].exp().min(T::max_value().sqrt()));
        (z, slope, sigmoid(slope * z + outer[b + 2]))
    }
}

impl<T: Scalar> Weights<T> for WeightNetwork<T> {
    fn outer_len(&self) -> usize {
        self.parts().2 + 3
    }

    fn weights(&self, outer: &[T], _signals: &[T], rows: RowSet<'_>, out: &mut [T]) -> Result<()> {
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.weight(outer, rows.get(i)).2;
        }
        Ok(())
    }

    fn pull_back(
        &self,
        outer: &[T],
        _signals: &[T],
        rows: RowSet<'_>,
        q: &[T],
        scale: T,
        product: &mut [T],
    ) -> Result<()> {
        let (_, _, b) = self.parts();
        for (i, &q) in q.iter().enumerate() {
            let i = rows.get(i);
            let (z, slope, w) = self.weight(outer, i);
            let by = scale * w * (T::one() - w) * q;
            product[b + 1] += by * slope * z;
            product[b + 2] += by;
            self.pull(outer, i, by * slope, product);
        }
        Ok(())
    }

    fn direct(&self, outer: &[T], gradient: &mut [T]) -> Result<f64> {
        let share = 1.0 / self.checked.len().max(1) as f64;
        let mut sum = 0.0;
        for &(i, right) in &self.checked {
            let z = self.logit(outer, i as usize);
            let wide = z.wide();
            // log(1 + e^z) without overflow.
            sum += wide.max(0.0) + (-wide.abs()).exp().ln_1p() - if right { wide } else { 0.0 };
            let miss = sigmoid(z) - if right { T::one() } else { T::zero() };
            self.pull(outer, i as usize, miss * T::of(share), gradient);
        }
        Ok(sum * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The derivatives of the weights and of the log loss, against central differences.
    fn matches_differences(hidden: usize) {
        let signals = vec![0.3, -1.2, 0.8, 0.1, -0.5, 2.0, 1.5, 0.4];
        let network = WeightNetwork::new(signals, 2, hidden, vec![(0, true), (3, false), (2, true)]);
        let p = network.outer_len();
        assert_eq!(Some(p), WeightNetwork::<f64>::parameters(2, hidden));
        let v: Vec<f64> = (0..p).map(|j| 0.7 * (1.0 + j as f64 * 1.3).sin()).collect();
        let (rows, q) = (RowSet::all(4), [0.5, -1.0, 2.0, 0.25]);
        let (mut product, mut gradient) = (vec![0.0; p], vec![0.0; p]);
        network.pull_back(&v, &[], rows, &q, 1.0, &mut product).unwrap();
        network.direct(&v, &mut gradient).unwrap();
        for j in 0..p {
            let at = |step: f64| {
                let mut moved = v.clone();
                moved[j] += step;
                let mut w = [0.0; 4];
                network.weights(&moved, &[], rows, &mut w).unwrap();
                let loss = network.direct(&moved, &mut vec![0.0; p]).unwrap();
                (w.iter().zip(q).map(|(w, q)| w * q).sum::<f64>(), loss)
            };
            let ((up, more), (down, less)) = (at(1e-6), at(-1e-6));
            assert!(((up - down) / 2e-6 - product[j]).abs() < 1e-8, "weights by v_{j}");
            assert!(((more - less) / 2e-6 - gradient[j]).abs() < 1e-8, "log loss by v_{j}");
        }
    }

    #[test]
    fn a_linear_network_has_the_derivatives_of_its_outputs() {
        matches_differences(0);
    }

    #[test]
    fn a_hidden_layer_has_the_derivatives_of_its_outputs() {
        matches_differences(3);
    }

    #[test]
    fn a_huge_slope_gives_weights_of_0_and_1_and_finite_derivatives() {
        let network = WeightNetwork::new(vec![0.0f32, 2.0, -2.0], 1, 0, vec![]);
        let (v, rows) = ([1.0, 0.0, 1000.0, 0.0], RowSet::all(3));
        let (mut w, mut product) = ([0.0; 3], [0.0; 4]);
        network.weights(&v, &[], rows, &mut w).unwrap();
        assert_eq!(w, [0.5, 1.0, 0.0]);
        network.pull_back(&v, &[], rows, &[5.0; 3], 1.0, &mut product).unwrap();
        assert!(product.iter().all(|x| x.is_finite()), "{product:?}");
    }

    #[test]
    fn the_log_loss_of_far_scores_stays_finite() {
        let network = WeightNetwork::new(vec![1.0f32], 1, 0, vec![(0, false)]);
        assert!((network.direct(&[300.0, 0.0, 0.0, 0.0], &mut [0.0; 4]).unwrap() - 300.0).abs() < 1e-3);
    }
}
