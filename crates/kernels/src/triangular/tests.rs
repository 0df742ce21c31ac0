use super::*;
use crate::naive::{distance, numbers, orders, product};
use crate::simd::on_each_level;

/// A well-conditioned lower triangle; NaN above it, which nobody may read.
fn lower<T: Scalar>(n: usize) -> Vec<T> {
    let mut l = numbers::<T>(n * n, 1);
    for i in 0..n {
        l[i * n + i] = T::of(2.0 + (i % 3) as f64);
        (0..i).for_each(|j| l[i * n + j] /= T::of((n as f64).sqrt()));
        (i + 1..n).for_each(|j| l[i * n + j] = T::nan());
    }
    l
}

fn check<T: Scalar>(n: usize, k: usize) {
    let l = lower::<T>(n);
    let clean: Vec<T> = l.iter().map(|&x| if x.is_nan() { T::zero() } else { x }).collect();
    let (l, clean) = (MatRef::new(&l, n, n), MatRef::new(&clean, n, n));
    let b = numbers::<T>(n * k, 2);
    let exact: Vec<f64> = b.iter().map(|x| x.wide()).collect();
    let tolerance = 8.0 * (n + 1) as f64 * T::epsilon().wide() * 4.0;

    let mut x = b.clone();
    solve_lower(l, MatMut::new(&mut x, n, k)).unwrap();
    assert!(distance(&vec_of::<T>(product(clean, MatRef::new(&x, n, k))), &exact) <= tolerance, "{n}, {k}");

    let mut x = b.clone();
    solve_lower_transposed(l, MatMut::new(&mut x, n, k)).unwrap();
    let back = product(clean.t(), MatRef::new(&x, n, k));
    assert!(distance(&vec_of::<T>(back), &exact) <= tolerance, "transposed {n}, {k}");

    // B as the transpose of an array solves the same system.
    let turned: Vec<T> = (0..k * n).map(|at| b[at % n * k + at / n]).collect();
    let (mut x, mut y) = (turned, b.clone());
    solve_lower(l, MatMut::new(&mut x, k, n).t()).unwrap();
    solve_lower(l, MatMut::new(&mut y, n, k)).unwrap();
    (0..n * k).for_each(|at| assert_eq!(x[at % k * n + at / k], y[at]));
}

fn vec_of<T: Scalar>(x: Vec<f64>) -> Vec<T> {
    x.into_iter().map(T::of).collect()
}

#[test]
fn solutions_satisfy_their_equation() {
    on_each_level(|_| {
        for n in orders() {
            for k in [0, 1, 2, 15, 16, 17, 65, 150] {
                if n.max(1) * k > 0 {
                    check::<f32>(n, k);
                    check::<f64>(n, k);
                }
            }
        }
    });
}

#[test]
fn a_block_of_columns_is_solved_in_place() {
    let (n, k) = (70, 50);
    let l = lower::<f64>(n);
    let before = numbers::<f64>(n * k, 2);
    let mut b = before.clone();
    solve_lower(MatRef::new(&l, n, n), MatMut::new(&mut b, n, k).block(0, 3, n, 20)).unwrap();
    let mut whole = before.clone();
    solve_lower(MatRef::new(&l, n, n), MatMut::new(&mut whole, n, k)).unwrap();
    for at in 0..n * k {
        let inside = (3..23).contains(&(at % k));
        assert!((b[at] - if inside { whole[at] } else { before[at] }).abs() < 1e-14);
    }
}
