//! The eigenbases of a layer's two Kronecker factors.

use nhgd_curvature::LayerShape;
use nhgd_kernels::memory::{Result, collected, copied, zeros};
use nhgd_kernels::{MatMut, MatRef, NoConvergence, Scalar, matmul, symmetric_eigen};

/// The bases with their eigenvalues a and s.
pub(crate) type Spectra<T> = (Basis<T>, Vec<T>, Vec<T>);

/// E[w aaᵀ] = U diag(a) Uᵀ and E[w ssᵀ] = V diag(s) Vᵀ.
#[derive(Debug)]
pub(crate) struct Basis<T> {
    /// U, inputs × inputs, eigenvectors in its columns.
    pub inputs: Vec<T>,
    /// V, outputs × outputs.
    pub outputs: Vec<T>,
    /// Number of the first eigenvalues of each factor that are 0 up to rounding. Their eigenvectors are an arbitrary basis
    /// of their span.
    pub nulls: [usize; 2],
}

fn square<T: Scalar>(x: &[T], n: usize) -> MatRef<'_, T> {
    MatRef::new(x, n, n)
}

/// A·B, row-major.
pub(crate) fn product<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Result<Vec<T>> {
    let mut c = zeros(a.rows() * b.cols())?;
    matmul(MatMut::new(&mut c, a.rows(), b.cols()), T::zero(), T::one(), a, b)?;
    Ok(c)
}

impl<T: Scalar> Basis<T> {
    /// Of the lower triangles of both moments, with their eigenvalues a and s, none below 0.
    pub fn of([inputs, outputs]: [&[T]; 2], shape: LayerShape) -> Result<Result<Spectra<T>, NoConvergence>> {
        let (inputs, outputs) = match (
            symmetric_eigen(shape.inputs, copied(inputs)?)?,
            symmetric_eigen(shape.outputs, copied(outputs)?)?,
        ) {
            (Ok(inputs), Ok(outputs)) => (inputs, outputs),
            _ => return Ok(Err(NoConvergence)),
        };
        let nulls = [&inputs.values, &outputs.values].map(|values| {
            let largest = values.last().map_or(T::zero(), |x| x.abs());
            let rounding = T::of(8.0 * values.len() as f64) * T::epsilon() * largest;
            values.iter().take_while(|&&x| x <= rounding).count()
        });
        // Moments have no negative eigenvalues: what is below zero is rounding.
        let clamp = |values: Vec<T>| collected(values.into_iter().map(|x| x.max(T::zero())));
        let basis = Self { inputs: inputs.vectors, outputs: outputs.vectors, nulls };
        Ok(Ok((basis, clamp(inputs.values)?, clamp(outputs.values)?)))
    }

    /// X = U [(UᵀB V) / denominator] Vᵀ with B and X inputs × outputs; entry (i, j) is divided by `denominator(i, j)`.
    pub fn divide(&self, b: &[T], x: &mut [T], denominator: impl Fn(usize, usize) -> T) -> Result<()> {
        let (n, k) = (self.inputs.len().isqrt(), self.outputs.len().isqrt());
        let (u, v) = (square(&self.inputs, n), square(&self.outputs, k));
        let half = product(u.t(), MatRef::new(b, n, k))?;
        let mut rotated = product(MatRef::new(&half, n, k), v)?;
        for i in 0..n {
            for j in 0..k {
                rotated[i * k + j] /= denominator(i, j);
            }
        }
        let half = product(u, MatRef::new(&rotated, n, k))?;
        matmul(MatMut::new(x, n, k), T::zero(), T::one(), MatRef::new(&half, n, k), v.t())
    }
}
