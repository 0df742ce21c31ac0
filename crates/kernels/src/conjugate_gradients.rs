//! Preconditioned conjugate gradients for C·x = b with C symmetric positive definite.

use crate::Scalar;

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
    /// ‖b − C·x‖ / ‖b‖ of the x that is returned.
    pub residual: f64,
    /// Why it ended.
    pub stop: CgStop,
}

/// Solves C·x = b; `apply(p, out)` writes C·p, `precondition(r, out)` writes an approximation of C⁻¹·r.
///
/// `x` holds the first guess and receives the iterate with the least residual.
/// Fails only if `apply` or `precondition` does.
pub fn conjugate_gradients<T: Scalar, E>(
    apply: &mut dyn FnMut(&[T], &mut [T]) -> Result<(), E>,
    precondition: &mut dyn FnMut(&[T], &mut [T]) -> Result<(), E>,
    b: &[T],
    x: &mut [T],
    tolerance: f64,
    max_steps: usize,
) -> Result<CgOutcome, E> {
    let dot = |a: &[T], b: &[T]| a.iter().zip(b).map(|(x, y)| x.wide() * y.wide()).sum::<f64>();
    let n = b.len();
    assert_eq!(x.len(), n, "x must be as long as b");
    let size = dot(b, b).sqrt();
    if size == 0.0 {
        x.fill(T::zero());
        return Ok(CgOutcome { steps: 0, residual: 0.0, stop: CgStop::Converged });
    }
    let (mut r, mut z, mut q) = (vec![T::zero(); n], vec![T::zero(); n], vec![T::zero(); n]);
    apply(x, &mut q)?;
    (0..n).for_each(|i| r[i] = b[i] - q[i]);
    let mut residual = dot(&r, &r).sqrt() / size;
    precondition(&r, &mut z)?;
    let mut p = z.clone();
    let mut rz = dot(&r, &z);
    let (mut y, mut steps) = (x.to_vec(), 0);
    let stop = loop {
        if residual <= tolerance {
            break CgStop::Converged;
        }
        if steps == max_steps {
            break CgStop::MaxSteps;
        }
        apply(&p, &mut q)?;
        let curvature = dot(&p, &q);
        if !(curvature.is_finite() && rz.is_finite()) {
            break CgStop::Stalled;
        }
        if curvature <= 0.0 || rz <= 0.0 {
            break CgStop::NegativeCurvature;
        }
        let alpha = T::of(rz / curvature);
        let old = r.clone();
        (0..n).for_each(|i| {
            y[i] += alpha * p[i];
            r[i] -= alpha * q[i];
        });
        steps += 1;
        let now = dot(&r, &r).sqrt() / size;
        if now < residual {
            residual = now;
            x.copy_from_slice(&y);
        }
        precondition(&r, &mut z)?;
        let next = dot(&r, &z);
        let beta = T::of((next - dot(&old, &z)) / rz);
        rz = next;
        (0..n).for_each(|i| p[i] = z[i] + beta * p[i]);
    };
    Ok(CgOutcome { steps, residual, stop })
}
