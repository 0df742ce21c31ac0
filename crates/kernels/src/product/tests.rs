use super::*;
use crate::naive::{distance, numbers, orders, product};
use crate::simd::on_each_level;

/// What C ← β·C + α·P should be.
fn combine<T: Scalar>(c: &[T], beta: f64, alpha: f64, p: &[f64]) -> Vec<f64> {
    c.iter().zip(p).map(|(c, p)| if beta == 0.0 { alpha * p } else { beta * c.wide() + alpha * p }).collect()
}

fn tolerance<T: Scalar>(k: usize) -> f64 {
    8.0 * (k + 1) as f64 * T::epsilon().wide()
}

fn check_matmul<T: Scalar>(m: usize, n: usize, k: usize) {
    let (a, b) = (numbers::<T>(m * k, 1), numbers::<T>(k * n, 2));
    let turned = |x: &[T], rows: usize, cols: usize| -> Vec<T> {
        (0..cols * rows).map(|at| x[at % rows * cols + at / rows]).collect()
    };
    let (a_t, b_t) = (turned(&a, m, k), turned(&b, k, n));
    let straight = (MatRef::new(&a, m, k), MatRef::new(&b, k, n));
    let transposed = (MatRef::new(&a_t, k, m).t(), MatRef::new(&b_t, n, k).t());
    let exact = product(straight.0, straight.1);
    for (a, b) in [straight, transposed, (straight.0, transposed.1), (transposed.0, straight.1)] {
        for (beta, alpha) in [(0.0, 1.0), (1.0, -1.0), (0.5, 2.0)] {
            let before = if beta == 0.0 { vec![T::nan(); m * n] } else { numbers(m * n, 3) };
            let expected = combine(&before, beta, alpha, &exact);
            let mut c = before.clone();
            matmul(MatMut::new(&mut c, m, n), T::of(beta), T::of(alpha), a, b).unwrap();
            assert!(distance(&c, &expected) <= tolerance::<T>(k), "{m} × {k} × {n}, β = {beta}");

            let mut c = turned(&before, m, n);
            matmul(MatMut::new(&mut c, n, m).t(), T::of(beta), T::of(alpha), a, b).unwrap();
            assert!(distance(&turned(&c, n, m), &expected) <= tolerance::<T>(k), "into a transpose");
        }
    }
}

#[test]
fn matmul_is_the_product() {
    for n in orders() {
        check_matmul::<f32>(n, n, n);
        check_matmul::<f64>(n, n, n);
    }
    for (m, n, k) in
        [(64, 10, 784), (10, 784, 64), (784, 10, 64), (5, 1, 300), (1, 300, 5), (7, 9, 0), (0, 3, 2)]
    {
        check_matmul::<f32>(m, n, k);
        check_matmul::<f64>(m, n, k);
    }
}

#[test]
fn the_system_blas_is_named_if_it_was_asked_for() {
    assert!(cfg!(feature = "blas") || blas() == "none");
}

#[test]
fn matmul_of_blocks_leaves_their_surroundings() {
    let n = 40;
    let (a, b, before) = (numbers::<f32>(n * n, 1), numbers(n * n, 2), numbers(n * n, 3));
    let mut c = before.clone();
    let (a, b) = (MatRef::new(&a, n, n).block(3, 5, 20, 30), MatRef::new(&b, n, n).block(1, 2, 30, 17));
    matmul(MatMut::new(&mut c, n, n).block(7, 11, 20, 17), 0.0, 1.0, a, b).unwrap();
    let exact = product(a, b);
    for i in 0..n {
        for j in 0..n {
            let inside = (7..27).contains(&i) && (11..28).contains(&j);
            let expected = if inside { exact[(i - 7) * 17 + j - 11] } else { before[i * n + j].wide() };
            assert!((c[i * n + j].wide() - expected).abs() <= tolerance::<f32>(30), "({i}, {j})");
        }
    }
}

