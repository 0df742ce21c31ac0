//! The kinds of symmetric matrices that LAPACK tests its Cholesky drivers on (xCHKPO, LAPACK Working Note 41), and its
//! measure: ‖b − A x‖ / (‖A‖ ‖x‖ n ε) < 30.

use nhgd_kernels::{Cholesky, Scalar, SymmetricInverse};

/// Sizes on both sides of every block edge.
const ORDERS: [usize; 14] = [1, 2, 3, 5, 16, 31, 32, 33, 63, 65, 96, 97, 129, 200];
const THRESHOLD: f64 = 30.0;

struct Random(u64);

impl Random {
    /// In (−1, 1).
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn vector(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// Q diag(eigenvalues) Qᵀ with Q a product of random reflections.
fn with_spectrum(eigenvalues: &[f64], random: &mut Random) -> Vec<f64> {
    let n = eigenvalues.len();
    let mut a = vec![0.0; n * n];
    (0..n).for_each(|i| a[i * n + i] = eigenvalues[i]);
    for _ in 0..n.min(12) {
        let mut w = random.vector(n);
        let norm = w.iter().map(|x| x * x).sum::<f64>().sqrt();
        w.iter_mut().for_each(|x| *x /= norm);
        // (I − 2wwᵀ) A (I − 2wwᵀ) = A − wzᵀ − zwᵀ with z = 2Aw − 2(wᵀAw)w.
        let product: Vec<f64> = a.chunks_exact(n).map(|row| dot(row, &w)).collect();
        let curvature = dot(&product, &w);
        let z: Vec<f64> = product.iter().zip(&w).map(|(p, w)| 2.0 * (p - curvature * w)).collect();
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] -= w[i] * z[j] + z[i] * w[j];
            }
        }
    }
    // Symmetric to the bit.
    for i in 0..n {
        for j in 0..i {
            a[j * n + i] = a[i * n + j];
        }
    }
    a
}

/// Eigenvalues from 1 down to 1/condition, in equal ratios.
fn geometric(n: usize, condition: f64) -> Vec<f64> {
    (0..n).map(|i| condition.powf(-(i as f64) / (n.max(2) - 1) as f64)).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most: f64, x| most.max(x.abs()))
}

/// ‖b − A x‖ / (‖A‖ ‖x‖ n ε) in the ∞-norm, of numbers that were divided by `scale` so that nothing overflows.
fn ratio<T: Scalar>(a: &[T], x: &[T], b: &[T], scale: f64) -> f64 {
    let n = b.len();
    let a: Vec<f64> = a.iter().map(|a| a.wide() / scale).collect();
    let x: Vec<f64> = x.iter().map(|x| x.wide() * scale).collect();
    let residual: Vec<f64> = a.chunks_exact(n).zip(b).map(|(row, b)| b.wide() - dot(row, &x)).collect();
    let norm = a.chunks_exact(n).map(|row| row.iter().map(|a| a.abs()).sum()).fold(0.0, f64::max);
    largest(&residual) / (norm * largest(&x) * n as f64 * T::epsilon().wide())
}

fn of<T: Scalar>(x: &[f64], scale: f64) -> Vec<T> {
    x.iter().map(|&x| T::of(x * scale)).collect()
}

fn regular_kinds<T: Scalar>() {
    let epsilon = T::epsilon().wide();
    let mut random = Random(5);
    for n in ORDERS {
        let diagonal: Vec<f64> =
            (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 + at as f64 } else { 0.0 }).collect();
        let well = |random: &mut Random| with_spectrum(&geometric(n, 2.0), random);
        let ill = |condition: f64, random: &mut Random| with_spectrum(&geometric(n, condition), random);
        // Room for the sums of a row, as LAPACK leaves it.
        let near_overflow = T::max_value().wide().powf(0.9);
        let kinds = [
            ("diagonal", diagonal, 1.0),
            ("condition 2", well(&mut random), 1.0),
            ("condition √(0.1/ε)", ill((0.1 / epsilon).sqrt(), &mut random), 1.0),
            ("condition 0.1/ε", ill(0.1 / epsilon / n as f64, &mut random), 1.0),
            ("near underflow", well(&mut random), near_overflow.recip()),
            ("near overflow", well(&mut random), near_overflow),
        ];
        for (kind, a, scale) in kinds {
            let a = of::<T>(&a, scale);
            let chol = Cholesky::factor(n, a.clone()).unwrap().unwrap_or_else(|_| panic!("{kind}, n = {n}"));
            let b = of::<T>(&random.vector(n), 1.0);
            let mut x = b.clone();
            chol.solve(&mut x).unwrap();
            let error = ratio(&a, &x, &b, scale);
            assert!(error < THRESHOLD, "{kind}, n = {n}: {error}");
        }
    }
}

