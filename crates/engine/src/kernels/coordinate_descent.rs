//! Penalised quadratics.

use nhgd_kernels::{PenalizedQuadratic, Scalar};

use crate::{Result, Vector};

/// θ ← near argmin ½‖y − Bθ‖² + Σ_j (s_j/q) (θ_j² + smoothing)^(q/2), by coordinate descent from θ. `rows` are
/// the d columns of B, each with `width` entries, and `rest` is y − Bθ; or, where `gram`, those of H = BᵀB and
/// Bᵀ(y − Bθ). Returns the sweeps taken.
pub fn descend(
    d: usize,
    width: usize,
    rows: &Vector,
    gram: bool,
    strengths: &Vector,
    power: f64,
    smoothing: f64,
    theta: &Vector,
    rest: &Vector,
    settled: f64,
    sweeps: usize,
) -> Result<usize> {
    let width = if gram { d } else { width };
    operands!(T of theta; theta: [d], rows: [d, width], strengths: [d], rest: [width] => {
        let [power, smoothing, settled] = [power, smoothing, settled].map(T::of);
        let quadratic = PenalizedQuadratic { rows, gram, strengths, power, smoothing };
        Ok(quadratic.descend(theta, rest, settled, sweeps)?)
    })
}
