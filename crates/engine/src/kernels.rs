//! The bare kernels over resident matrices: [`Vector`]s that hold row-major entries.

use std::sync::Mutex;

use nhgd_curvature::Statistic;
use nhgd_kernels::{
    Cholesky, MatMut, MatRef, RowSet, Scalar, SymmetricInverse, conjugate_gradients, matmul, matvec,
    mirror_lower, symmetric_eigen, syrk,
};
use nhgd_models::{Labels, Model, Softmax, Term};

use crate::error::{count, length};
use crate::{Code, Element, Error, Result, Samples, Vector};

/// Runs `$body::<T>` with T the scalar type of `$vector`.
macro_rules! by_dtype {
    ($vector:expr, $body:ident ( $($argument:expr),* )) => {
        if $vector.dtype()? == f32::NAME { $body::<f32>($($argument),*) } else { $body::<f64>($($argument),*) }
    };
}

fn not_positive(index: usize) -> Error {
    Error {
        code: Code::Numeric,
        message: format!("\"a\" expected a positive definite matrix, got pivot {index} ≤ 0"),
    }
}

/// C ← βC + α A B with A m × k, B k × n, C m × n; 2mnk flops.
pub fn gemm(
    m: usize,
    n: usize,
    k: usize,
    alpha: f64,
    a: &Vector,
    b: &Vector,
    beta: f64,
    c: &Vector,
) -> Result<()> {
    fn run<T: Element>(
        (m, n, k): (usize, usize, usize),
        alpha: f64,
        a: &Vector,
        b: &Vector,
        beta: f64,
        c: &Vector,
    ) -> Result<()> {
        let (mut a, mut b, mut c) = (a.lock("a")?, b.lock("b")?, c.lock("c")?);
        let (a, b, c) = (a.of::<T>("a")?, b.of::<T>("b")?, c.of::<T>("c")?);
        length("a", m * k, a.len())?;
        length("b", k * n, b.len())?;
        length("c", m * n, c.len())?;
        let (a, b) = (MatRef::new(a, m, k), MatRef::new(b, k, n));
        matmul(MatMut::new(c, m, n), T::of(beta), T::of(alpha), a, b);
        Ok(())
    }
    by_dtype!(c, run((m, n, k), alpha, a, b, beta, c))
}

/// C ← βC + α A Aᵀ with A n × k, C n × n symmetric; n²k flops.
pub fn syrk_full(n: usize, k: usize, alpha: f64, a: &Vector, beta: f64, c: &Vector) -> Result<()> {
    fn run<T: Element>(n: usize, k: usize, alpha: f64, a: &Vector, beta: f64, c: &Vector) -> Result<()> {
        let (mut a, mut c) = (a.lock("a")?, c.lock("c")?);
        let (a, c) = (a.of::<T>("a")?, c.of::<T>("c")?);
        length("a", n * k, a.len())?;
        length("c", n * n, c.len())?;
        syrk(MatMut::new(c, n, n), T::of(beta), T::of(alpha), MatRef::new(a, n, k));
        mirror_lower(MatMut::new(c, n, n));
        Ok(())
    }
    by_dtype!(c, run(n, k, alpha, a, beta, c))
}

/// y ← βy + α A x with A n × n; 2n² flops.
pub fn symv(n: usize, alpha: f64, a: &Vector, x: &Vector, beta: f64, y: &Vector) -> Result<()> {
    fn run<T: Element>(n: usize, alpha: f64, a: &Vector, x: &Vector, beta: f64, y: &Vector) -> Result<()> {
        let (mut a, mut x, mut y) = (a.lock("a")?, x.lock("x")?, y.lock("y")?);
        let (a, x, y) = (a.of::<T>("a")?, x.of::<T>("x")?, y.of::<T>("y")?);
        length("a", n * n, a.len())?;
        length("x", n, x.len())?;
        length("y", n, y.len())?;
        matvec(y, T::of(beta), T::of(alpha), MatRef::new(a, n, n), x);
        Ok(())
    }
    by_dtype!(y, run(n, alpha, a, x, beta, y))
}

/// X ← A⁻¹ B in place of B, by Cholesky; A n × n symmetric positive definite, B n × k; n³/3 + 2n²k flops.
pub fn cholesky_solve(n: usize, k: usize, a: &Vector, b: &Vector) -> Result<()> {
    fn run<T: Element>(n: usize, k: usize, a: &Vector, b: &Vector) -> Result<()> {
        let (mut a, mut b) = (a.lock("a")?, b.lock("b")?);
        let (a, b) = (a.of::<T>("a")?, b.of::<T>("b")?);
        length("a", n * n, a.len())?;
        length("b", n * k, b.len())?;
        let factor = Cholesky::factor(n, a.clone()).map_err(|e| not_positive(e.index))?;
        factor.solve_many(MatMut::new(b, n, k));
        Ok(())
    }
    by_dtype!(b, run(n, k, a, b))
}

