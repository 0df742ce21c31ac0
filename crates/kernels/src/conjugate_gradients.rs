//! Preconditioned conjugate gradients for C·x = b with C symmetric positive definite.

use crate::Scalar;
use crate::memory::{OutOfMemory, zeros};
use crate::vector::{axpy, dot, norm, scale};

/// How conjugate gradients ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgStop {
    /// The residual is within the tolerance.
    Converged,
    /// All steps were taken: allow more, or precondition better.
    MaxSteps,
    /// C, or the preconditioner, isn't positive definite along a direction: raise the damping.
    NegativeCurvature,
    /// Rounding (or a value that isn't finite) stops the residual from falling: loosen the tolerance.
    Stalled,
}

/// What conjugate gradients reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CgOutcome {
    /// Steps taken.
    pub steps: usize,
    /// ‖b − C·x‖ / ‖b‖ of the x that is returned, computed from b − C·x where rounding may have taken the recurrence of
    /// the steps more than a tenth away from it.
    pub residual: f64,
    /// Why it ended.
    pub stop: CgStop,
}

/// Writes the image of its first argument to the second.
pub type Operator<'a, T, E> = dyn FnMut(&[T], &mut [T]) -> Result<(), E> + 'a;

/// Solves C·x = b; `apply(p, out)` writes C·p, `precondition(r, out)` writes an approximation of C⁻¹·r.
///
/// `x` holds the first guess and receives the iterate with the least residual, also if a callback fails (which,
/// beside a lack of memory, is the only error). `steps` counts search directions; the residual of the first
/// guess, unless that is zero, and the check of a residual that seems to be small cost a further `apply` each.
/// The computation is in units of a power of two near ‖b‖, so that squares neither overflow nor underflow.
///
/// β is that of Polak and Ribière, so that the preconditioner may vary from step to step (Golub and Ye, SIAM J.
/// Sci. Comput. 21(4), 1999).
pub fn conjugate_gradients<T: Scalar, E: From<OutOfMemory>>(
    apply: &mut Operator<'_, T, E>,
    precondition: &mut Operator<'_, T, E>,
    b: &[T],
    x: &mut [T],
    tolerance: f64,
    max_steps: usize,
) -> Result<CgOutcome, E> {
    let n = b.len();
    assert_eq!(x.len(), n, "x must be as long as b");
    let size = norm(b).wide();
    if size == 0.0 {
        x.fill(T::zero());
        return Ok(CgOutcome { steps: 0, residual: 0.0, stop: CgStop::Converged });
    }
    // The unit and its inverse are normal numbers.
    let limit = T::max_value().wide().log2() - 4.0;
    let unit = 2f64.powi(size.log2().clamp(-limit, limit) as i32);
    let times = |factor: f64, from: &[T], to: &mut [T]| {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = T::of(factor) * from);
    };
    let relative = |r: &[T]| norm(r).wide() / (size / unit);

    let (mut r, mut y, mut z): (Vec<T>, Vec<T>, Vec<T>) = (zeros(n)?, zeros(n)?, zeros(n)?);
    let (mut p, mut q): (Vec<T>, Vec<T>) = (zeros(n)?, zeros(n)?);
    times(1.0 / unit, b, &mut r);
    times(1.0 / unit, x, &mut y);
    if y.iter().any(|&y| y != T::zero()) {
        apply(&y, &mut q)?;
        axpy(-T::one(), &q, &mut r);
    }
    let mut rz = T::zero();
    let (mut gain, mut drift) = (0.0f64, 0.0); // ‖C‖, and how far r may be from b − C·y
    let (mut steps, mut best, mut now) = (0, relative(&r), relative(&r));
    let mut checked = now; // the last residual that was computed as b − C·y
    let mut fresh = true; // r was computed as b − C·y, and the next direction starts anew
    let stop = loop {
        let small = now <= tolerance || now <= T::epsilon().wide() * checked;
        if small && !fresh {
            apply(&y, &mut q)?;
            times(1.0 / unit, b, &mut r);
            axpy(-T::one(), &q, &mut r);
            now = relative(&r);
            fresh = true;
            drift = 0.0;
            times(unit, &y, x);
            best = now;
            if now > tolerance && now > 0.5 * checked {
                break CgStop::Stalled;
            }
            checked = now;
        }
        if now <= tolerance {
            break CgStop::Converged;
        }
        if steps == max_steps {
            break CgStop::MaxSteps;
        }
        // β = zₖᵀ(rₖ − rₖ₋₁) / zₖ₋₁ᵀrₖ₋₁, where −αq = rₖ − rₖ₋₁ is in q.
        precondition(&r, &mut z)?;
        let next = dot(&r, &z);
        let beta = if fresh { T::zero() } else { dot(&z, &q) / rz };
        scale(beta, &mut p);
        axpy(T::one(), &z, &mut p);
        rz = next;
        fresh = false;

        apply(&p, &mut q)?;
        let (curvature, slope) = (dot(&p, &q), dot(&p, &r));
        if !(curvature.is_finite() && rz.is_finite() && slope.is_finite()) {
            break CgStop::Stalled;
        }
        if curvature <= T::zero() || rz <= T::zero() {
            break CgStop::NegativeCurvature;
        }
        gain = gain.max(norm(&q).wide() / norm(&p).wide());
        let alpha = slope / curvature;
        axpy(alpha, &p, &mut y);
        scale(-alpha, &mut q);
        axpy(T::one(), &q, &mut r);
        steps += 1;
        now = relative(&r);
        drift += T::epsilon().wide() * (now + gain * relative(&y));
        if !now.is_finite() {
            break CgStop::Stalled;
        }
        if now < best {
            best = now;
            times(unit, &y, x);
        }
    };
    if drift > 0.1 * best {
        times(1.0 / unit, x, &mut y);
        apply(&y, &mut q)?;
        times(1.0 / unit, b, &mut r);
        axpy(-T::one(), &q, &mut r);
        best = relative(&r);
    }
    Ok(CgOutcome { steps, residual: best, stop })
}

#[cfg(test)]
mod tests;
