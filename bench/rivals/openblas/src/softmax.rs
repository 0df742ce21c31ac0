//! Softmax regression from bytes: rows are gathered into floats, then sgemm.

use std::thread;

use napi::bindgen_prelude::Float32ArraySlice;
use napi_derive::napi;

use crate::blas::{self, straight, turned};
use crate::out::Out;

/// Gathers rows of bytes as floats in [0, 1], with a trailing one.
pub fn gather(features: &[u8], columns: usize, rows: impl Iterator<Item = usize>, out: &mut [f32]) {
    for (row, out) in rows.zip(out.chunks_exact_mut(columns + 1)) {
        let row = &features[row * columns..][..columns];
        for (x, &byte) in out.iter_mut().zip(row) {
            *x = f32::from(byte) * (1.0 / 255.0);
        }
        out[columns] = 1.0;
    }
}

/// Scores become factor · (softmax − the label's unit vector).
pub fn residual(scores: &mut [f32], label: u32, factor: f32) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|s| *s = (*s - top).exp());
    let scale = factor / scores.iter().sum::<f32>();
    scores.iter_mut().for_each(|s| *s *= scale);
    scores[label as usize] -= factor;
}

/// Room that calls share, for each thread's batch of samples.
#[napi]
pub struct SoftmaxRival {
    columns: usize,
    classes: usize,
    batch: usize,
    rooms: Vec<Room>,
}

struct Room {
    rows: Vec<f32>,
    scores: Vec<f32>,
}

#[napi]
impl SoftmaxRival {
    #[napi(constructor)]
    pub fn new(columns: u32, classes: u32, batch: u32, threads: u32) -> Self {
        let (columns, classes, batch) = (columns as usize, classes as usize, batch as usize);
        let room = || Room { rows: vec![0.0; batch * (columns + 1)], scores: vec![0.0; batch * 2 * classes] };
        Self { columns, classes, batch, rooms: (0..threads).map(|_| room()).collect() }
    }

    /// gradient ← Σ factors_i ∇ℓ_i over rows of `features`: gather, sgemm, softmax, sgemm; θ (columns + 1) × classes.
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
        let (m, n, classes) = (rows.len(), self.columns + 1, self.classes);
        let Room { rows: x, scores } = &mut self.rooms[0];
        gather(features, self.columns, rows.iter().map(|&row| row as usize), x);
        blas::sgemm((m, classes, n), straight(x, n), straight(theta, classes), 0.0, scores, classes);
        for ((scores, &row), &factor) in scores.chunks_exact_mut(classes).zip(rows).zip(factors) {
            residual(scores, labels[row as usize], factor);
        }
        blas::sgemm((n, classes, m), turned(x, n), straight(scores, classes), 0.0, gradient, classes);
    }

    /// q_i ← factor · ∇ℓ_iᵀu of every sample, from one sgemm with θ and u side by side, the samples shared by the
    /// threads.
    #[napi]
    pub fn sensitivities(
        &mut self,
        features: &[u8],
        labels: &[u32],
        factor: f64,
        theta: &[f32],
        u: &[f32],
        mut q: Float32ArraySlice,
    ) {
        let q = q.entries();
        let (n, classes, columns, batch) = (self.columns + 1, self.classes, self.columns, self.batch);
        let wide = 2 * classes;
        let mut both = vec![0.0; n * wide];
        for (i, both) in both.chunks_exact_mut(wide).enumerate() {
            both[..classes].copy_from_slice(&theta[i * classes..][..classes]);
            both[classes..].copy_from_slice(&u[i * classes..][..classes]);
        }
        let both = &both;
        let share = q.len().div_ceil(self.rooms.len());
        let work = |Room { rows: x, scores }: &mut Room, first: usize, q: &mut [f32]| {
            for (block, q) in q.chunks_mut(batch).enumerate() {
                let (m, first) = (q.len(), first + block * batch);
                gather(features, columns, first..first + m, x);
                blas::sgemm((m, wide, n), straight(x, n), straight(both, wide), 0.0, scores, wide);
                for (i, (q, scores)) in q.iter_mut().zip(scores.chunks_exact_mut(wide)).enumerate() {
                    let (scores, slopes) = scores.split_at_mut(classes);
                    residual(scores, labels[first + i], factor as f32);
                    *q = scores.iter().zip(slopes).map(|(r, s)| r * *s).sum();
                }
            }
        };
        thread::scope(|scope| {
            for (t, (room, q)) in self.rooms.iter_mut().zip(q.chunks_mut(share)).enumerate() {
                scope.spawn(move || work(room, t * share, q));
            }
        });
    }
}