/// inverse ← A⁻¹ by Cholesky; n³ flops.
pub fn cholesky_inverse(n: usize, a: &Vector, inverse: &Vector) -> Result<()> {
    fn run<T: Element>(n: usize, a: &Vector, inverse: &Vector) -> Result<()> {
        let (mut a, mut inverse) = (a.lock("a")?, inverse.lock("inverse")?);
        let (a, inverse) = (a.of::<T>("a")?, inverse.of::<T>("inverse")?);
        length("a", n * n, a.len())?;
        length("inverse", n * n, inverse.len())?;
        *inverse = Cholesky::factor(n, a.clone()).map_err(|e| not_positive(e.index))?.inverse();
        Ok(())
    }
    by_dtype!(a, run(n, a, inverse))
}

/// A = V diag(values) Vᵀ: values ascending, eigenvectors in the columns of V.
pub fn eigen(n: usize, a: &Vector, values: &Vector, vectors: &Vector) -> Result<()> {
    fn run<T: Element>(n: usize, a: &Vector, values: &Vector, vectors: &Vector) -> Result<()> {
        let (mut a, mut w, mut v) = (a.lock("a")?, values.lock("values")?, vectors.lock("vectors")?);
        let (a, w, v) = (a.of::<T>("a")?, w.of::<T>("values")?, v.of::<T>("vectors")?);
        length("a", n * n, a.len())?;
        length("values", n, w.len())?;
        length("vectors", n * n, v.len())?;
        let eigen = symmetric_eigen(n, a.clone()).map_err(|_| Error {
            code: Code::Numeric,
            message: "\"a\" expected finite entries, got a matrix whose eigenvalues don't converge".into(),
        })?;
        *w = eigen.values;
        *v = eigen.vectors;
        Ok(())
    }
    by_dtype!(a, run(n, a, values, vectors))
}

/// X ← (A ⊗ S + cI)⁻¹ B in place of B, from eigenvalues and eigenvectors of A (n × n) and S (k × k); B is n × k;
/// 4nk(n + k) flops.
pub fn kronecker_solve(
    (n, k): (usize, usize),
    a_values: &Vector,
    a_vectors: &Vector,
    s_values: &Vector,
    s_vectors: &Vector,
    damping: f64,
    b: &Vector,
) -> Result<()> {
    fn run<T: Element>(
        (n, k): (usize, usize),
        factors: [&Vector; 4],
        damping: f64,
        b: &Vector,
    ) -> Result<()> {
        let names = ["aValues", "aVectors", "sValues", "sVectors"];
        let [mut a, mut u, mut s, mut v] = [
            factors[0].lock(names[0])?,
            factors[1].lock(names[1])?,
            factors[2].lock(names[2])?,
            factors[3].lock(names[3])?,
        ];
        let (a, u, s, v) =
            (a.of::<T>(names[0])?, u.of::<T>(names[1])?, s.of::<T>(names[2])?, v.of::<T>(names[3])?);
        let mut b = b.lock("b")?;
        let b = b.of::<T>("b")?;
        for (name, expected, got) in [
            (names[0], n, a.len()),
            (names[1], n * n, u.len()),
            (names[2], k, s.len()),
            (names[3], k * k, v.len()),
        ] {
            length(name, expected, got)?;
        }
        length("b", n * k, b.len())?;
        let (u, v) = (MatRef::new(u, n, n), MatRef::new(v, k, k));
        let (mut half, mut rotated) = (vec![T::zero(); n * k], vec![T::zero(); n * k]);
        let (zero, one) = (T::zero(), T::one());
        matmul(MatMut::new(&mut half, n, k), zero, one, u.t(), MatRef::new(b, n, k));
        matmul(MatMut::new(&mut rotated, n, k), zero, one, MatRef::new(&half, n, k), v);
        for (i, row) in rotated.chunks_exact_mut(k).enumerate() {
            for (x, &s) in row.iter_mut().zip(s.iter()) {
                *x /= a[i] * s + T::of(damping);
            }
        }
        matmul(MatMut::new(&mut half, n, k), zero, one, u, MatRef::new(&rotated, n, k));
        matmul(MatMut::new(b, n, k), zero, one, MatRef::new(&half, n, k), v.t());
        Ok(())
    }
    if !(damping >= 0.0 && damping.is_finite()) {
        return Err(Error::expected(Code::Range, "damping", "a number ≥ 0", damping));
    }
    if n == 0 || k == 0 {
        return Err(Error::expected(Code::Shape, "b", "at least one row and column", format!("{n} × {k}")));
    }
    by_dtype!(b, run((n, k), [a_values, a_vectors, s_values, s_vectors], damping, b))
}

