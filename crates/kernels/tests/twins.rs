//! Every kernel against its plain twin, on random shapes and numbers: some hundred cases as a rule, and as many as
//! `NHGD_TWIN_CASES` says in the soak (`npm run soak -- --only twins`). The tests beside each kernel go over all
//! instruction sets.

#[path = "../src/naive.rs"]
#[allow(dead_code)]
mod naive;

use naive::{assert_close, distance, numbers, product};
use nhgd_kernels::*;

/// What decides a case: a linear congruential generator.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    /// From 0 to below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }
    /// A size from 1, as a rule a small one: blocks have 16 and 64 entries.
    fn size(&mut self) -> usize {
        let most = if self.below(40) == 0 { 150 } else { 36 };
        1 + self.below(most)
    }
    fn numbers<T: Scalar>(&mut self, n: usize) -> Vec<T> {
        numbers(n, self.next())
    }
    fn one_of<V: Copy>(&mut self, values: &[V]) -> V {
        values[self.below(values.len())]
    }
}

/// Calls `check` with as many draws as there are cases.
fn each(mut check: impl FnMut(&mut Draw)) {
    let cases = std::env::var("NHGD_TWIN_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    (0..cases).for_each(|case: u64| check(&mut Draw(case.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
}

/// A test of a generic check, each case in one of the scalar types.
macro_rules! twins {
    ($($name:ident: $check:ident;)*) => {$(
        #[test]
        fn $name() {
            each(|draw| if draw.below(2) == 0 { $check::<f32>(draw) } else { $check::<f64>(draw) });
        }
    )*};
}

twins! {
    vectors_have_their_definitions: vectors;
    products_have_their_definitions: products;
    symmetric_products_have_their_definitions: symmetric_products;
    products_with_vectors_have_their_definitions: products_with_vectors;
    triangles_are_solved: triangles;
    factors_are_those_of_the_matrix: factors;
    eigenvectors_are_those_of_the_matrix: eigenvectors;
    softmax_has_its_definition: softmax_rows;
    skinny_products_have_their_definitions: skinny_products;
    activations_have_their_definitions: activations;
    features_are_widened: widened;
    the_inverse_is_that_of_the_sum: inverses;
    conjugate_gradients_solve: conjugate;
}

fn epsilon<T: Scalar>() -> f64 {
    T::epsilon().wide()
}

fn vectors<T: Scalar>(draw: &mut Draw) {
    let n = draw.below(400);
    let (from_x, from_y) = (draw.below(5), draw.below(5));
    let (x, y) = (draw.numbers::<T>(n + from_x), draw.numbers::<T>(n + from_y));
    let (x, y) = (&x[from_x..], &y[from_y..]);
    let tolerance = 8.0 * (n + 1) as f64 * epsilon::<T>();
    assert_close(vector::dot(x, y), naive::dot(x, y), tolerance, "dot");
    assert_close(vector::sum(x), naive::sum(x), tolerance, "sum");
    assert_close(vector::norm(x), naive::norm(x), tolerance, "norm");
    assert!(vector::all_finite(x));
    let alpha = draw.numbers::<T>(1)[0];
    let (mut moved, mut multiplied) = (y.to_vec(), y.to_vec());
    vector::axpy(alpha, x, &mut moved);
    vector::mul_into(x, &mut multiplied);
    for i in 0..n {
        assert_close(moved[i], alpha * x[i] + y[i], 16.0 * epsilon::<T>(), "axpy");
        assert!(multiplied[i] == x[i] * y[i]);
    }
    vector::scale(alpha, &mut multiplied);
    assert!((0..n).all(|i| multiplied[i] == alpha * (x[i] * y[i])));
}

/// The same matrix by another layout: itself, or the transpose of the array of its transpose.
fn laid<'a, T: Scalar>(
    draw: &mut Draw,
    x: &'a [T],
    turned: &'a mut Vec<T>,
    rows: usize,
    cols: usize,
) -> MatRef<'a, T> {
    if draw.below(2) == 0 {
        return MatRef::new(x, rows, cols);
    }
    *turned = (0..rows * cols).map(|at| x[at % rows * cols + at / rows]).collect();
    MatRef::new(turned, cols, rows).t()
}

