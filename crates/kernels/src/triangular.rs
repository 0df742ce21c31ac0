//! Triangular solves with many right-hand sides.

use crate::{MatMut, MatRef, Scalar};

/// B ← L⁻¹·B, with L `n × n` lower triangular and B `n × k`. The strict upper triangle of L isn't read.
pub fn solve_lower<T: Scalar>(l: MatRef<'_, T>, mut b: MatMut<'_, T>) {
    let (n, k) = (b.rows(), b.cols());
    assert!(l.rows() == n && l.cols() == n, "shapes of a triangular solve must agree");
    for i in 0..n {
        for j in 0..k {
            let mut sum = *b.at(i, j);
            for p in 0..i {
                sum -= l.at(i, p) * *b.at(p, j);
            }
            *b.at(i, j) = sum / l.at(i, i);
        }
    }
}

/// B ← L⁻ᵀ·B, with L `n × n` lower triangular and B `n × k`. The strict upper triangle of L isn't read.
pub fn solve_lower_transposed<T: Scalar>(l: MatRef<'_, T>, mut b: MatMut<'_, T>) {
    let (n, k) = (b.rows(), b.cols());
    assert!(l.rows() == n && l.cols() == n, "shapes of a triangular solve must agree");
    for i in (0..n).rev() {
        for j in 0..k {
            let mut sum = *b.at(i, j);
            for p in i + 1..n {
                sum -= l.at(p, i) * *b.at(p, j);
            }
            *b.at(i, j) = sum / l.at(i, i);
        }
    }
}