/// gram ← (E Eᵀ) ∘ (X Xᵀ), the inner products of m per-sample gradients x_i e_iᵀ that are never formed; X is m × n,
/// E is m × k; m²(n + k) flops.
pub fn per_sample_gram(m: usize, n: usize, k: usize, x: &Vector, e: &Vector, gram: &Vector) -> Result<()> {
    fn run<T: Element>(
        (m, n, k): (usize, usize, usize),
        x: &Vector,
        e: &Vector,
        gram: &Vector,
    ) -> Result<()> {
        let (mut x, mut e, mut gram) = (x.lock("x")?, e.lock("e")?, gram.lock("gram")?);
        let (x, e, gram) = (x.of::<T>("x")?, e.of::<T>("e")?, gram.of::<T>("gram")?);
        length("x", m * n, x.len())?;
        length("e", m * k, e.len())?;
        length("gram", m * m, gram.len())?;
        let mut other = vec![T::zero(); m * m];
        syrk(MatMut::new(gram, m, m), T::zero(), T::one(), MatRef::new(x, m, n));
        syrk(MatMut::new(&mut other, m, m), T::zero(), T::one(), MatRef::new(e, m, k));
        gram.iter_mut().zip(other).for_each(|(g, o)| *g *= o);
        mirror_lower(MatMut::new(gram, m, m));
        Ok(())
    }
    by_dtype!(gram, run((m, n, k), x, e, gram))
}

/// gradient ← (1/m) Σ w_i ∇ℓ_i of a softmax regression with bias over all samples: gather, forward, softmax, backward
/// in one pass; 4mnC flops. Returns the mean weighted loss.
pub fn softmax_gradient(
    samples: &Samples,
    classes: usize,
    theta: &Vector,
    weights: &Vector,
    gradient: &Vector,
) -> Result<f64> {
    fn run<T: Element>(
        samples: &Samples,
        classes: usize,
        theta: &Vector,
        weights: &Vector,
        gradient: &Vector,
    ) -> Result<f64> {
        let model = softmax(samples, classes)?;
        let (mut theta, mut weights, mut gradient) =
            (theta.lock("theta")?, weights.lock("weights")?, gradient.lock("gradient")?);
        let theta = theta.of::<T>("theta")?;
        let (weights, gradient) = (weights.of::<T>("weights")?, gradient.of::<T>("gradient")?);
        let (d, m) = (Model::<T>::parameters(&model), samples.length());
        length("theta", d, theta.len())?;
        length("gradient", d, gradient.len())?;
        length("weights", m, weights.len())?;
        let scaled: Vec<T> = weights.iter().map(|&w| w / T::of(m as f64)).collect();
        let mut losses = vec![T::zero(); m];
        gradient.fill(T::zero());
        let term = Term { weights: &scaled, labels: Labels::Given, gradient };
        samples.0.with(RowSet::all(m), |batch| model.gradients(theta, batch, &mut [term], &mut losses));
        Ok(losses.iter().zip(&scaled).map(|(l, w)| l.wide() * w.wide()).sum())
    }
    by_dtype!(gradient, run(samples, classes, theta, weights, gradient))
}

/// q_i ← ∇ℓ_iᵀu of every sample: the cross derivative's product with per-sample weights, before their derivative;
/// 4mnC flops.
pub fn sensitivities(
    samples: &Samples,
    classes: usize,
    theta: &Vector,
    u: &Vector,
    q: &Vector,
) -> Result<()> {
    fn run<T: Element>(
        samples: &Samples,
        classes: usize,
        theta: &Vector,
        u: &Vector,
        q: &Vector,
    ) -> Result<()> {
        let model = softmax(samples, classes)?;
        let (mut theta, mut u, mut q) = (theta.lock("theta")?, u.lock("u")?, q.lock("q")?);
        let (theta, u, q) = (theta.of::<T>("theta")?, u.of::<T>("u")?, q.of::<T>("q")?);
        let d = Model::<T>::parameters(&model);
        length("theta", d, theta.len())?;
        length("u", d, u.len())?;
        length("q", samples.length(), q.len())?;
        samples.0.with(RowSet::all(samples.length()), |batch| model.sensitivities(theta, batch, u, q));
        Ok(())
    }
    by_dtype!(q, run(samples, classes, theta, u, q))
}

