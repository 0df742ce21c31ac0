use super::*;
use crate::naive::{distance, numbers, orders, product};
use crate::simd::on_each_level;

/// X·Xᵀ + damping·I with X `n × n`; NaN above the diagonal, which nobody may read.
fn positive<T: Scalar>(n: usize, damping: f64) -> Vec<T> {
    let x = numbers::<T>(n * n, 7);
    let mut a = product(MatRef::new(&x, n, n), MatRef::new(&x, n, n).t());
    (0..n).for_each(|i| a[i * n + i] += damping);
    (0..n * n).for_each(|at| {
        if at % n > at / n {
            a[at] = f64::NAN
        }
    });
    a.into_iter().map(T::of).collect()
}

fn whole<T: Scalar>(n: usize, a: &[T]) -> Vec<T> {
    (0..n * n).map(|at| a[(at / n).max(at % n) * n + (at / n).min(at % n)]).collect()
}

fn lower<T: Scalar>(l: MatRef<'_, T>) -> Vec<T> {
    let n = l.rows();
    (0..n * n).map(|at| if at % n > at / n { T::zero() } else { l.at(at / n, at % n) }).collect()
}

fn norm<T: Scalar>(a: &[T]) -> f64 {
    a.iter().map(|x| x.wide() * x.wide()).sum::<f64>().sqrt()
}

fn tolerance<T: Scalar>(n: usize, a: &[T]) -> f64 {
    8.0 * (n + 1) as f64 * T::epsilon().wide() * norm(a)
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| if at / n.max(1) == at % n.max(1) { 1.0 } else { 0.0 }).collect()
}

fn check<T: Scalar>(n: usize, damping: f64) {
    let a = positive::<T>(n, damping);
    let chol = Cholesky::factor(n, a.clone()).unwrap().unwrap();
    assert_eq!(chol.size(), n);
    let (a, l) = (whole(n, &a), lower(chol.lower()));
    let exact: Vec<f64> = a.iter().map(|x| x.wide()).collect();
    let back: Vec<T> =
        product(MatRef::new(&l, n, n), MatRef::new(&l, n, n).t()).into_iter().map(T::of).collect();
    assert!(distance(&back, &exact) <= tolerance(n, &a), "L·Lᵀ = A, n = {n}, damping {damping}");

    // Backward error: ‖A·x − b‖ ≤ 8·n·ε·‖A‖·‖x‖.
    for k in [1, 3, 40] {
        let b = numbers::<T>(n * k, 9);
        let mut x = b.clone();
        chol.solve_many(MatMut::new(&mut x, n, k)).unwrap();
        let back: Vec<T> =
            product(MatRef::new(&a, n, n), MatRef::new(&x, n, k)).into_iter().map(T::of).collect();
        let exact: Vec<f64> = b.iter().map(|x| x.wide()).collect();
        let bound = tolerance(n, &a) * norm(&x) + 2.0 * T::epsilon().wide();
        assert!(distance(&back, &exact) <= bound, "A·x = b, n = {n}, k = {k}, damping {damping}");
        if k == 1 {
            let mut y = b.clone();
            chol.solve(&mut y).unwrap();
            assert_eq!(x, y);
        }
    }

    let inverse = chol.inverse().unwrap();
    assert_eq!(inverse, whole(n, &inverse), "inverse is symmetric to the bit, n = {n}");
    let back: Vec<T> =
        product(MatRef::new(&a, n, n), MatRef::new(&inverse, n, n)).into_iter().map(T::of).collect();
    let bound = tolerance(n, &a) * norm(&inverse) + T::epsilon().wide();
    assert!(distance(&back, &identity(n)) <= bound, "A·A⁻¹ = I, n = {n}, damping {damping}");
}

#[test]
fn factors_solutions_and_inverses_satisfy_their_equations() {
    on_each_level(|_| {
        for n in orders() {
            for damping in [1.0, 100.0] {
                check::<f32>(n, damping);
                check::<f64>(n, damping);
            }
            check::<f64>(n, 1e-6);
        }
    });
}

#[test]
fn ill_conditioned_matrices_factor_backward_stably() {
    // Hilbert matrices: condition 1e16 at n = 12, and 3e10 at n = 8.
    for n in [4, 8, 10] {
        let a: Vec<f64> = (0..n * n).map(|at| 1.0 / (at / n + at % n + 1) as f64).collect();
        let chol = Cholesky::factor(n, a.clone()).unwrap().unwrap();
        let l = lower(chol.lower());
        let back = product(MatRef::new(&l, n, n), MatRef::new(&l, n, n).t());
        assert!(distance(&back, &a) <= 1e-15);
    }
    // A Schur complement that nearly vanishes past a block boundary: κ ≈ 1e12, blocks of 32 and 96.
    for n in [65, 129, 200] {
        let x = numbers::<f64>(n * n, 3);
        let scaled: Vec<f64> =
            (0..n * n).map(|at| x[at] * 10f64.powf(-6.0 * (at % n) as f64 / n as f64)).collect();
        let view = MatRef::new(&scaled, n, n);
        let a = product(view, view.t());
        let chol = Cholesky::factor(n, a.clone()).unwrap().unwrap();
        let l = lower(chol.lower());
        let back = product(MatRef::new(&l, n, n), MatRef::new(&l, n, n).t());
        assert!(distance(&back, &a) <= tolerance(n, &a));
    }
}

#[test]
fn an_indefinite_matrix_reports_its_pivot() {
    for n in orders() {
        for index in [0, 1, 31, 32, 40, 64, 100, 199].into_iter().filter(|&i| i < n) {
            for bad in [0.0, -1.0, f64::NAN] {
                let mut a = positive::<f64>(n, 1.0);
                let chol = Cholesky::factor(n, a.clone()).unwrap().unwrap();
                let pivot = chol.lower().at(index, index);
                // Lowers pivot `index`, which is squared in L, to about `bad`.
                a[index * n + index] += bad - pivot * pivot - 1e-9;
                let error = Cholesky::factor(n, a).unwrap().unwrap_err();
                assert_eq!(error, NotPositiveDefinite { index }, "n = {n}, pivot {bad}");
            }
        }
    }
    assert!(NotPositiveDefinite { index: 3 }.to_string().contains("pivot 3"));
    assert!(Cholesky::factor(1, vec![f32::NAN]).unwrap().is_err());
}

#[test]
fn log_det_is_the_logarithm_of_the_determinant() {
    let a = vec![4.0, 0.0, 2.0, 10.0]; // lower triangle of [[4, 2], [2, 10]], determinant 36
    assert!((Cholesky::factor(2, a).unwrap().unwrap().log_det() - 36f64.ln()).abs() < 1e-15);
    assert_eq!(Cholesky::<f64>::factor(0, vec![]).unwrap().unwrap().log_det(), 0.0);
}
