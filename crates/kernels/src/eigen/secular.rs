//! Eigenvalues and eigenvectors of D + ρ·z·zᵀ: the step that merges two halves of a tridiagonal matrix.
//!
//! Roots of the secular equation 1/ρ + Σ zₖ² / (dₖ − λ) = 0 by the middle way of Li (LAPACK Working Note 89,
//! 1994), from the nearer pole so that all dₖ − λ keep their digits; then the z for which these roots are exact,
//! which makes the vectors orthogonal (Gu and Eisenstat, SIAM J. Matrix Anal. Appl. 16(1), 1995).

use crate::memory::{Result, collected, filled, zeros};
use crate::simd::dispatch;

/// Independent partial sums that hide the latency of an addition.
const CHAINS: usize = 8;
/// Largest number of evaluations for one root. A handful suffices unless bisection has to step in.
const MAX_STEPS: usize = 200;

/// Eigenvalues of diag(d) + ρ·z·zᵀ, ascending, and its eigenvectors in the rows of an `n × n` matrix.
///
/// d ascends strictly, no z is zero, ρ > 0.
pub(crate) fn rank_one_eigen(d: &[f64], z: &[f64], rho: f64) -> Result<(Vec<f64>, Vec<f64>)> {
    let n = d.len();
    if n == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let squares = collected(z.iter().map(|z| z * z))?;
    let mut values: Vec<f64> = zeros(n)?;
    // Row i first holds dₖ − λᵢ, and in the end the eigenvector of λᵢ.
    let mut rows: Vec<f64> = zeros(n * n)?;
    let mut exact = filled(1.0, n)?;
    dispatch(
        #[inline(always)]
        || {
            for (i, delta) in rows.chunks_exact_mut(n).enumerate() {
                values[i] = root(i, d, &squares, rho, delta);
                for k in 0..n {
                    exact[k] *= delta[k] / if k == i { -1.0 } else { d[k] - d[i] };
                }
            }
            for k in 0..n {
                exact[k] = exact[k].abs().sqrt().copysign(z[k]);
            }
            for delta in rows.chunks_exact_mut(n) {
                let mut sums = [0.0; CHAINS];
                for k in 0..n {
                    delta[k] = exact[k] / delta[k];
                    sums[k % CHAINS] += delta[k] * delta[k];
                }
                let size = sums.iter().sum::<f64>().sqrt();
                delta.iter_mut().for_each(|x| *x /= size);
            }
        },
    );
    Ok((values, rows))
}

/// The i-th root λ, between dᵢ and its successor; `delta` receives dₖ − λ.
#[inline(always)]
fn root(i: usize, d: &[f64], squares: &[f64], rho: f64, delta: &mut [f64]) -> f64 {
    let n = d.len();
    let last = i + 1 == n;
    let width = if last { rho * squares.iter().sum::<f64>() } else { d[i + 1] - d[i] };
    if n == 1 {
        delta[0] = -width;
        return d[0] + width;
    }
    // λ = origin + τ with τ in (low, high); left and right are the poles that the step interpolates.
    let (left, right) = if last { (n - 2, n - 1) } else { (i, i + 1) };
    let mut origin = d[i];
    let (mut low, mut high) = (0.0, width);
    let mut tau = 0.5 * width;
    if !last {
        let ((psi, _), (phi, _)) = sums(left, d, origin, tau, squares, delta);
        let middle = 1.0 / rho + psi + phi;
        let rest = middle - squares[left] / delta[left] - squares[right] / delta[right];
        if middle >= 0.0 {
            high = tau;
            let a = rest * width + squares[left] + squares[right];
            tau = smaller_root(rest, a, squares[left] * width);
        } else {
            origin = d[right];
            (low, high) = (-tau, 0.0);
            let a = -rest * width + squares[left] + squares[right];
            tau = smaller_root(rest, a, -squares[right] * width);
        }
    }
    for _ in 0..MAX_STEPS {
        if !(low < tau && tau < high) {
            tau = 0.5 * (low + high);
        }
        let ((psi, slope_psi), (phi, slope_phi)) = sums(left, d, origin, tau, squares, delta);
        let value = 1.0 / rho + psi + phi;
        let slope = slope_psi + slope_phi;
        let rounding = 8.0 * (1.0 / rho + psi.abs() + phi.abs()) + tau.abs() * slope;
        if value.abs() <= f64::EPSILON * rounding {
            break;
        }
        if value < 0.0 {
            low = tau;
        } else {
            high = tau;
        }
        if high - low <= f64::EPSILON * tau.abs() {
            break;
        }
        let (dl, dr) = (delta[left], delta[right]);
        let c = value - dl * slope_psi - dr * slope_phi;
        let a = (dl + dr) * value - dl * dr * slope;
        let b = dl * dr * value;
        tau += if last { larger_root(c.abs(), a, b) } else { smaller_root(c, a, b) };
    }
    origin + tau
}