fn products<T: Scalar>(draw: &mut Draw) {
    let (m, n, k) = (draw.size(), draw.size(), draw.below(60));
    let (a, b, before) = (draw.numbers::<T>(m * k), draw.numbers::<T>(k * n), draw.numbers::<T>(m * n));
    let (mut turned_a, mut turned_b) = (vec![], vec![]);
    let (a, b) = (laid(draw, &a, &mut turned_a, m, k), laid(draw, &b, &mut turned_b, k, n));
    let (beta, alpha) = (draw.one_of(&[0.0, 1.0, -0.5]), draw.one_of(&[1.0, -1.0, 0.3]));
    let exact = product(a, b);
    let expected: Vec<f64> = before.iter().zip(&exact).map(|(c, p)| beta * c.wide() + alpha * p).collect();
    let mut c = before.clone();
    matmul(MatMut::new(&mut c, m, n), T::of(beta), T::of(alpha), a, b).unwrap();
    assert!(distance(&c, &expected) <= 16.0 * (k + 2) as f64 * epsilon::<T>(), "{m} × {k} × {n}");
}

fn symmetric_products<T: Scalar>(draw: &mut Draw) {
    let (n, k) = (draw.size(), draw.below(60));
    let (a, before) = (draw.numbers::<T>(n * k), draw.numbers::<T>(n * n));
    let mut turned = vec![];
    let a = laid(draw, &a, &mut turned, n, k);
    let (beta, alpha) = (draw.one_of(&[0.0, 1.0, 0.9]), draw.one_of(&[1.0, -1.0, 0.1]));
    let exact = product(a, a.t());
    let mut c = before.clone();
    syrk(MatMut::new(&mut c, n, n), T::of(beta), T::of(alpha), a).unwrap();
    mirror_lower(MatMut::new(&mut c, n, n));
    for i in 0..n {
        for j in 0..n {
            let low = i.max(j) * n + i.min(j);
            let expected = T::of(beta * before[low].wide() + alpha * exact[low]);
            assert_close(c[i * n + j], expected, 16.0 * (k + 2) as f64 * epsilon::<T>(), "syrk");
        }
    }
}

fn products_with_vectors<T: Scalar>(draw: &mut Draw) {
    let (m, n) = (draw.size(), draw.size());
    let (a, x, before) = (draw.numbers::<T>(m * n), draw.numbers::<T>(n), draw.numbers::<T>(m));
    let mut turned = vec![];
    let a = laid(draw, &a, &mut turned, m, n);
    let (beta, alpha) = (draw.one_of(&[0.0, 1.0, -0.5]), draw.one_of(&[1.0, 2.0]));
    let mut y = before.clone();
    matvec(&mut y, T::of(beta), T::of(alpha), a, &x);
    let exact = product(a, MatRef::new(&x, n, 1));
    let expected: Vec<f64> = before.iter().zip(&exact).map(|(y, p)| beta * y.wide() + alpha * p).collect();
    assert!(distance(&y, &expected) <= 16.0 * (n + 2) as f64 * epsilon::<T>(), "{m} × {n}");
}

/// A well-conditioned lower triangle; zeros above it.
fn lower<T: Scalar>(draw: &mut Draw, n: usize) -> Vec<T> {
    let mut l = draw.numbers::<T>(n * n);
    for i in 0..n {
        (0..i).for_each(|j| l[i * n + j] /= T::of((n as f64).sqrt()));
        l[i * n + i] = T::of(2.0 + (i % 3) as f64);
        (i + 1..n).for_each(|j| l[i * n + j] = T::zero());
    }
    l
}

