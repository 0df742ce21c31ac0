use super::*;
use crate::naive::{numbers, product};
use crate::product::matvec;
use crate::{Cholesky, MatRef};

type Never = Result<(), OutOfMemory>;

/// X·Xᵀ / n + damping·I, not diagonal.
fn positive<T: Scalar>(n: usize, damping: f64) -> Vec<T> {
    let x = numbers::<f64>(n * n, 3);
    let mut a = product(MatRef::new(&x, n, n), MatRef::new(&x, n, n).t());
    a.iter_mut().for_each(|a| *a /= n as f64);
    (0..n).for_each(|i| a[i * n + i] += damping);
    a.into_iter().map(T::of).collect()
}

fn times<T: Scalar>(a: &[T]) -> impl FnMut(&[T], &mut [T]) -> Never {
    move |p, out| {
        matvec(out, T::zero(), T::one(), MatRef::new(a, p.len(), p.len()), p);
        Ok(())
    }
}

fn copy<T: Scalar>(r: &[T], out: &mut [T]) -> Never {
    out.copy_from_slice(r);
    Ok(())
}

/// ‖b − A·x‖ / ‖b‖ in `f64`.
fn residual<T: Scalar>(a: &[T], b: &[T], x: &[T]) -> f64 {
    let n = b.len();
    let ax = product(MatRef::new(a, n, n), MatRef::new(x, n, 1));
    let square = |x: f64| x * x;
    let error: f64 = b.iter().zip(&ax).map(|(b, ax)| square(b.wide() - ax)).sum();
    (error / b.iter().map(|b| square(b.wide())).sum::<f64>()).sqrt()
}

fn check<T: Scalar>(n: usize, tolerance: f64) {
    let (a, b) = (positive::<T>(n, 0.5), numbers::<T>(n, 4));
    let (mut cold, mut warm) = (vec![T::zero(); n], numbers::<T>(n, 5));
    for x in [&mut cold, &mut warm] {
        let outcome = conjugate_gradients(&mut times(&a), &mut copy, &b, x, tolerance, 4 * n).unwrap();
        assert_eq!(outcome.stop, CgStop::Converged, "n = {n}");
        assert!(outcome.residual <= tolerance);
        assert!((residual(&a, &b, x) - outcome.residual).abs() <= 8.0 * n as f64 * T::epsilon().wide());
    }
}

#[test]
fn solutions_satisfy_their_equation() {
    for n in [1, 2, 3, 17, 64, 65, 200] {
        check::<f32>(n, 1e-5);
        check::<f64>(n, 1e-12);
    }
}

#[test]
fn k_distinct_eigenvalues_take_k_steps() {
    // I + u·uᵀ + w·wᵀ has three.
    let n = 50;
    let (u, w) = (numbers::<f64>(n, 1), numbers::<f64>(n, 2));
    let entry = |i: usize, j: usize| u[i] * u[j] + w[i] * w[j] + if i == j { 1.0 } else { 0.0 };
    let a: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
    let mut x = vec![0.0; n];
    let outcome =
        conjugate_gradients(&mut times(&a), &mut copy, &numbers::<f64>(n, 3), &mut x, 1e-10, 100).unwrap();
    assert_eq!((outcome.steps, outcome.stop), (3, CgStop::Converged));
}

#[test]
fn the_exact_inverse_as_preconditioner_takes_one_step() {
    let n = 65;
    let (a, b) = (positive::<f64>(n, 1e-3), numbers::<f64>(n, 4));
    let inverse = Cholesky::factor(n, a.clone()).unwrap().unwrap();
    let mut precondition = |r: &[f64], out: &mut [f64]| -> Never {
        out.copy_from_slice(r);
        inverse.solve(out).unwrap();
        Ok(())
    };
    let mut x = vec![0.0; n];
    let outcome = conjugate_gradients(&mut times(&a), &mut precondition, &b, &mut x, 1e-9, 100).unwrap();
    assert_eq!((outcome.steps, outcome.stop), (1, CgStop::Converged));
    let mut again = x.clone();
    let outcome = conjugate_gradients(&mut times(&a), &mut precondition, &b, &mut again, 1e-9, 100).unwrap();
    assert_eq!((outcome.steps, x), (0, again));
}