#[test]
fn solves_the_regular_kinds() {
    regular_kinds::<f32>();
    regular_kinds::<f64>();
}

/// A row and column of zeros first, last or in the middle: no pivot is left there.
#[test]
fn reports_the_singular_kinds() {
    let mut random = Random(6);
    for n in ORDERS {
        for zero in [0, n / 2, n - 1] {
            let mut a = with_spectrum(&geometric(n, 2.0), &mut random);
            for i in 0..n {
                a[zero * n + i] = 0.0;
                a[i * n + zero] = 0.0;
            }
            let failed =
                Cholesky::factor(n, a).unwrap().err().unwrap_or_else(|| panic!("n = {n}, zero at {zero}"));
            assert_eq!(failed.index, zero, "n = {n}");
        }
    }
}

/// ‖I − F A‖ / (‖F‖ ‖A‖ n ε), LAPACK's measure of an inverse, in the 1-norm.
fn inverse_ratio<T: Scalar>(f: &[f64], inverse: &[T], n: usize) -> f64 {
    let column = |j: usize| (0..n).map(|i| inverse[i * n + j].wide()).collect::<Vec<_>>();
    let sum = |x: &[f64]| x.iter().map(|x| x.abs()).sum::<f64>();
    let columns: Vec<_> = (0..n).map(column).collect();
    let mut error = 0.0f64;
    for (j, column) in columns.iter().enumerate() {
        let mut back: Vec<f64> = f.chunks_exact(n).map(|row| dot(row, column)).collect();
        back[j] -= 1.0;
        error = error.max(sum(&back));
    }
    let norm = |rows: &mut dyn Iterator<Item = f64>| rows.fold(0.0, f64::max);
    let sizes = norm(&mut f.chunks_exact(n).map(sum)) * norm(&mut columns.iter().map(|column| sum(column)));
    error / (sizes * n as f64 * T::epsilon().wide())
}

/// (damping·I + Σ ggᵀ)⁻¹ by rank-1 and by blocked updates, each gradient coming three times.
fn duplicates<T: Scalar>() {
    let mut random = Random(7);
    let damping = 0.5;
    for n in [1, 2, 3, 17, 33, 65, 130] {
        let mut f = vec![0.0; n * n];
        (0..n).for_each(|i| f[i * n + i] = damping);
        let start = SymmetricInverse::<T>::identity(n, T::of(1.0 / damping)).unwrap();
        let (mut one, mut many) = (start.copied().unwrap(), start);
        for _ in 0..n.div_ceil(3) {
            let g: Vec<T> = of(&random.vector(n), 1.0);
            for _ in 0..3 {
                one.update(&g, T::one(), T::one()).unwrap().unwrap();
                for at in 0..n * n {
                    f[at] += g[at / n].wide() * g[at % n].wide();
                }
            }
            many.update_many(&[g.clone(), g.clone(), g].concat(), T::one(), &[T::one(); 3]).unwrap().unwrap();
        }
        for (name, inverse) in [("one by one", one), ("in blocks", many)] {
            let error = inverse_ratio(&f, &inverse.to_full().unwrap(), n);
            assert!(error < THRESHOLD, "{name}, {}, n = {n}: {error}", T::NAME);
        }
    }
}

#[test]
fn updates_with_duplicate_gradients_keep_the_inverse() {
    duplicates::<f32>();
    duplicates::<f64>();
}