fn triangles<T: Scalar>(draw: &mut Draw) {
    let (n, k) = (draw.size(), draw.size());
    let (l, b) = (lower::<T>(draw, n), draw.numbers::<T>(n * k));
    let l = MatRef::new(&l, n, n);
    let exact: Vec<f64> = b.iter().map(|x| x.wide()).collect();
    let tolerance = 32.0 * (n + 1) as f64 * epsilon::<T>();
    let (mut x, mut y) = (b.clone(), b.clone());
    triangular::solve_lower(l, MatMut::new(&mut x, n, k)).unwrap();
    triangular::solve_lower_transposed(l, MatMut::new(&mut y, n, k)).unwrap();
    for (l, x) in [(l, x), (l.t(), y)] {
        let back: Vec<T> = product(l, MatRef::new(&x, n, k)).into_iter().map(T::of).collect();
        assert!(distance(&back, &exact) <= tolerance, "{n} × {k}");
    }
}

/// L·Lᵀ of a well-conditioned triangle.
fn positive<T: Scalar>(draw: &mut Draw, n: usize) -> Vec<T> {
    let l = lower::<T>(draw, n);
    product(MatRef::new(&l, n, n), MatRef::new(&l, n, n).t()).into_iter().map(T::of).collect()
}

fn length<T: Scalar>(x: &[T]) -> f64 {
    naive::norm(x).wide()
}

fn factors<T: Scalar>(draw: &mut Draw) {
    let n = draw.size();
    let (a, b) = (positive::<T>(draw, n), draw.numbers::<T>(n));
    let chol = Cholesky::factor(n, a.clone()).unwrap().unwrap();
    let tolerance = 8.0 * (n + 1) as f64 * epsilon::<T>() * length(&a);
    let mut x = b.clone();
    chol.solve(&mut x).unwrap();
    let back: Vec<T> = product(MatRef::new(&a, n, n), MatRef::new(&x, n, 1)).into_iter().map(T::of).collect();
    let exact: Vec<f64> = b.iter().map(|b| b.wide()).collect();
    assert!(distance(&back, &exact) <= tolerance * (1.0 + length(&x)), "A·x = b, {n}");
    let mut inverse = chol.inverse().unwrap();
    mirror_lower(MatMut::new(&mut inverse, n, n));
    let one: Vec<T> =
        product(MatRef::new(&a, n, n), MatRef::new(&inverse, n, n)).into_iter().map(T::of).collect();
    let identity: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
    assert!(distance(&one, &identity) <= tolerance * (1.0 + length(&inverse)) * 4.0, "A·A⁻¹ = I, {n}");
}

fn eigenvectors<T: Scalar>(draw: &mut Draw) {
    let n = 1 + draw.below(20);
    let mut a = draw.numbers::<T>(n * n);
    mirror_lower(MatMut::new(&mut a, n, n));
    let eigen = symmetric_eigen(n, a.clone()).unwrap().unwrap();
    assert!(eigen.values.is_sorted());
    let v = MatRef::new(&eigen.vectors, n, n);
    let tolerance = 8.0 * (n + 1) as f64 * epsilon::<T>();
    let left = product(MatRef::new(&a, n, n), v);
    for at in 0..n * n {
        let error = (left[at] - eigen.vectors[at].wide() * eigen.values[at % n].wide()).abs();
        assert!(error <= tolerance * (1.0 + length(&a)), "A·V = V·Λ, {n}: {error:e}");
    }
    let gram: Vec<T> = product(v.t(), v).into_iter().map(T::of).collect();
    let identity: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
    assert!(distance(&gram, &identity) <= tolerance, "Vᵀ·V = I, {n}");
}