fn check_syrk<T: Scalar>(n: usize, k: usize) {
    let (a, a_t) = (numbers::<T>(n * k, 1), numbers::<T>(n * k, 1));
    for a in [MatRef::new(&a, n, k), MatRef::new(&a_t, k, n).t()] {
        let exact = product(a, a.t());
        for (beta, alpha) in [(0.0, 1.0), (1.0, -1.0), (0.9, 0.1)] {
            let before = if beta == 0.0 { vec![T::nan(); n * n] } else { numbers(n * n, 3) };
            let expected = combine(&before, beta, alpha, &exact);
            let (mut c, mut turned) = (before.clone(), before.clone());
            syrk(MatMut::new(&mut c, n, n), T::of(beta), T::of(alpha), a).unwrap();
            mirror_lower(MatMut::new(&mut turned, n, n));
            syrk(MatMut::new(&mut turned, n, n).t(), T::of(beta), T::of(alpha), a).unwrap();
            for i in 0..n {
                for j in 0..=i {
                    let place = (i * n + j, j * n + i);
                    let error = |x: T| if x.is_nan() { 1.0 } else { (x.wide() - expected[place.0]).abs() };
                    assert!(error(c[place.0]) <= tolerance::<T>(k), "({i}, {j}) of {n} × {k}");
                    assert!(error(turned[place.1]) <= tolerance::<T>(k), "transposed ({i}, {j})");
                }
            }
        }
    }
}

#[test]
fn syrk_is_the_lower_triangle_of_the_product() {
    on_each_level(|_| {
        for n in orders() {
            for k in [0, 1, 5, 70, 256, 300] {
                check_syrk::<f32>(n, k);
                check_syrk::<f64>(n, k);
            }
        }
        check_syrk::<f32>(400, 530); // past the rows and the terms that go together
        check_syrk::<f64>(250, 270);
    });
}

fn check_weighted_gram<T: Scalar>(n: usize, k: usize) {
    let x = numbers::<T>(n * k, 1);
    let x = MatRef::new(&x, n, k);
    let weights: Vec<T> =
        numbers::<T>(k, 2).iter().enumerate().map(|(j, &w)| if j % 3 == 1 { T::zero() } else { w }).collect();
    let weighed: Vec<T> = (0..n * k).map(|at| x.at(at / k, at % k) * weights[at % k]).collect();
    let before = numbers::<T>(n * n, 3);
    let expected = combine(&before, 1.0, 1.0, &product(MatRef::new(&weighed, n, k), x.t()));
    let mut c = before.clone();
    weighted_gram(MatMut::new(&mut c, n, n), x, &weights).unwrap();
    for i in 0..n {
        for j in 0..=i {
            let error = (c[i * n + j].wide() - expected[i * n + j]).abs();
            assert!(error <= tolerance::<T>(k), "({i}, {j}) of {n} × {k}");
        }
    }
}

#[test]
fn weighted_gram_adds_the_product_with_weights_of_either_sign() {
    on_each_level(|_| {
        for (n, k) in [(1, 1), (5, 70), (33, 7), (40, 700)] {
            check_weighted_gram::<f32>(n, k);
            check_weighted_gram::<f64>(n, k);
        }
    });
}

#[test]
fn mirror_lower_copies_bits_and_keeps_the_rest() {
    for n in orders() {
        let before = numbers::<f32>(n * (n + 3), 1);
        let mut c = before.clone();
        mirror_lower(MatMut::strided(&mut c, n, n, n + 3, 1));
        let mut turned = before.clone();
        mirror_lower(MatMut::strided(&mut turned, n, n, 1, n + 3));
        for i in 0..n {
            for j in 0..n + 3 {
                let (low, high) = (i.max(j), i.min(j));
                let expected = if j < n { before[low * (n + 3) + high] } else { before[i * (n + 3) + j] };
                assert_eq!(c[i * (n + 3) + j], expected, "({i}, {j}) of {n}");
                let expected = if j < n { before[high * (n + 3) + low] } else { before[i * (n + 3) + j] };
                assert_eq!(turned[i * (n + 3) + j], expected, "transposed ({i}, {j}) of {n}");
            }
        }
    }
}

#[test]
fn matvec_is_the_product() {
    for (m, n) in [(0, 3), (1, 1), (3, 0), (17, 65), (200, 129), (129, 200)] {
        let (a, x, before) = (numbers::<f64>(m * n, 1), numbers(n, 2), numbers(m, 3));
        let mut y = before.clone();
        matvec(&mut y, -0.5, 2.0, MatRef::new(&a, m, n), &x);
        let exact = product(MatRef::new(&a, m, n), MatRef::new(&x, n, 1));
        assert!(distance(&y, &combine(&before, -0.5, 2.0, &exact)) <= tolerance::<f64>(n), "{m} × {n}");

        let mut y = vec![f64::NAN; n];
        let x = numbers(m, 4);
        matvec(&mut y, 0.0, 1.0, MatRef::new(&a, m, n).t(), &x);
        let exact = product(MatRef::new(&a, m, n).t(), MatRef::new(&x, m, 1));
        assert!(distance(&y, &exact) <= tolerance::<f64>(m), "transposed {m} × {n}");
    }
}