/// Kronecker moments of a softmax layer over all samples, weights one: input ← (1/m) Σ a aᵀ, output ← the mean of
/// diag p − ppᵀ.
pub fn kronecker_factors(
    samples: &Samples,
    classes: usize,
    theta: &Vector,
    input: &Vector,
    output: &Vector,
) -> Result<()> {
    fn run<T: Element>(
        samples: &Samples,
        classes: usize,
        theta: &Vector,
        input: &Vector,
        output: &Vector,
    ) -> Result<()> {
        let model = softmax(samples, classes)?;
        let (mut theta, mut input, mut output) =
            (theta.lock("theta")?, input.lock("input")?, output.lock("output")?);
        let theta = theta.of::<T>("theta")?;
        let (input, output) = (input.of::<T>("input")?, output.of::<T>("output")?);
        let (n, m) = (samples.0.features().cols() + 1, samples.length());
        length("theta", n * classes, theta.len())?;
        length("input", n * n, input.len())?;
        length("output", classes * classes, output.len())?;
        let all = RowSet::all(m);
        let factors = samples.0.with(all, |batch| model.factors(theta, batch, Statistic::Expected, 0));
        let scale = T::one() / T::of(m as f64);
        for (out, n, rows, count) in [
            (input, n, &factors.layers[0].inputs, m),
            (output, classes, &factors.layers[0].outputs, m * factors.directions),
        ] {
            syrk(MatMut::new(out, n, n), T::zero(), scale, MatRef::new(rows, count, n).t());
            mirror_lower(MatMut::new(out, n, n));
        }
        Ok(())
    }
    by_dtype!(input, run(samples, classes, theta, input, output))
}

fn softmax(samples: &Samples, classes: usize) -> Result<Softmax> {
    match samples.0.labels().iter().position(|&y| y as usize >= classes) {
        Some(i) => {
            let got = format!("{} at index {i}", samples.0.labels()[i]);
            Err(Error::expected(Code::Range, "labels", format!("classes below {classes}"), got))
        }
        None => Ok(Softmax::new(samples.0.features().cols(), classes, true, 1)),
    }
}

/// x ← A⁻¹ b by conjugate gradients from x; A n × n. Returns ‖b − Ax‖ / ‖b‖.
pub fn cg(n: usize, a: &Vector, b: &Vector, x: &Vector, tolerance: f64, steps: usize) -> Result<f64> {
    fn run<T: Element>(
        n: usize,
        a: &Vector,
        b: &Vector,
        x: &Vector,
        tolerance: f64,
        steps: usize,
    ) -> Result<f64> {
        let (mut a, mut b, mut x) = (a.lock("a")?, b.lock("b")?, x.lock("x")?);
        let (a, b, x) = (a.of::<T>("a")?, b.of::<T>("b")?, x.of::<T>("x")?);
        length("a", n * n, a.len())?;
        length("b", n, b.len())?;
        length("x", n, x.len())?;
        let a = MatRef::new(a, n, n);
        let mut apply = |p: &[T], product: &mut [T]| {
            matvec(product, T::zero(), T::one(), a, p);
            Ok::<(), Error>(())
        };
        let mut precondition = |r: &[T], z: &mut [T]| {
            z.copy_from_slice(r);
            Ok(())
        };
        Ok(conjugate_gradients(&mut apply, &mut precondition, b, x, tolerance, steps)?.residual)
    }
    by_dtype!(b, run(n, a, b, x, tolerance, steps))
}

/// A = F⁻¹, half of it stored, while F gains outer products.
#[derive(Debug)]
pub struct InverseUpdate(Mutex<Inverse>);

#[derive(Debug)]
enum Inverse {
    F32(SymmetricInverse<f32>),
    F64(SymmetricInverse<f64>),
}

/// The inverse as `T`'s, or a dtype error.
trait OfInverse: Element {
    fn of_inverse(inverse: &mut Inverse) -> Option<&mut SymmetricInverse<Self>>;
}

impl OfInverse for f32 {
    fn of_inverse(inverse: &mut Inverse) -> Option<&mut SymmetricInverse<Self>> {
        if let Inverse::F32(a) = inverse { Some(a) } else { None }
    }
}