fn softmax_rows<T: Scalar>(draw: &mut Draw) {
    let (rows, classes) = (1 + draw.below(20), 1 + draw.below(30));
    let size = draw.one_of(&[1.0, 30.0, 3e3]);
    let scores: Vec<T> = draw.numbers::<T>(rows * classes).into_iter().map(|s| s * T::of(size)).collect();
    let labels: Vec<u32> = (0..rows).map(|_| draw.below(classes) as u32).collect();
    let (mut p, mut losses) = (scores.clone(), vec![T::nan(); rows]);
    softmax::softmax_cross_entropy(&mut p, classes, &labels, &mut losses);
    let weights = draw.numbers::<T>(rows);
    let mut e = p.clone();
    softmax::residuals(&mut e, classes, &labels, Some(&weights));
    let tolerance = 8.0 * classes as f64 * epsilon::<T>() * (1.0 + size);
    for r in 0..rows {
        let row = &scores[r * classes..][..classes];
        let max = row.iter().fold(f64::MIN, |max, s| max.max(s.wide()));
        let total: f64 = row.iter().map(|s| (s.wide() - max).exp()).sum();
        let loss = max + total.ln() - row[labels[r] as usize].wide();
        assert_close(losses[r], T::of(loss), tolerance * (1.0 + loss.abs()), "loss");
        for c in 0..classes {
            let exact = (row[c].wide() - max).exp() / total;
            let hot = f64::from(u8::from(c == labels[r] as usize));
            assert_close(p[r * classes + c], T::of(exact), tolerance, "softmax");
            assert_close(e[r * classes + c], T::of(weights[r].wide() * (exact - hot)), tolerance, "residual");
        }
    }
}

fn skinny_products<T: Scalar>(draw: &mut Draw) {
    let (rows, features, classes) = (draw.below(20), draw.size(), 1 + draw.below(24));
    let stride = skinny::stride(features);
    let mut padded = |count: usize| {
        let mut x = draw.numbers::<T>(count * stride);
        x.chunks_exact_mut(stride).for_each(|row| row[features..].fill(T::zero()));
        x
    };
    let (tile, weights) = (padded(rows), padded(classes));
    let residuals = draw.numbers::<T>(rows * classes);
    let mut scores = vec![T::nan(); rows * classes];
    skinny::project(&tile, rows, stride, &weights, classes, &mut scores);
    let mut sums = vec![T::one(); classes * stride];
    skinny::accumulate(&tile, rows, stride, &residuals, classes, &mut sums);
    let (tile, weights) = (MatRef::new(&tile, rows, stride), MatRef::new(&weights, classes, stride));
    let tolerance = |terms: usize| 16.0 * (terms + 2) as f64 * epsilon::<T>();
    assert!(distance(&scores, &product(tile, weights.t())) <= tolerance(features), "project");
    let exact = product(MatRef::new(&residuals, rows, classes).t(), tile);
    let exact: Vec<f64> = exact.into_iter().map(|x| 1.0 + x).collect();
    assert!(distance(&sums, &exact) <= tolerance(rows), "accumulate");
}

fn activations<T: Scalar>(draw: &mut Draw) {
    let (rows, units) = (1 + draw.below(10), draw.size());
    let activation = draw.one_of(&[Activation::Relu, Activation::Tanh, Activation::Gelu]);
    let sums: Vec<T> = draw.numbers::<T>(rows * units).into_iter().map(|s| s * T::of(9.0)).collect();
    let (mut slopes, mut values) = (sums.clone(), vec![T::nan(); rows * (units + 1)]);
    activate(activation, units, &mut slopes, &mut values);
    for (i, &s) in sums.iter().enumerate() {
        let [value, slope, _] = activation.at(s);
        assert!(
            values[i / units * (units + 1) + i % units] == value && slopes[i] == slope,
            "{activation:?} {s}"
        );
    }
}

