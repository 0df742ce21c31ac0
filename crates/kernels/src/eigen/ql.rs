//! QL steps with implicit shifts, for a tridiagonal matrix that is too small to be divided.

use std::error::Error;
use std::fmt;

use super::order::ascending;
use crate::memory::{Result, copied, zeros};
use crate::{MatMut, Scalar};

/// QL steps per eigenvalue. Two or three are usual.
const MAX_STEPS: usize = 50;

/// The iteration found no eigenvalues: the matrix holds NaN or infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoConvergence;

impl fmt::Display for NoConvergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eigenvalues didn't converge: does the matrix hold NaN or infinities?")
    }
}

impl Error for NoConvergence {}

/// Writes the eigenvalues of the tridiagonal matrix (`d`, `e`) to `d`, ascending, and its eigenvectors to the rows of
/// `q` (Dubrulle, Martin and Wilkinson, Numer. Math. 12, 1968). Returns whether the iteration converged.
pub(super) fn ql<T: Scalar>(d: &mut [f64], e: &mut [f64], mut q: MatMut<'_, T>) -> Result<bool> {
    let n = d.len();
    let mut z: Vec<f64> = zeros(n * n)?;
    (0..n).for_each(|i| z[i * n + i] = 1.0);
    for l in 0..n {
        for step in 0.. {
            let negligible =
                |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs()) + f64::MIN_POSITIVE;
            let m = (l..n - 1).find(|&m| negligible(m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if step == MAX_STEPS {
                return Ok(false);
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                if i + 1 < m {
                    e[i + 1] = r;
                }
                if r == 0.0 {
                    d[i + 1] -= p;
                    split = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                let (upper, lower) = z.split_at_mut((i + 1) * n);
                for (x, y) in upper[i * n..].iter_mut().zip(&mut lower[..n]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
            if !split {
                d[l] -= p;
                e[l] = g;
            }
            if m < n - 1 {
                e[m] = 0.0;
            }
        }
    }
    let values = copied(d)?;
    for (to, from) in ascending(&values)?.into_iter().enumerate() {
        d[to] = values[from];
        (0..n).for_each(|j| *q.at(to, j) = T::of(z[from * n + j]));
    }
    Ok(true)
}
