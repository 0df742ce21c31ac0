//! A few outer variables for all samples: how far a label is believed, by class.

use std::sync::{Arc, RwLock};

use nhgd_kernels::{RowSet, Scalar};

use super::{Weighting, sigmoid};

/// w_i = σ(v_y + v_C · m_i): a bias for each given class y and one slope on the margin m_i, the log-odds that the
/// model gives to the label. No gradient runs through m. v has C + 1 entries.
#[derive(Debug)]
pub struct Margin<T> {
    labels: Vec<u32>,
    classes: usize,
    margins: RwLock<Arc<Vec<T>>>,
}

impl<T: Scalar> Margin<T> {
    /// Margins start at 0, where every weight is its class's bias.
    pub fn new(labels: Vec<u32>, classes: usize) -> Self {
        let margins = RwLock::new(Arc::new(vec![T::zero(); labels.len()]));
        Self { labels, classes, margins }
    }

    fn margins(&self) -> Arc<Vec<T>> {
        self.margins.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn weight(&self, outer: &[T], margins: &[T], i: usize) -> T {
        sigmoid(outer[self.labels[i] as usize] + outer[self.classes] * margins[i])
    }
}

impl<T: Scalar> Weighting<T> for Margin<T> {
    fn outer_len(&self) -> usize {
        self.classes + 1
    }

    fn weights(&self, outer: &[T], rows: RowSet<'_>, out: &mut [T]) {
        let margins = self.margins();
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.weight(outer, &margins, rows.get(i));
        }
    }

    fn pull_back(&self, outer: &[T], rows: RowSet<'_>, q: &[T], scale: T, product: &mut [T]) {
        let margins = self.margins();
        for (i, &q) in q.iter().enumerate() {
            let i = rows.get(i);
            let w = self.weight(outer, &margins, i);
            let q = scale * w * (T::one() - w) * q;
            product[self.labels[i] as usize] += q;
            product[self.classes] += q * margins[i];
        }
    }

    fn needs_margins(&self) -> bool {
        true
    }

    fn set_margins(&self, margins: Vec<T>) {
        *self.margins.write().unwrap_or_else(|e| e.into_inner()) = Arc::new(margins);
    }
}
