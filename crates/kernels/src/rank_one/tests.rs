use super::panels::{PANEL, PANELS_OF_EIGHT, PANELS_OF_TWO};
use super::*;
use crate::naive::{assert_close, numbers};
use crate::simd::on_each_level;
use crate::{Scalar, vector};

/// Sizes on both sides of a panel, of a vector pair, and of the first chunked pass.
const SIZES: [usize; 12] = [1, 2, 15, 16, 17, 31, 33, 48, 67, 130, 496, 497];

/// A symmetric positive definite matrix without structure: I + Σ g gᵀ over three g, and more on the diagonal.
fn positive(d: usize) -> Vec<f64> {
    let g: Vec<f64> = numbers(3 * d, 11);
    let mut a = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..d {
            a[i * d + j] = (0..3).map(|k| g[k * d + i] * g[k * d + j]).sum::<f64>() / d as f64;
        }
        a[i * d + i] += 1.0 + i as f64 / d as f64;
    }
    a
}

fn multiply(a: &[f64], x: &[f64]) -> Vec<f64> {
    a.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
}

fn narrow<T: Scalar>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::of(x)).collect()
}

fn relative_error<T: Scalar>(got: &[T], exact: &[f64]) -> f64 {
    let size = exact.iter().fold(0f64, |size, x| size.max(x.abs()));
    got.iter().zip(exact).fold(0f64, |worst, (got, x)| worst.max((got.wide() - x).abs())) / size
}

fn assert_symmetric<T: Scalar>(a: &[T], d: usize) {
    for i in 0..d {
        for j in 0..i {
            assert!(a[i * d + j] == a[j * d + i], "entry ({i}, {j}) of {d}");
        }
    }
}

fn multiplies<T: Scalar>() {
    on_each_level(|level| {
        for d in SIZES {
            let full = positive(d);
            let a = SymmetricInverse::<T>::from_full(d, &narrow(&full)).unwrap();
            assert_eq!(a.to_full().unwrap(), narrow(&full), "{level}, d = {d}");
            let x: Vec<f64> = numbers(d, 5);
            let mut y = vec![T::nan(); d];
            a.multiply(&narrow(&x), &mut y).unwrap();
            let error = relative_error(&y, &multiply(&full, &x));
            assert!(error < 8.0 * (d as f64).sqrt() * T::epsilon().wide(), "{level}, d = {d}: {error:e}");
        }
    });
}

#[test]
fn multiplies_as_the_whole_matrix_does() {
    multiplies::<f32>();
    multiplies::<f64>();
}

