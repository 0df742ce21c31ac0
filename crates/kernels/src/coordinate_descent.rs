//! Penalised quadratics by coordinate descent.

use pulp::{Simd, WithSimd};

use crate::Scalar;
use crate::memory::{self, Result};
use crate::simd::dispatch;
use crate::vector::{Axpy, Dot};

/// Between two sweeps over all coordinates there are at most this many over those that still move.
const PARTIAL: usize = 7;
/// A coordinate still moves where it changes by more than this share of what counts as settled.
const MOVES: f64 = 0.1;

/// min over θ of ½‖y − Bθ‖² + R(θ), where R(θ) = Σ_j (s_j/q) (θ_j² + ε²)^(q/2); B has d columns.
pub struct PenalizedQuadratic<'a, T> {
    /// d rows: the columns of B, or those of H = BᵀB.
    pub rows: &'a [T],
    /// Whether the rows are those of H.
    pub gram: bool,
    /// s, d entries.
    pub strengths: &'a [T],
    /// q.
    pub power: T,
    /// ε².
    pub smoothing: T,
}

impl<T: Scalar> PenalizedQuadratic<'_, T> {
    /// Descends from θ, each time by the quadratic that touches R from above, until no coordinate changes by more than the
    /// share `settled` of the largest, or for as many sweeps. `rest` is y − Bθ, or Bᵀ(y − Bθ) where the rows are those of
    /// H, and follows θ. Returns the number of sweeps.
    pub fn descend(&self, theta: &mut [T], rest: &mut [T], settled: T, sweeps: usize) -> Result<usize> {
        assert_eq!(self.strengths.len(), theta.len());
        assert_eq!(self.rows.len(), theta.len() * rest.len());
        dispatch(Descent { quadratic: self, theta, rest, settled, sweeps })
    }

    /// Curvature of the quadratic that touches R at θ_j = x from above.
    #[inline(always)]
    fn weight(&self, j: usize, x: T) -> T {
        let s = self.strengths[j];
        if self.power == T::of(2.0) || s == T::zero() {
            return s;
        }
        let t = x * x + self.smoothing;
        if self.power == T::one() {
            s / t.sqrt()
        } else {
            s * ((T::of(0.5) * self.power - T::one()) * t.ln()).exp()
        }
    }
}

struct Descent<'a, 'b, T> {
    quadratic: &'a PenalizedQuadratic<'b, T>,
    theta: &'a mut [T],
    rest: &'a mut [T],
    settled: T,
    sweeps: usize,
}

impl<T: Scalar> WithSimd for Descent<'_, '_, T> {
    type Output = Result<usize>;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<usize> {
        let Self { quadratic, theta, rest, settled, sweeps } = self;
        let (d, width) = (theta.len(), rest.len());
        let mut squares: Vec<T> = memory::zeros(d)?;
        for (j, square) in squares.iter_mut().enumerate() {
            let row = &quadratic.rows[j * width..][..width];
            *square = if quadratic.gram { row[j] } else { Dot { x: row, y: row }.with_simd(simd) };
        }
        let mut moving = memory::collected(0..d)?;
        let (mut count, mut partial) = (d, 0);
        for sweep in 1..=sweeps {
            let (mut largest, mut size, mut left) = (T::zero(), T::of(1e-12), 0);
            for at in 0..count {
                let j = moving[at];
                let row = &quadratic.rows[j * width..][..width];
                let slope = if quadratic.gram { rest[j] } else { Dot { x: row, y: rest }.with_simd(simd) };
                let before = theta[j];
                let product = squares[j] * before + slope;
                // Two steps towards the least ½ square x² − product x + R_j(x).
                let mut x = before;
                for _ in 0..2 {
                    let total = squares[j] + quadratic.weight(j, x);
                    if total > T::zero() {
                        x = product / total;
                    }
                }
                let change = x - before;
                if change != T::zero() {
                    Axpy { alpha: -change, x: row, y: rest }.with_simd(simd);
                    theta[j] = x;
                }
                largest = largest.max(change.abs());
                size = size.max(x.abs());
                if change.abs() > T::of(MOVES) * settled * size {
                    moving[left] = j;
                    left += 1;
                }
            }
            let still = largest < settled * size;
            if still && partial == 0 {
                return Ok(sweep);
            }
            if still || partial == PARTIAL {
                for (j, moving) in moving.iter_mut().enumerate() {
                    *moving = j;
                }
                (count, partial) = (d, 0);
            } else {
                (count, partial) = (left, partial + 1);
            }
        }
        Ok(sweeps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::on_each_level;

    /// Numbers between −1 and 1 that look random.
    fn numbers(count: usize) -> Vec<f64> {
        (0..count).map(|k| (12.9898 * (k as f64 + 1.0)).sin() * 43758.5453 % 1.0).collect()
    }

    fn dot(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn ends_where_the_gradient_is_zero_in_both_forms() {
        let (n, d) = (23, 9);
        let columns = numbers(n * d);
        let y = numbers(n + d)[d..].to_vec();
        let column = |j: usize| &columns[j * n..][..n];
        let gram: Vec<f64> = (0..d * d).map(|k| dot(column(k / d), column(k % d))).collect();
        let slopes: Vec<f64> = (0..d).map(|j| dot(column(j), &y)).collect();
        let strengths: Vec<f64> = (0..d).map(|j| if j == 4 { 0.0 } else { 0.3 + 0.1 * j as f64 }).collect();
        for power in [2.0, 1.0, 0.7] {
            on_each_level(|level| {
                for (rows, is_gram, start) in [(&columns, false, &y), (&gram, true, &slopes)] {
                    let quadratic = PenalizedQuadratic {
                        rows,
                        gram: is_gram,
                        strengths: &strengths,
                        power,
                        smoothing: 1e-6,
                    };
                    let (mut theta, mut rest) = (vec![0.1; d], start.clone());
                    for (j, theta) in theta.iter().enumerate() {
                        let row = &rows[j * rest.len()..][..start.len()];
                        rest.iter_mut().zip(row).for_each(|(rest, x)| *rest -= theta * x);
                    }
                    let sweeps = quadratic.descend(&mut theta, &mut rest, 1e-12, 5000).unwrap();
                    assert!(sweeps < 5000, "{level}, q = {power}");
                    let residual: Vec<f64> =
                        (0..n).map(|i| y[i] - (0..d).map(|j| column(j)[i] * theta[j]).sum::<f64>()).collect();
                    for j in 0..d {
                        let slope = dot(column(j), &residual);
                        let t: f64 = theta[j] * theta[j] + if power == 2.0 { 0.0 } else { 1e-6 };
                        let pull = strengths[j] * t.powf(power / 2.0 - 1.0) * theta[j];
                        assert!((pull - slope).abs() < 1e-8, "{level}, q = {power}, {j}: {pull} {slope}");
                        let followed = if is_gram { rest[j] } else { dot(column(j), &rest) };
                        assert!((followed - slope).abs() < 1e-9, "{level}: the rest does not follow");
                    }
                }
            });
        }
    }

    #[test]
    fn sweeps_end_when_they_are_used_up() {
        let rows = numbers(12);
        let strengths = [0.1; 4];
        let quadratic = PenalizedQuadratic {
            rows: &rows,
            gram: false,
            strengths: &strengths,
            power: 1.0,
            smoothing: 1e-6,
        };
        let (mut theta, mut rest) = ([0.0; 4], [1.0, -1.0, 0.5]);
        assert_eq!(quadratic.descend(&mut theta, &mut rest, 0.0, 3), Ok(3));
        assert!(theta.iter().all(|x| *x != 0.0));
    }
}