#[test]
fn a_preconditioner_may_vary() {
    let n = 120;
    let (a, b) = (positive::<f64>(n, 0.05), numbers::<f64>(n, 4));
    let mut turn = 0;
    let mut precondition = |r: &[f64], out: &mut [f64]| -> Never {
        turn += 1;
        (0..n).for_each(|i| out[i] = r[i] / (a[i * n + i] * if (i + turn) % 3 == 0 { 1.3 } else { 1.0 }));
        Ok(())
    };
    let mut x = vec![0.0; n];
    let outcome = conjugate_gradients(&mut times(&a), &mut precondition, &b, &mut x, 1e-8, 4 * n).unwrap();
    assert_eq!(outcome.stop, CgStop::Converged);
    assert!(residual(&a, &b, &x) <= 1.01e-8);
}

#[test]
fn few_steps_keep_the_best_iterate() {
    // Ill-conditioned: the residual of plain conjugate gradients rises and falls.
    let n = 100;
    let (a, b) = (positive::<f64>(n, 1e-6), numbers::<f64>(n, 4));
    let mut last = 1.0;
    for max_steps in 0..40 {
        let mut x = vec![0.0; n];
        let outcome = conjugate_gradients(&mut times(&a), &mut copy, &b, &mut x, 1e-12, max_steps).unwrap();
        assert_eq!((outcome.steps, outcome.stop), (max_steps, CgStop::MaxSteps));
        assert!(outcome.residual <= last, "at {max_steps} steps");
        assert!((residual(&a, &b, &x) - outcome.residual).abs() < 1e-9);
        last = outcome.residual;
    }
}

#[test]
fn negative_curvature_is_told_and_the_last_good_iterate_kept() {
    let n = 30;
    let b = numbers::<f64>(n, 4);
    // I + u·uᵀ / n with one eigenvalue turned to about −½, of which b holds little.
    let (u, w) = (numbers::<f64>(n, 1), numbers::<f64>(n, 2));
    let ww: f64 = w.iter().map(|w| w * w).sum();
    let entry =
        |i: usize, j: usize| u[i] * u[j] / n as f64 - 1.5 * w[i] * w[j] / ww + if i == j { 1.0 } else { 0.0 };
    let late: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
    for (a, some_steps) in [(late, true), (positive(n, -10.0), false)] {
        let guess = vec![0.0; n];
        let mut x = guess.clone();
        let outcome = conjugate_gradients(&mut times(&a), &mut copy, &b, &mut x, 1e-12, 1000).unwrap();
        assert_eq!(outcome.stop, CgStop::NegativeCurvature);
        assert_eq!(
            (outcome.steps > 0, x != guess, outcome.residual < 0.9),
            (some_steps, some_steps, some_steps)
        );
        assert!((residual(&a, &b, &x) - outcome.residual).abs() < 1e-9);
    }
    let mut negative = |r: &[f64], out: &mut [f64]| -> Never {
        (0..n).for_each(|i| out[i] = -r[i]);
        Ok(())
    };
    let a = positive::<f64>(n, 1.0);
    let outcome = conjugate_gradients(&mut times(&a), &mut negative, &b, &mut vec![0.0; n], 1e-9, 9).unwrap();
    assert_eq!((outcome.steps, outcome.stop), (0, CgStop::NegativeCurvature));
    assert_eq!(outcome.residual, 1.0);
}

#[test]
fn a_tolerance_below_rounding_stalls_at_an_honest_residual() {
    let n = 65;
    let (a, b) = (positive::<f32>(n, 0.5), numbers::<f32>(n, 4));
    for tolerance in [0.0, 1e-12] {
        let mut x = vec![0.0; n];
        let outcome = conjugate_gradients(&mut times(&a), &mut copy, &b, &mut x, tolerance, 10_000).unwrap();
        assert_eq!(outcome.stop, CgStop::Stalled);
        assert!(outcome.residual < 1e-5);
        assert!((residual(&a, &b, &x) - outcome.residual).abs() <= 8.0 * n as f64 * f32::EPSILON as f64);
    }
}