fn widened<T: Scalar>(draw: &mut Draw) {
    let (rows, cols, bias) = (draw.size(), draw.size(), draw.below(2) == 0);
    let entries = draw.numbers::<f64>(rows * cols);
    let bytes = |x: f64| (100.0 + 99.0 * x) as u8;
    let kind = draw.below(3);
    let (data, exact): (FeatureData, Vec<f64>) = match kind {
        0 => (
            FeatureData::U8(entries.iter().map(|&x| bytes(x)).collect::<Vec<_>>().into()),
            entries.iter().map(|&x| f64::from(bytes(x))).collect(),
        ),
        1 => (
            FeatureData::F32(entries.iter().map(|&x| x as f32).collect::<Vec<_>>().into()),
            entries.iter().map(|&x| f64::from(x as f32)).collect(),
        ),
        _ => (FeatureData::F64(entries.clone().into()), entries),
    };
    let scale = draw.one_of(&[1.0, 1.0 / 255.0, -2.0]);
    let features = Features::new(data, rows, cols, scale);
    let chosen: Vec<u32> = (0..1 + draw.below(20)).map(|_| draw.below(rows) as u32).collect();
    let set = if draw.below(2) == 0 { RowSet::all(rows) } else { RowSet::Indices(&chosen) };
    let stride = skinny::stride(cols + 1);
    let mut tile = vec![T::nan(); set.len() * stride];
    features.widen(set, bias, &mut tile, stride);
    for (r, row) in tile.chunks_exact(stride).enumerate() {
        for (j, &x) in row.iter().enumerate() {
            let rest = f64::from(u8::from(bias && j == cols));
            let expected = if j < cols { exact[set.get(r) * cols + j] * scale } else { rest };
            assert_close(x, T::of(expected), 4.0 * epsilon::<T>() * expected.abs(), "widen");
        }
    }
}

fn inverses<T: Scalar>(draw: &mut Draw) {
    let (d, updates) = (draw.size(), 1 + draw.below(12));
    let (beta, gamma) = (0.9, 0.3);
    let mut a = SymmetricInverse::<T>::identity(d, T::of(2.0)).unwrap();
    let mut f = vec![0.0; d * d];
    f.iter_mut().step_by(d + 1).for_each(|f| *f = 0.5);
    for _ in 0..updates {
        let g = draw.numbers::<T>(d);
        for at in 0..d * d {
            f[at] = beta * f[at] + gamma * g[at / d].wide() * g[at % d].wide();
        }
        a.update(&g, T::of(beta), T::of(gamma)).unwrap().unwrap();
    }
    let x = draw.numbers::<T>(d);
    let mut y = vec![T::nan(); d];
    a.multiply(&x, &mut y).unwrap();
    let back: Vec<T> =
        product(MatRef::new(&f, d, d), MatRef::new(&y.iter().map(|y| y.wide()).collect::<Vec<_>>(), d, 1))
            .into_iter()
            .map(T::of)
            .collect();
    let exact: Vec<f64> = x.iter().map(|x| x.wide()).collect();
    let size = length(&f) * length(&y) + length(&x);
    assert!(distance(&back, &exact) <= 100.0 * epsilon::<T>() * size, "F·A·x = x, {d}");
}

fn conjugate<T: Scalar>(draw: &mut Draw) {
    let n = 1 + draw.below(24);
    let (a, b) = (positive::<T>(draw, n), draw.numbers::<T>(n));
    let mut x = vec![T::zero(); n];
    let mut apply = |p: &[T], out: &mut [T]| {
        matvec(out, T::zero(), T::one(), MatRef::new(&a, n, n), p);
        Ok::<(), OutOfMemory>(())
    };
    let mut keep = |r: &[T], out: &mut [T]| {
        out.copy_from_slice(r);
        Ok(())
    };
    let tolerance = 1e3 * epsilon::<T>();
    let outcome = conjugate_gradients(&mut apply, &mut keep, &b, &mut x, tolerance, 4 * n + 10).unwrap();
    let image = product(MatRef::new(&a, n, n), MatRef::new(&x, n, 1));
    let rest: Vec<f64> = b.iter().zip(&image).map(|(b, image)| b.wide() - image).collect();
    let residual = length(&rest) / length(&b);
    assert!(
        (residual - outcome.residual).abs() <= 10.0 * tolerance * (1.0 + length(&a)),
        "{n}: {residual:e}"
    );
    assert!(residual <= 10.0 * tolerance * (1.0 + length(&a)), "{n}: {residual:e}");
}
