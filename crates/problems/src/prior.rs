//! A Gaussian prior on v.

use nhgd_kernels::Scalar;

/// ρ = ½ Σ precision_j (v_j − mean_j)², a part of f.
#[derive(Clone, Debug)]
pub struct Prior<T> {
    /// Most likely v, p entries.
    pub mean: Vec<T>,
    /// Inverse variances divided by the number of outer samples, as f is a mean over these; p entries.
    pub precision: Vec<T>,
}

impl<T: Scalar> Prior<T> {
    /// gradient ← gradient + ∇ρ; returns ρ.
    pub fn add(&self, outer: &[T], gradient: &mut [T]) -> f64 {
        let mut value = 0.0;
        for (j, &v) in outer.iter().enumerate() {
            let pull = self.precision[j] * (v - self.mean[j]);
            gradient[j] += pull;
            value += 0.5 * (pull * (v - self.mean[j])).wide();
        }
        value
    }
}