#[test]
fn the_residual_is_that_of_the_solution_where_rounding_parts_them() {
    // Scaled rows and columns give a condition of 1e8, which f32 cannot hold.
    let n = 40;
    let mut a = positive::<f32>(n, 0.5);
    for i in 0..n {
        for j in 0..n {
            a[i * n + j] *= 10f32.powf(-4.0 * (i + j) as f32 / (2 * n - 2) as f32);
        }
    }
    let b = numbers::<f32>(n, 4);
    for (max_steps, guess) in [(40, 0.0), (400, 0.0), (40, 1e8)] {
        let mut x = vec![guess; n];
        let outcome = conjugate_gradients(&mut times(&a), &mut copy, &b, &mut x, 1e-7, max_steps).unwrap();
        let truth = residual(&a, &b, &x);
        assert!(
            outcome.residual < 1.5 * truth && truth < 1.5 * outcome.residual,
            "{outcome:?}, truth {truth}"
        );
    }
}

fn sizes_of_b_do_not_matter<T: Scalar>(units: &[f64]) {
    let n = 30;
    let (a, b) = (positive::<T>(n, 0.5), numbers::<T>(n, 4));
    let solve = |unit: f64| {
        let b: Vec<T> = b.iter().map(|&b| b * T::of(unit)).collect();
        let mut x = vec![T::zero(); n];
        let outcome = conjugate_gradients(&mut times(&a), &mut copy, &b, &mut x, 1e-5, 4 * n).unwrap();
        assert_eq!(outcome.stop, CgStop::Converged, "unit {unit}");
        assert!(outcome.residual > 0.0 && outcome.residual <= 1e-5);
        x.iter().map(|x| x.wide() / unit).collect::<Vec<_>>()
    };
    let expected = solve(1.0);
    for &unit in units {
        let close = |(x, e): (&f64, &f64)| (x - e).abs() <= 1e-4;
        assert!(solve(unit).iter().zip(&expected).all(close), "unit {unit}");
    }
}

#[test]
fn huge_and_tiny_right_hand_sides_neither_overflow_nor_underflow() {
    sizes_of_b_do_not_matter::<f32>(&[1e-30, 1e-24, 1e20, 1e30]);
    sizes_of_b_do_not_matter::<f64>(&[1e-280, 1e-200, 1e200, 1e280]);
}

#[test]
fn zero_right_hand_sides_and_bad_values() {
    let a = positive::<f64>(5, 0.5);
    let mut x = numbers::<f64>(5, 1);
    let outcome = conjugate_gradients(&mut times(&a), &mut copy, &[0.0; 5], &mut x, 1e-9, 9).unwrap();
    assert_eq!((outcome.steps, outcome.residual, outcome.stop), (0, 0.0, CgStop::Converged));
    assert_eq!(x, [0.0; 5]);

    let empty = conjugate_gradients(&mut times::<f64>(&[]), &mut copy, &[], &mut [], 1e-9, 9).unwrap();
    assert_eq!(empty.stop, CgStop::Converged);

    let mut poisoned = |_: &[f64], out: &mut [f64]| -> Never {
        out.fill(f64::NAN);
        Ok(())
    };
    let mut x = vec![0.0; 5];
    let outcome = conjugate_gradients(&mut poisoned, &mut copy, &[1.0; 5], &mut x, 1e-9, 9).unwrap();
    assert_eq!((outcome.steps, outcome.residual, outcome.stop), (0, 1.0, CgStop::Stalled));
    assert_eq!(x, [0.0; 5]);
}

#[test]
fn an_error_of_a_callback_is_handed_on() {
    #[derive(Debug, PartialEq)]
    struct NoProduct;
    impl From<OutOfMemory> for NoProduct {
        fn from(_: OutOfMemory) -> Self {
            Self
        }
    }
    let mut fails = |_: &[f64], _: &mut [f64]| Err(NoProduct);
    let mut fine = |r: &[f64], out: &mut [f64]| {
        out.copy_from_slice(r);
        Ok(())
    };
    let error = conjugate_gradients(&mut fails, &mut fine, &[1.0], &mut [0.0], 1e-9, 9).unwrap_err();
    assert_eq!(error, NoProduct);
}
