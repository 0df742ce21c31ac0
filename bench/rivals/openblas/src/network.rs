//! The gradient of a perceptron with relu and softmax cross-entropy.

use napi::bindgen_prelude::Float32ArraySlice;
use napi_derive::napi;

use crate::blas::{self, straight, turned};
use crate::out::Out;
use crate::softmax::{gather, residual};

/// Room for one batch.
#[napi]
pub struct NetworkRival {
    /// Units of each level, from the features to the classes.
    widths: Vec<usize>,
    /// Inputs of each layer with a trailing one, batch × (inputs + 1); the scores last, batch × classes.
    levels: Vec<Vec<f32>>,
    /// ∂ℓ/∂(sums) of each hidden layer, batch × units.
    deltas: Vec<Vec<f32>>,
}

#[napi]
impl NetworkRival {
    #[napi(constructor)]
    pub fn new(widths: &[u32], batch: u32) -> Self {
        let widths: Vec<usize> = widths.iter().map(|&n| n as usize).collect();
        let (last, batch) = (widths.len() - 1, batch as usize);
        let levels = widths.iter().enumerate().map(|(l, n)| vec![1.0; batch * (n + usize::from(l < last))]);
        let deltas = widths[1..last].iter().map(|n| vec![0.0; batch * n]);
        Self { levels: levels.collect(), deltas: deltas.collect(), widths }
    }

    /// gradient ← Σ factors_i ∇ℓ_i over rows of `features`; θ is the layers' (inputs + 1) × outputs one after another.
    #[napi]
    pub fn gradient(
        &mut self,
        features: &[u8],
        rows: &[u32],
        labels: &[u32],
        factors: &[f32],
        theta: &[f32],
        mut gradient: Float32ArraySlice,
    ) {
        let gradient = gradient.entries();
        let (m, depth) = (rows.len(), self.widths.len() - 1);
        let Self { widths, levels, deltas } = self;
        let starts: Vec<usize> = (0..depth)
            .scan(0, |at, l| {
                let start = *at;
                *at += (widths[l] + 1) * widths[l + 1];
                Some(start)
            })
            .collect();
        gather(features, widths[0], rows.iter().map(|&row| row as usize), &mut levels[0]);
        for l in 0..depth {
            let (n, k, last) = (widths[l] + 1, widths[l + 1], l + 1 == depth);
            let stride = if last { k } else { k + 1 };
            let (before, after) = levels.split_at_mut(l + 1);
            let weights = straight(&theta[starts[l]..], k);
            blas::sgemm((m, k, n), straight(&before[l], n), weights, 0.0, &mut after[0], stride);
            if !last {
                after[0].iter_mut().for_each(|x| *x = x.max(0.0)); // the trailing ones stay
            }
        }
        let scores = levels[depth].chunks_exact_mut(widths[depth]);
        for ((scores, &row), &factor) in scores.zip(rows).zip(factors) {
            residual(scores, labels[row as usize], factor);
        }
        for l in (0..depth).rev() {
            let (n, k) = (widths[l] + 1, widths[l + 1]);
            let (lower, upper) = deltas.split_at_mut(l);
            let delta = if l + 1 == depth { &levels[depth] } else { &upper[0] };
            let out = &mut gradient[starts[l]..];
            blas::sgemm((n, k, m), turned(&levels[l], n), straight(delta, k), 0.0, out, k);
            let Some(pulled) = lower.last_mut() else { continue };
            let weights = turned(&theta[starts[l]..], k);
            blas::sgemm((m, n - 1, k), straight(delta, k), weights, 0.0, pulled, n - 1);
            for (pulled, inputs) in pulled.chunks_exact_mut(n - 1).zip(levels[l].chunks_exact(n)) {
                for (delta, &x) in pulled.iter_mut().zip(inputs) {
                    *delta = if x > 0.0 { *delta } else { 0.0 };
                }
            }
        }
    }
}
