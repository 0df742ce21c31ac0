//! Products with rows of either scalar type in f64: Woodbury's formula squares their condition.

use nhgd_kernels::memory::{Result, collected, joined, reserved, zeros};
use nhgd_kernels::vector::mul_into;
use nhgd_kernels::{MatMut, MatRef, Scalar, matmul, matvec, syrk};

/// Rows that are widened together.
const TILE: usize = 16;

/// Scalars as f64.
#[inline(never)]
pub(crate) fn widen<T: Scalar>(x: &[T]) -> Result<Vec<f64>> {
    collected(x.iter().map(|x| x.wide()))
}

/// f64 rounded to the scalar type.
#[inline(never)]
pub(crate) fn narrow<T: Scalar>(x: &[f64]) -> Result<Vec<T>> {
    collected(x.iter().map(|&x| T::of(x)))
}

/// Scalars of several slices, one after the other, as f64.
pub(crate) fn widen_all<T: Scalar>(parts: &[&[T]]) -> Result<Vec<f64>> {
    widen(&joined(parts)?)
}

/// Columns that a Gram matrix widens together.
const COLUMNS: usize = 512;

/// Calls `visit` with the number of the first row and some rows as f64.
fn tiles<T: Scalar>(
    rows: &[T],
    d: usize,
    mut visit: impl FnMut(usize, MatRef<'_, f64>) -> Result<()>,
) -> Result<()> {
    let mut wide = reserved(TILE.min(rows.len() / d) * d)?;
    for (tile, rows) in rows.chunks(TILE * d).enumerate() {
        wide.clear();
        wide.extend(rows.iter().map(|x| x.wide()));
        visit(tile * TILE, MatRef::new(&wide, rows.len() / d, d))?;
    }
    Ok(())
}

/// G X with G the `rows` of d entries each and X d × k.
pub(crate) fn products<T: Scalar>(rows: &[T], d: usize, x: MatRef<'_, f64>) -> Result<Vec<f64>> {
    let k = x.cols();
    let mut products = zeros(rows.len() / d * k)?;
    tiles(rows, d, |first, rows| {
        let into = &mut products[first * k..][..rows.rows() * k];
        match k {
            1 => {
                matvec(into, 0.0, 1.0, rows, x.data());
                Ok(())
            }
            _ => matmul(MatMut::new(into, rows.rows(), k), 0.0, 1.0, rows, x),
        }
    })?;
    Ok(products)
}

/// Gᵀ y.
pub(crate) fn combination<T: Scalar>(rows: &[T], d: usize, y: &[f64]) -> Result<Vec<f64>> {
    let mut sum = zeros(d)?;
    tiles(rows, d, |first, rows| {
        matvec(&mut sum, 1.0, 1.0, rows.t(), &y[first..][..rows.rows()]);
        Ok(())
    })?;
    Ok(sum)
}

/// Rows as f64, their entries times those of `factors` where there are such.
pub(crate) fn scaled<T: Scalar>(rows: &[T], factors: Option<&[f64]>) -> Result<Vec<f64>> {
    let mut wide = widen(rows)?;
    if let Some(factors) = factors {
        wide.chunks_exact_mut(factors.len()).for_each(|row| mul_into(factors, row));
    }
    Ok(wide)
}

/// Lower triangle of G M Gᵀ with a diagonal M, 1 where it is absent.
pub(crate) fn gram<T: Scalar>(rows: &[T], d: usize, metric: Option<&[f64]>) -> Result<Vec<f64>> {
    let roots = metric.map(|metric| collected(metric.iter().map(|m| m.sqrt()))).transpose()?;
    let n = rows.len() / d;
    let (mut gram, mut wide) = (zeros(n * n)?, reserved(n * COLUMNS.min(d))?);
    for from in (0..d).step_by(COLUMNS) {
        let columns = from..d.min(from + COLUMNS);
        let width = columns.len();
        wide.clear();
        for row in rows.chunks_exact(d) {
            wide.extend(row[columns.clone()].iter().map(|x| x.wide()));
            if let Some(roots) = &roots {
                let start = wide.len() - width;
                mul_into(&roots[columns.clone()], &mut wide[start..]);
            }
        }
        let beta = if from == 0 { 0.0 } else { 1.0 };
        syrk(MatMut::new(&mut gram, n, n), beta, 1.0, MatRef::new(&wide, n, width))?;
    }
    Ok(gram)
}
