use proptest::prelude::*;

use super::ql::ql;
use super::*;
use crate::MatRef;
use crate::naive::{distance, numbers, orders, product};
use crate::simd::on_each_level;

fn random<T: Scalar>(n: usize, seed: u64) -> Vec<T> {
    let x = numbers::<T>(n * n, seed);
    (0..n * n).map(|at| x[(at / n).max(at % n) * n + (at / n).min(at % n)]).collect()
}

/// Q·diag(λ)·Qᵀ for the orthogonal Q of a random matrix's eigenvectors.
fn with_values<T: Scalar>(values: &[f64]) -> Vec<T> {
    let n = values.len();
    let q = symmetric_eigen(n, random::<f64>(n, 77)).unwrap().unwrap().vectors;
    let scaled: Vec<f64> = (0..n * n).map(|at| q[at] * values[at % n]).collect();
    product(MatRef::new(&scaled, n, n), MatRef::new(&q, n, n).t()).into_iter().map(T::of).collect()
}

fn norm<T: Scalar>(a: &[T]) -> f64 {
    a.iter().map(|x| x.wide() * x.wide()).sum::<f64>().sqrt()
}

/// A·V = V·diag(λ) and Vᵀ·V = I to 8·n·ε, λ ascending.
fn check<T: Scalar>(n: usize, a: &[T], what: &str) -> Eigen<T> {
    let mut lower = a.to_vec();
    (0..n * n).filter(|at| at % n > at / n).for_each(|at| lower[at] = T::nan());
    let eigen = symmetric_eigen(n, lower).unwrap().unwrap();
    assert!(eigen.values.is_sorted(), "{what}: ascending");
    let v = MatRef::new(&eigen.vectors, n, n);
    let tolerance = 8.0 * (n + 1) as f64 * T::epsilon().wide();

    let left = product(MatRef::new(a, n, n), v);
    let error = (0..n * n).map(|at| left[at] - eigen.vectors[at].wide() * eigen.values[at % n].wide());
    let error = error.fold(0.0, |max: f64, x| if x.is_nan() { f64::INFINITY } else { max.max(x.abs()) });
    assert!(error <= tolerance * norm(a), "{what}, n = {n}: A·V = V·Λ is off by {error:e}");

    let gram: Vec<T> = product(v.t(), v).into_iter().map(T::of).collect();
    let identity: Vec<f64> = (0..n * n).map(|at| if at / n == at % n { 1.0 } else { 0.0 }).collect();
    let error = distance(&gram, &identity);
    assert!(error <= tolerance, "{what}, n = {n}: Vᵀ·V = I is off by {error:e}");
    eigen
}

fn check_both(n: usize, a: &[f64], what: &str) {
    check::<f64>(n, a, what);
    check::<f32>(n, &a.iter().map(|&x| x as f32).collect::<Vec<_>>(), what);
}

#[test]
fn random_matrices() {
    on_each_level(|level| {
        for n in orders() {
            check_both(n, &random(n, 1), level);
        }
    });
    check_both(321, &random(321, 2), "large");
}

