//! Divide and conquer for a symmetric tridiagonal matrix (Cuppen, Numer. Math. 36, 1981; deflation and merge as in
//! LAPACK's `dlaed2` and `dlaed3`).

use std::f64::consts::FRAC_1_SQRT_2;

use super::order::ascending;
use super::ql::ql;
use super::secular::rank_one_eigen;
use crate::memory::{Result, collected, filled, reserved, zeros};
use crate::product::matmul;
use crate::{MatMut, MatRef, Scalar};

/// Largest order of a tridiagonal matrix that is not divided.
const LEAF: usize = 32;

/// Writes the eigenvalues of the tridiagonal matrix (`d`, `e`) to `d`, ascending, and its eigenvectors to the rows of
/// `q`, which holds zeros. Returns whether the iteration converged.
///
/// T = diag(T₁, T₂) + |ρ|·u·uᵀ, where ρ is the entry that couples the halves and u has ±1 on both sides of it.
pub(super) fn divide<T: Scalar>(d: &mut [f64], e: &mut [f64], mut q: MatMut<'_, T>) -> Result<bool> {
    let n = d.len();
    if n <= LEAF {
        return ql(d, e, q);
    }
    let half = n / 2;
    let rho = e[half - 1];
    d[half - 1] -= rho.abs();
    d[half] -= rho.abs();
    let converged = divide(&mut d[..half], &mut e[..half - 1], q.rb_mut().block(0, 0, half, half))?
        && divide(&mut d[half..], &mut e[half..], q.rb_mut().block(half, half, n - half, n - half))?;
    if converged {
        merge(d, half, rho, q)?;
    }
    Ok(converged)
}

/// Writes the eigenvalues and eigenvectors of diag(d) + |ρ|·z·zᵀ, in the basis of the rows of `q`, to `d` and `q`. z
/// holds the entries of the rows of `q` next to the cut.
fn merge<T: Scalar>(d: &mut [f64], half: usize, rho: f64, mut q: MatMut<'_, T>) -> Result<()> {
    let n = d.len();
    let beside = |k: usize| if k < half { q.rb().at(k, half - 1) } else { q.rb().at(k, half) };
    let sign = |k: usize| if k < half { FRAC_1_SQRT_2 } else { FRAC_1_SQRT_2.copysign(rho) };
    let mut z = collected((0..n).map(|k| sign(k) * beside(k).wide()))?;
    let rho = 2.0 * rho.abs(); // now ‖z‖ = 1

    let Deflation { kept, deflated, mixed } = deflate(d, &mut z, rho, half, q.rb_mut())?;
    let pick = |x: &[f64]| collected(kept.iter().map(|&k| x[k]));
    let (values, small) = rank_one_eigen(&pick(d)?, &pick(&z)?, rho)?;

    // Order the rows: those with entries in the left half only, in both halves, in the right half only. The products
    // skip the zeros.
    let side = |&k: &usize| {
        if mixed[k] {
            1.0
        } else if k < half {
            0.0
        } else {
            2.0
        }
    };
    let sides: Vec<f64> = collected(kept.iter().map(side))?;
    let order = ascending(&sides)?;
    let lefts = sides.iter().filter(|&&side| side < 2.0).count();
    let only_left = sides.iter().filter(|&&side| side == 0.0).count();
    let count = kept.len();
    let gather = |order: &[usize], from: usize, to: usize| {
        let mut rows = reserved(order.len() * (to - from))?;
        order.iter().for_each(|&i| rows.extend_from_slice(&q.rb().row(kept[i])[from..to]));
        Ok(rows)
    };
    let (left, right) = (gather(&order[..lefts], 0, half)?, gather(&order[only_left..], half, n)?);
    let small = collected((0..count * count).map(|at| T::of(small[at / count * count + order[at % count]])))?;
    let small = MatRef::new(&small, count, count);

    let mut rows = zeros(n * n)?;
    let mut new = MatMut::new(&mut rows, n, n).block(0, 0, count, n);
    let (left, right) = (MatRef::new(&left, lefts, half), MatRef::new(&right, count - only_left, n - half));
    let small_right = small.block(0, only_left, count, count - only_left);
    matmul(
        new.rb_mut().block(0, 0, count, half),
        T::zero(),
        T::one(),
        small.block(0, 0, count, lefts),
        left,
    )?;
    matmul(new.block(0, half, count, n - half), T::zero(), T::one(), small_right, right)?;
    for (&k, row) in deflated.iter().zip(rows[count * n..].chunks_exact_mut(n)) {
        row.copy_from_slice(q.rb().row(k));
    }

    let mut ends = reserved(n)?;
    ends.extend(values.into_iter().chain(deflated.iter().map(|&k| d[k])));
    for (to, from) in ascending(&ends)?.into_iter().enumerate() {
        d[to] = ends[from];
        let start = to * q.row_stride();
        q.data()[start..start + n].copy_from_slice(&rows[from * n..(from + 1) * n]);
    }
    Ok(())
}

/// Which indices a merge has to solve for.
struct Deflation {
    /// Indices that enter the secular equation, with d strictly ascending.
    kept: Vec<usize>,
    /// Indices whose row is an eigenvector already.
    deflated: Vec<usize>,
    /// Whether a row has entries on both sides of the cut.
    mixed: Vec<bool>,
}

/// Sets indices with a negligible z aside. Where two d are equal to rounding, a rotation makes one z vanish first.
fn deflate<T: Scalar>(
    d: &mut [f64],
    z: &mut [f64],
    rho: f64,
    half: usize,
    mut q: MatMut<'_, T>,
) -> Result<Deflation> {
    let n = d.len();
    let tolerance = 4.0 * T::epsilon().wide() * d.iter().fold(rho, |max, x| max.max(x.abs()));
    let (mut kept, mut deflated) = (reserved::<usize>(n)?, reserved(n)?);
    let mut mixed = filled(false, n)?;
    for k in ascending(d)? {
        if rho * z[k].abs() <= tolerance {
            deflated.push(k);
            continue;
        }
        if let Some(&p) = kept.last() {
            let size = z[p].hypot(z[k]);
            let (c, s) = (z[k] / size, z[p] / size);
            if ((d[k] - d[p]) * c * s).abs() <= tolerance {
                (z[k], z[p]) = (size, 0.0);
                (d[p], d[k]) = (d[p] * c * c + d[k] * s * s, d[p] * s * s + d[k] * c * c);
                rotate(q.rb_mut(), p, k, T::of(c), T::of(s));
                mixed[k] |= mixed[p] || (p < half) != (k < half);
                kept.pop();
                deflated.push(p);
            }
        }
        kept.push(k);
    }
    Ok(Deflation { kept, deflated, mixed })
}

/// Rows p and k of q become c·p − s·k and s·p + c·k.
fn rotate<T: Scalar>(mut q: MatMut<'_, T>, p: usize, k: usize, c: T, s: T) {
    for j in 0..q.cols() {
        let (x, y) = (*q.at(p, j), *q.at(k, j));
        *q.at(p, j) = c * x - s * y;
        *q.at(k, j) = s * x + c * y;
    }
}