impl OfInverse for f64 {
    fn of_inverse(inverse: &mut Inverse) -> Option<&mut SymmetricInverse<Self>> {
        if let Inverse::F64(a) = inverse { Some(a) } else { None }
    }
}

impl InverseUpdate {
    /// A = scale · I, d × d; passes over it use up to `threads` threads where d is large.
    pub fn new(d: f64, scale: f64, dtype: &str, threads: f64) -> Result<Self> {
        let (d, threads) = (count("d", d)?, count("threads", threads)?);
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::expected(Code::Range, "scale", "a number > 0", scale));
        }
        let mut inverse = match dtype {
            "f32" => Inverse::F32(SymmetricInverse::identity(d, scale as f32)),
            "f64" => Inverse::F64(SymmetricInverse::identity(d, scale)),
            other => {
                return Err(Error::expected(
                    Code::Dtype,
                    "dtype",
                    "\"f32\" or \"f64\"",
                    format!("\"{other}\""),
                ));
            }
        };
        match &mut inverse {
            Inverse::F32(a) => a.set_threads(threads),
            Inverse::F64(a) => a.set_threads(threads),
        }
        Ok(Self(Mutex::new(inverse)))
    }

    fn with<T: OfInverse, R>(&self, body: impl FnOnce(&mut SymmetricInverse<T>) -> Result<R>) -> Result<R> {
        let mut inverse = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let wrong = || Error::expected(Code::Dtype, "vector", "the inverse's scalar type", T::NAME);
        body(T::of_inverse(&mut inverse).ok_or_else(wrong)?)
    }

    /// A⁺ = (1/β)[A − γ(Ag)(Ag)ᵀ / (β + γ gᵀAg)]; about d² flops and one reading of half of A.
    pub fn update(&self, g: &Vector, beta: f64, gamma: f64) -> Result<()> {
        fn run<T: OfInverse>(inverse: &InverseUpdate, g: &Vector, beta: f64, gamma: f64) -> Result<()> {
            let mut g = g.lock("g")?;
            let g = g.of::<T>("g")?;
            inverse.with(|a: &mut SymmetricInverse<T>| {
                length("g", a.dim(), g.len())?;
                a.update(g, T::of(beta), T::of(gamma)).map(|_| ()).map_err(indefinite)
            })
        }
        weights(beta, &[gamma])?;
        by_dtype!(g, run(self, g, beta, gamma))
    }

    /// The same for k known gradients at once, rows of `g`, F⁺ = βF + Σ w_j g_j g_jᵀ.
    pub fn update_many(&self, g: &Vector, beta: f64, w: &[f64]) -> Result<()> {
        fn run<T: OfInverse>(inverse: &InverseUpdate, g: &Vector, beta: f64, w: &[f64]) -> Result<()> {
            let mut g = g.lock("g")?;
            let g = g.of::<T>("g")?;
            let w: Vec<T> = w.iter().map(|&w| T::of(w)).collect();
            inverse.with(|a: &mut SymmetricInverse<T>| {
                length("g", a.dim() * w.len(), g.len())?;
                a.update_many(g, T::of(beta), &w).map_err(indefinite)
            })
        }
        weights(beta, w)?;
        by_dtype!(g, run(self, g, beta, w))
    }

    /// y ← A x.
    pub fn multiply(&self, x: &Vector, y: &Vector) -> Result<()> {
        fn run<T: OfInverse>(inverse: &InverseUpdate, x: &Vector, y: &Vector) -> Result<()> {
            let (mut x, mut y) = (x.lock("x")?, y.lock("y")?);
            let (x, y) = (x.of::<T>("x")?, y.of::<T>("y")?);
            inverse.with(|a: &mut SymmetricInverse<T>| {
                length("x", a.dim(), x.len())?;
                length("y", a.dim(), y.len())?;
                a.multiply(x, y);
                Ok(())
            })
        }
        by_dtype!(y, run(self, x, y))
    }
}

fn indefinite(error: nhgd_kernels::Indefinite) -> Error {
    Error { code: Code::Numeric, message: error.to_string() }
}

fn weights(beta: f64, gammas: &[f64]) -> Result<()> {
    if !(beta > 0.0 && beta.is_finite()) {
        return Err(Error::expected(Code::Range, "beta", "a number > 0", beta));
    }
    match gammas.iter().find(|g| !(**g >= 0.0 && g.is_finite())) {
        Some(gamma) => Err(Error::expected(Code::Range, "gamma", "numbers ≥ 0", gamma)),
        None => Ok(()),
    }
}