#[test]
fn known_eigenvalues() {
    // Second difference: λₖ = 2 − 2·cos(kπ / (n + 1)).
    for n in orders() {
        let entry = |i: usize, j: usize| {
            if i == j {
                2.0
            } else if i.abs_diff(j) == 1 {
                -1.0
            } else {
                0.0
            }
        };
        let a: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
        let values = check::<f64>(n, &a, "second difference").values;
        for (k, value) in values.into_iter().enumerate() {
            let exact = 2.0 - 2.0 * ((k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64).cos();
            assert!((value - exact).abs() < 1e-14 * (n + 1) as f64, "λ{k} of n = {n}");
        }
    }
}

#[test]
fn zero_identity_and_low_rank() {
    for n in orders() {
        let zero = check::<f32>(n, &vec![0.0; n * n], "zero");
        assert_eq!(zero.values, vec![0.0; n]);
        let identity: Vec<f64> = (0..n * n).map(|at| if at / n == at % n { 1.0 } else { 0.0 }).collect();
        check_both(n, &identity, "identity");
        let x = numbers::<f64>(n * 2, 5);
        let a = product(MatRef::new(&x, n, 2), MatRef::new(&x, n, 2).t());
        check_both(n, &a, "rank 2");
        check_both(n, &vec![1.0; n * n], "ones");
    }
}

#[test]
fn clusters_and_graded_spectra() {
    for n in [33, 64, 65, 129, 200] {
        let at = |k: usize| k as f64 / n as f64;
        let spectra: [(&str, Vec<f64>); 5] = [
            ("three clusters", (0..n).map(|k| (k % 3) as f64 + 1e-14 * at(k)).collect()),
            ("signs", (0..n).map(|k| if k % 2 == 0 { 1.0 } else { -1.0 }).collect()),
            ("geometric", (0..n).map(|k| 10f64.powf(-12.0 * at(k))).collect()),
            ("one large", (0..n).map(|k| if k == 0 { 1e6 } else { 1.0 + 1e-9 * at(k) }).collect()),
            ("close pairs", (0..n).map(|k| (k / 2) as f64 + 1e-9 * (k % 2) as f64).collect()),
        ];
        for (what, values) in spectra {
            let a = with_values::<f64>(&values);
            let whole: Vec<f64> =
                (0..n * n).map(|at| a[(at / n).max(at % n) * n + (at / n).min(at % n)]).collect();
            check_both(n, &whole, what);
            let mut exact = values.clone();
            exact.sort_by(f64::total_cmp);
            let found = symmetric_eigen(n, whole).unwrap().unwrap().values;
            let largest = exact.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
            assert!(distance(&found, &exact) <= 8.0 * n as f64 * f64::EPSILON * largest, "{what}: values");
        }
    }
    // Wilkinson's W⁺: pairs of eigenvalues that agree to all digits, weakly coupled halves.
    for n in [21, 65, 129] {
        let entry = |i: usize, j: usize| match i.abs_diff(j) {
            0 => (i as f64 - (n / 2) as f64).abs(),
            1 => 1.0,
            _ => 0.0,
        };
        check_both(n, &(0..n * n).map(|at| entry(at / n, at % n)).collect::<Vec<_>>(), "Wilkinson");
    }
}

#[test]
fn any_scale() {
    for scale in [1e-300, 1e-160, 1e160, 1e300] {
        let a: Vec<f64> = random::<f64>(70, 4).into_iter().map(|x| x * scale).collect();
        let eigen = symmetric_eigen(70, a).unwrap().unwrap();
        let unit = symmetric_eigen(70, random::<f64>(70, 4)).unwrap().unwrap();
        for (x, y) in eigen.values.iter().zip(&unit.values) {
            assert!((x / scale - y).abs() < 1e-12, "scale {scale:e}");
        }
    }
    let a: Vec<f32> = random::<f32>(70, 4).into_iter().map(|x| x * 1e-38).collect();
    let unit = symmetric_eigen(70, random::<f32>(70, 4)).unwrap().unwrap();
    for (x, y) in symmetric_eigen(70, a).unwrap().unwrap().values.iter().zip(&unit.values) {
        assert!((x / 1e-38 - y).abs() < 1e-3);
    }
}

#[test]
fn what_is_not_finite_is_an_error() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for n in [1, 3, 65] {
            let mut a = random::<f32>(n, 1);
            a[n * n - n] = bad;
            assert_eq!(symmetric_eigen(n, a).unwrap().unwrap_err(), NoConvergence);
        }
    }
    assert!(NoConvergence.to_string().contains("NaN"));
}

#[test]
fn dividing_agrees_with_ql() {
    for n in [33, 64, 100, 200] {
        let (d, e) = (numbers::<f64>(n, 1), numbers::<f64>(n - 1, 2));
        let (mut divided, mut direct) = (d.clone(), d.clone());
        let (mut q, mut r) = (vec![0.0; n * n], vec![0.0; n * n]);
        divide(&mut divided, &mut e.clone(), MatMut::new(&mut q, n, n)).unwrap();
        ql(&mut direct, &mut e.clone(), MatMut::new(&mut r, n, n)).unwrap();
        assert!(distance(&divided, &direct) <= 8.0 * n as f64 * f64::EPSILON);
    }
}

proptest! {
    #[test]
    fn tridiagonal_matrices_with_zeros_and_repeats(
        entries in prop::collection::vec((0..4i8, 0..3i8), 2..90),
        tiny in prop::sample::select(vec![0.0, 1e-16, 1e-8]),
    ) {
        let n = entries.len();
        let mut a = vec![0.0; n * n];
        for (i, &(d, e)) in entries.iter().enumerate() {
            a[i * n + i] = d as f64;
            if i + 1 < n {
                let e = if e == 2 { tiny } else { e as f64 };
                (a[i * n + i + 1], a[(i + 1) * n + i]) = (e, e);
            }
        }
        check_both(n, &a, "tridiagonal");
    }
}