/// F A = I, with F summed up densely in f64 and A updated one by one and in blocks.
fn inverts<T: Scalar>() {
    on_each_level(|level| {
        for d in [1, 5, 16, 17, 40, 67] {
            let (beta, gamma) = (0.9, 0.3);
            let mut a = SymmetricInverse::<T>::identity(d, T::of(2.0)).unwrap();
            let mut b = a.copied().unwrap();
            let mut f = vec![0.0; d * d];
            f.iter_mut().step_by(d + 1).for_each(|f| *f = 0.5);
            let updates = 41; // two flushes and a rest, five blocks and a rest
            let g: Vec<T> = numbers(updates * d, 3);
            for g in g.chunks_exact(d) {
                for i in 0..d {
                    for j in 0..d {
                        f[i * d + j] = beta * f[i * d + j] + gamma * g[i].wide() * g[j].wide();
                    }
                }
                let mut ag = vec![T::zero(); d];
                a.multiply(g, &mut ag).unwrap();
                let curvature = a.update(g, T::of(beta), T::of(gamma)).unwrap().unwrap();
                let expected = vector::dot(g, &ag);
                assert_close(curvature, expected, 1e3 * T::epsilon().wide() * expected.wide(), level);
            }
            let weights: Vec<T> =
                (0..updates).map(|j| T::of(gamma * beta.powi((updates - 1 - j) as i32))).collect();
            b.update_many(&g, T::of(beta.powi(updates as i32)), &weights).unwrap().unwrap();

            for inverse in [&mut a, &mut b] {
                for flushed in [false, true] {
                    if flushed {
                        inverse.flush().unwrap();
                    }
                    let full = inverse.to_full().unwrap();
                    assert_symmetric(&full, d);
                    let wide: Vec<f64> = full.iter().map(|a| a.wide()).collect();
                    let size = wide.iter().fold(0f64, |size, a| size.max(a.abs()));
                    for row in 0..d {
                        let product = multiply(&wide, &f[row * d..(row + 1) * d]);
                        for (column, &entry) in product.iter().enumerate() {
                            let expected = f64::from(u8::from(row == column));
                            let error = (entry - expected).abs() / (size * d as f64);
                            assert!(error < 100.0 * T::epsilon().wide(), "{level}, d = {d}: {error:e}");
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn updates_keep_the_inverse_of_what_was_summed() {
    inverts::<f32>();
    inverts::<f64>();
}

#[test]
fn many_updates_stay_symmetric_and_positive() {
    let d = 37;
    let mut a = SymmetricInverse::<f32>::identity(d, 1.0).unwrap();
    let g: Vec<f32> = numbers(10_000 * d, 21);
    for g in g.chunks_exact(d) {
        assert!(a.update(g, 0.99, 0.01).unwrap().unwrap() > 0.0);
    }
    let full = a.to_full().unwrap();
    assert!(vector::all_finite(&full));
    assert_symmetric(&full, d);
    let full: Vec<f64> = full.iter().map(|&a| f64::from(a)).collect();
    for seed in 0..100 {
        let x: Vec<f64> = numbers(d, seed);
        let y = multiply(&full, &x);
        assert!(x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() > 0.0);
    }
}

#[test]
fn fast_forgetting_neither_overflows_nor_cancels() {
    let d = 3;
    let mut a = SymmetricInverse::<f32>::identity(d, 1.0).unwrap();
    for t in 0..3000 {
        let mut g = [0.0; 3];
        g[t % d] = 1.0;
        a.update(&g, 0.5, 0.5).unwrap().unwrap();
    }
    // F stays diagonal. Axis i was renewed 2 − i updates before the last, and every three before that.
    let full = a.to_full().unwrap();
    for i in 0..d {
        let f = 0.5f64.powi((2 - i) as i32 + 1) / (1.0 - 0.125);
        assert!((f64::from(full[i * d + i]) * f - 1.0).abs() < 4e-6, "axis {i}: {full:?}");
    }
}

#[test]
fn the_bits_don_t_depend_on_the_threads() {
    for panels in [PANELS_OF_TWO, PANELS_OF_EIGHT] {
        let d = PANEL * panels + 5;
        let g: Vec<f32> = numbers(8 * d, 2);
        let bits = |threads| {
            let mut a = SymmetricInverse::identity(d, 1f32).unwrap();
            a.set_threads(threads);
            for g in g.chunks_exact(d).take(3) {
                a.update(g, 0.9, 0.1).unwrap().unwrap();
            }
            a.update_many(&g, 0.9, &[0.1; 8]).unwrap().unwrap();
            a.flush().unwrap();
            let mut y = vec![0.0; d];
            a.multiply(&g[..d], &mut y).unwrap();
            y.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert!(bits(1) == bits(2));
    }
}

#[test]
fn an_error_in_a_later_block_leaves_nothing_behind() {
    let d = 40;
    let mut a = SymmetricInverse::<f64>::identity(d, 2.0).unwrap();
    let mut g: Vec<f64> = numbers(29 * d, 8);
    a.update_many(&g, 0.7, &[0.2; 29]).unwrap().unwrap();
    let (before, size) = (a.to_full().unwrap(), 2.0);
    g[27 * d] = f64::NAN; // in the fourth block
    assert!(a.update_many(&g, 0.5, &[0.3; 29]).unwrap().is_err());
    for (after, before) in a.to_full().unwrap().iter().zip(&before) {
        assert!((after - before).abs() < 1e-14 * size, "{after} was {before}");
    }
    a.update(&g[..d], 0.9, 0.1).unwrap().unwrap();
}

#[test]
fn an_update_that_makes_it_indefinite_is_refused() {
    let mut a = SymmetricInverse::identity(2, 1.0).unwrap();
    let before = a.to_full().unwrap();
    assert_eq!(a.update(&[2.0, 0.0], 1.0, -0.5), Ok(Err(Indefinite { value: -1.0 })));
    assert!(a.update(&[f64::NAN, 0.0], 1.0, 0.5).unwrap().is_err());
    assert!(a.update_many(&[f64::INFINITY, 0.0], 1.0, &[1.0]).unwrap().is_err());
    assert_eq!(a.to_full().unwrap(), before);
    a.update(&[2.0, 0.0], 1.0, 0.5).unwrap().unwrap();
    a.scale(3.0);
    assert_eq!(a.to_full().unwrap(), [1.0, 0.0, 0.0, 3.0]);
}
