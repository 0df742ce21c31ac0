//! What conjugate gradients on the samples are preconditioned by.

use std::ops::Range;

use nhgd_curvature::{Diagonal, LayerShape};
use nhgd_kernels::Scalar;
use nhgd_kernels::memory::Result as Fallible;
use nhgd_kernels::vector::scale;

use super::held::Held;
use crate::FisherError;
use crate::basis::Spectra;
use crate::moments::{LayerMoments, Moments, Sharing};

/// Kronecker factors of a layer are used where their eigenbases, some 10 (p³ + q³) flops, cost less than a hundred
/// products with F, 4 n p q flops each: this is the ratio of the two.
const CHEAP_BASES: usize = 40;

/// For each layer the eigenbases of its factors, and their eigenvalues; those of the outputs are divided by the
/// mean weight.
pub(super) type Bases<T> = Vec<Spectra<T>>;

/// Eigenbases of the Kronecker factors of the samples, unless they would cost more than they save.
pub(super) fn bases<T: Scalar>(held: &Held<T>) -> Result<Option<Bases<T>>, FisherError> {
    let n = held.len();
    let cheap =
        |&LayerShape { inputs: p, outputs: q }: &LayerShape| p.pow(3) + q.pow(3) <= CHEAP_BASES * n * p * q;
    if n == 0 || !held.shapes.iter().all(cheap) {
        return Ok(None);
    }
    let moments = match Moments::of(&held.factors, &held.shapes, Sharing::Expand) {
        Err(full @ FisherError::Memory { .. }) => return Err(full),
        Err(_) => return Ok(None),
        Ok(moments) => moments,
    };
    let rho = T::of(moments.inverse_weight());
    let basis = |layer: &LayerMoments<T>| {
        let found = layer.basis()?.ok();
        Ok(found.map(|(basis, a, mut s)| {
            scale(rho, &mut s);
            (basis, a, s)
        }))
    };
    Ok(moments.layers.iter().map(basis).collect::<Fallible<Vec<_>>>()?.into_iter().collect())
}

/// out ← an approximation of (F + D̃)⁻¹ r: by the bases where there are such and D̃ = cI, else by the diagonal of F.
pub(super) fn precondition<T: Scalar>(
    bases: Option<&Bases<T>>,
    diagonal: &[T],
    tilde: &Diagonal<T>,
    spans: &[Range<usize>],
    r: &[T],
    out: &mut [T],
) -> Fallible<()> {
    if let (Some(bases), Diagonal::Scalar(c)) = (bases, tilde) {
        for ((basis, a, s), span) in bases.iter().zip(spans) {
            basis.divide(&r[span.clone()], &mut out[span.clone()], |i, j| a[i] * s[j] + *c)?;
        }
    } else {
        let entries = out.iter_mut().zip(r).zip(diagonal).enumerate();
        entries.for_each(|(i, ((out, &r), &f))| *out = r / (f + tilde.at(i)));
    }
    Ok(())
}