/// Writes δₖ = dₖ − (origin + τ); Σ zₖ²/δₖ and Σ zₖ²/δₖ² over the poles up to `left`, and over the others.
#[inline(always)]
fn sums(
    left: usize,
    d: &[f64],
    origin: f64,
    tau: f64,
    squares: &[f64],
    delta: &mut [f64],
) -> ((f64, f64), (f64, f64)) {
    let (d, squares) = (d.split_at(left + 1), squares.split_at(left + 1));
    let delta = delta.split_at_mut(left + 1);
    (
        side(d.0, origin, tau, squares.0, delta.0), //
        side(d.1, origin, tau, squares.1, delta.1),
    )
}

#[inline(always)]
fn side(d: &[f64], origin: f64, tau: f64, squares: &[f64], delta: &mut [f64]) -> (f64, f64) {
    let (mut sum, mut slope) = ([0.0; CHAINS], [0.0; CHAINS]);
    let whole = d.len() - d.len() % CHAINS;
    for k in (0..whole).step_by(CHAINS) {
        let (d, squares) = (&d[k..k + CHAINS], &squares[k..k + CHAINS]);
        let delta = &mut delta[k..k + CHAINS];
        for c in 0..CHAINS {
            delta[c] = (d[c] - origin) - tau;
            let inverse = 1.0 / delta[c];
            let term = squares[c] * inverse;
            sum[c] += term;
            slope[c] += term * inverse;
        }
    }
    for k in whole..d.len() {
        delta[k] = (d[k] - origin) - tau;
        let term = squares[k] / delta[k];
        sum[k - whole] += term;
        slope[k - whole] += term / delta[k];
    }
    (sum.iter().sum(), slope.iter().sum())
}

/// The root (a − √(a² − 4bc)) / 2c of c·x² − a·x + b, without cancellation.
#[inline(always)]
fn smaller_root(c: f64, a: f64, b: f64) -> f64 {
    let discriminant = (a * a - 4.0 * b * c).abs().sqrt();
    if a <= 0.0 { (a - discriminant) / (2.0 * c) } else { 2.0 * b / (a + discriminant) }
}

/// The root (a + √(a² − 4bc)) / 2c of c·x² − a·x + b, without cancellation.
#[inline(always)]
fn larger_root(c: f64, a: f64, b: f64) -> f64 {
    let discriminant = (a * a - 4.0 * b * c).abs().sqrt();
    if a >= 0.0 { (a + discriminant) / (2.0 * c) } else { 2.0 * b / (a - discriminant) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::numbers;

    /// (D + ρ·z·zᵀ)·x = λ·x, orthonormal x, for poles whose distances span 14 decades.
    #[test]
    fn roots_and_vectors_satisfy_their_equation() {
        for n in [1, 2, 3, 7, 8, 9, 40, 100] {
            for (spread, rho) in [(0.0, 1.0), (0.0, 1e-3), (12.0, 1.0), (14.0, 1e3)] {
                let mut z: Vec<f64> = numbers(n, n as u64);
                let size = z.iter().map(|z| z * z).sum::<f64>().sqrt();
                z.iter_mut().for_each(|z| *z /= size);
                let d: Vec<f64> = (0..n)
                    .map(|k| (k as f64 - n as f64 / 3.0) * 10f64.powf(-spread * k as f64 / n as f64))
                    .collect();
                let mut d: Vec<f64> = d;
                d.sort_by(f64::total_cmp);
                d.dedup();
                if d.len() < n {
                    continue;
                }
                let (values, rows) = rank_one_eigen(&d, &z, rho).unwrap();
                let scale = rho + d.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
                for i in 0..n {
                    let x = &rows[i * n..(i + 1) * n];
                    assert!(
                        values[i] >= d[i] && (i + 1 == n || values[i] <= d[i + 1]),
                        "interlacing, n = {n}"
                    );
                    let zx: f64 = z.iter().zip(x).map(|(z, x)| z * x).sum();
                    for k in 0..n {
                        let error = d[k] * x[k] + rho * z[k] * zx - values[i] * x[k];
                        assert!(error.abs() < 1e-14 * n as f64 * scale, "n = {n}, root {i}: {error:e}");
                    }
                    for j in 0..=i {
                        let dot: f64 = x.iter().zip(&rows[j * n..(j + 1) * n]).map(|(x, y)| x * y).sum();
                        let expected = if i == j { 1.0 } else { 0.0 };
                        assert!(
                            (dot - expected).abs() < 1e-14 * (n + 2) as f64,
                            "n = {n}, {i} · {j} = {dot:e}"
                        );
                    }
                }
            }
        }
    }
}
