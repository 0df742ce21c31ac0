//! Products with rows of either scalar type in f64: Woodbury's formula squares their condition.

use nhgd_kernels::{MatMut, MatRef, Scalar, matmul, matvec, syrk};

/// Rows that are widened together.
const TILE: usize = 16;

/// Scalars as f64.
pub(crate) fn widen<T: Scalar>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.wide()).collect()
}

/// f64 rounded to the scalar type.
pub(crate) fn narrow<T: Scalar>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::of(x)).collect()
}

/// Calls `visit` with the number of the first row and some rows as f64.
fn tiles<T: Scalar>(rows: &[T], d: usize, mut visit: impl FnMut(usize, MatRef<'_, f64>)) {
    let mut wide = Vec::with_capacity(TILE * d);
    for (tile, rows) in rows.chunks(TILE * d).enumerate() {
        wide.clear();
        wide.extend(rows.iter().map(|x| x.wide()));
        visit(tile * TILE, MatRef::new(&wide, rows.len() / d, d));
    }
}

/// G X with G the `rows` of d entries each and X d × k.
pub(crate) fn products<T: Scalar>(rows: &[T], d: usize, x: MatRef<'_, f64>) -> Vec<f64> {
    let k = x.cols();
    let mut products = vec![0.0; rows.len() / d * k];
    tiles(rows, d, |first, rows| {
        let into = &mut products[first * k..][..rows.rows() * k];
        match k {
            1 => matvec(into, 0.0, 1.0, rows, x.data()),
            _ => matmul(MatMut::new(into, rows.rows(), k), 0.0, 1.0, rows, x),
        }
    });
    products
}

/// Gᵀ y.
pub(crate) fn combination<T: Scalar>(rows: &[T], d: usize, y: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; d];
    tiles(rows, d, |first, rows| matvec(&mut sum, 1.0, 1.0, rows.t(), &y[first..][..rows.rows()]));
    sum
}

/// Lower triangle of G M Gᵀ with a diagonal M given entry by entry.
pub(crate) fn gram<T: Scalar>(rows: &[T], d: usize, metric: impl Fn(usize) -> f64) -> Vec<f64> {
    let n = rows.len() / d;
    let roots: Vec<f64> = (0..d).map(|i| metric(i).sqrt()).collect();
    let scaled: Vec<f64> = rows.iter().zip(roots.iter().cycle()).map(|(x, root)| x.wide() * root).collect();
    let mut gram = vec![0.0; n * n];
    syrk(MatMut::new(&mut gram, n, n), 0.0, 1.0, MatRef::new(&scaled, n, d));
    gram
}
