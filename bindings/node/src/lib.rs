//! The engine's classes as a Node-API addon: types across, panics to errors, waiting off the main thread.

#![deny(unsafe_code)]
#![allow(missing_docs, reason = "the classes are documented where they are defined, in the engine")]
// napi-derive generates the unsafe glue; none is written here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{
    AsyncTask, Either, Float32Array, Float32ArraySlice, Float64Array, Float64ArraySlice, Uint8Array,
    Uint32Array,
};
use napi::{Env, Task};
use napi_derive::napi;
use nhgd_engine as engine;
use nhgd_engine::FeatureData;

type Result<T> = napi::Result<T, &'static str>;

/// Runs a call of the engine; errors keep their code, a panic becomes `ERR_INTERNAL`.
fn guard<T>(call: impl FnOnce() -> engine::Result<T>) -> Result<T> {
    let result =
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(engine::Error::internal("a call")));
    result.map_err(|e| napi::Error::new(e.code.as_str(), e.message))
}

/// Node could not allocate.
fn refused(error: napi::Error) -> napi::Error<&'static str> {
    napi::Error::new("ERR_MEMORY", error.reason.to_string())
}

/// Version, SIMD level, BLAS, threads and target, as JSON.
#[napi]
pub fn info() -> String {
    engine::info()
}

/// A vector that lives in the addon.
#[napi]
pub struct Vector(engine::Vector);

#[napi]
impl Vector {
    #[napi(constructor)]
    pub fn new(length: u32, dtype: String) -> Result<Self> {
        guard(|| engine::Vector::zeros(length as usize, &dtype)).map(Self)
    }
    #[napi(getter)]
    pub fn length(&self) -> Result<u32> {
        guard(|| self.0.length()).map(|n| n as u32)
    }
    #[napi(getter)]
    pub fn dtype(&self) -> Result<String> {
        guard(|| self.0.dtype())
    }
    #[napi]
    pub fn read_f32<'a>(&self, env: &'a Env) -> Result<Float32ArraySlice<'a>> {
        let entries: Vec<f32> = guard(|| self.0.read())?;
        Float32ArraySlice::copy_from(env, entries).map_err(refused)
    }
    #[napi]
    pub fn read_f64<'a>(&self, env: &'a Env) -> Result<Float64ArraySlice<'a>> {
        let entries: Vec<f64> = guard(|| self.0.read())?;
        Float64ArraySlice::copy_from(env, entries).map_err(refused)
    }
    #[napi]
    pub fn write_f32(&self, source: &[f32]) -> Result<()> {
        guard(|| self.0.write(source))
    }
    #[napi]
    pub fn write_f64(&self, source: &[f64]) -> Result<()> {
        guard(|| self.0.write(source))
    }
    #[napi]
    pub fn fill(&self, value: f64) -> Result<()> {
        guard(|| self.0.fill(value))
    }
    #[napi]
    pub fn axpy(&self, alpha: f64, x: &Vector) -> Result<()> {
        guard(|| self.0.axpy(alpha, &x.0))
    }
    #[napi]
    pub fn scale(&self, alpha: f64) -> Result<()> {
        guard(|| self.0.scale(alpha))
    }
    #[napi]
    pub fn copy_from(&self, x: &Vector) -> Result<()> {
        guard(|| self.0.copy_from(&x.0))
    }
    #[napi]
    pub fn clamp(&self, low: f64, high: f64) -> Result<()> {
        guard(|| self.0.clamp(low, high))
    }
    #[napi]
    pub fn dot(&self, x: &Vector) -> Result<f64> {
        guard(|| self.0.dot(&x.0))
    }
    #[napi]
    pub fn is_finite(&self) -> Result<bool> {
        guard(|| self.0.is_finite())
    }
    #[napi]
    pub fn dispose(&self) -> Result<()> {
        guard(|| self.0.dispose())
    }
}

/// A feature matrix that lives in the addon.
#[napi]
pub struct Features(engine::Features);

#[napi]
impl Features {
    #[napi(factory)]
    pub fn u8(data: Uint8Array, rows: u32, columns: u32, scale: f64) -> Result<Self> {
        Self::from(FeatureData::U8(data.to_vec()), rows, columns, scale)
    }
    #[napi(factory)]
    pub fn f32(data: Float32Array, rows: u32, columns: u32, scale: f64) -> Result<Self> {
        Self::from(FeatureData::F32(data.to_vec()), rows, columns, scale)
    }
    #[napi(factory)]
    pub fn f64(data: Float64Array, rows: u32, columns: u32, scale: f64) -> Result<Self> {
        Self::from(FeatureData::F64(data.to_vec()), rows, columns, scale)
    }
    #[napi(getter)]
    pub fn rows(&self) -> u32 {
        self.0.rows() as u32
    }
    #[napi(getter)]
    pub fn columns(&self) -> u32 {
        self.0.columns() as u32
    }
    fn from(data: FeatureData, rows: u32, columns: u32, scale: f64) -> Result<Self> {
        guard(|| engine::Features::new(data, rows as usize, columns as usize, scale)).map(Self)
    }
}

/// Labelled samples.
#[napi]
pub struct Samples(engine::Samples);

#[napi]
impl Samples {
    #[napi(constructor)]
    pub fn new(features: &Features, rows: Option<Uint32Array>, labels: Uint32Array) -> Result<Self> {
        let rows = rows.map(|rows| rows.to_vec());
        guard(|| engine::Samples::new(&features.0, rows, labels.to_vec())).map(Self)
    }
    #[napi(getter)]
    pub fn length(&self) -> u32 {
        self.0.length() as u32
    }
}

/// A set of samples.
#[napi]
pub struct Batch(engine::Batch);

#[napi]
impl Batch {
    #[napi(factory)]
    pub fn all(samples: u32) -> Self {
        Self(engine::Batch::all(samples as usize))
    }
    #[napi(factory)]
    pub fn of(positions: Uint32Array) -> Self {
        Self(engine::Batch::of(positions.to_vec()))
    }
    #[napi(getter)]
    pub fn length(&self) -> u32 {
        self.0.length() as u32
    }
    #[napi(getter)]
    pub fn positions(&self) -> Uint32Array {
        self.0.positions().into()
    }
    /// Another handle to the same samples.
    #[napi]
    pub fn share(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Draws batches.
#[napi]
pub struct Sampler(engine::Sampler);

#[napi]
impl Sampler {
    #[napi(constructor)]
    pub fn new(seed: f64, samples: u32) -> Result<Self> {
        guard(|| engine::Sampler::new(seed, samples as usize)).map(Self)
    }
    #[napi]
    pub fn take(&self, size: u32) -> Result<Batch> {
        guard(|| self.0.take(size as usize)).map(Batch)
    }
    #[napi]
    pub fn seed(&self) -> f64 {
        self.0.seed()
    }
    #[napi]
    pub fn save(&self) -> Uint8Array {
        self.0.save().into()
    }
    #[napi]
    pub fn restore(&self, bytes: &[u8]) -> Result<()> {
        guard(|| self.0.restore(bytes))
    }
}

/// A slot for inner steps.
#[napi]
pub struct Step(engine::Step);

#[napi]
impl Step {
    #[napi(constructor)]
    pub fn new(length: u32, dtype: String) -> Result<Self> {
        guard(|| engine::Step::new(length as usize, &dtype)).map(Self)
    }
    #[napi(getter)]
    pub fn gradient(&self) -> Vector {
        Vector(self.0.gradient())
    }
    #[napi(getter)]
    pub fn inner(&self) -> Vector {
        Vector(self.0.inner())
    }
    #[napi(getter)]
    pub fn batch(&self) -> Result<Batch> {
        guard(|| self.0.batch()).map(Batch)
    }
}

/// An optimiser and its state.
#[napi]
pub struct Optimizer(engine::Optimizer);

#[napi]
impl Optimizer {
    #[napi(constructor)]
    pub fn new(settings: String) -> Result<Self> {
        guard(|| engine::Optimizer::new(&settings)).map(Self)
    }
    #[napi]
    pub fn step(&self, x: &Vector, gradient: &Vector, rate: f64) -> Result<()> {
        guard(|| self.0.step(&x.0, &gradient.0, rate))
    }
    #[napi(getter)]
    pub fn steps(&self) -> u32 {
        self.0.steps()
    }
    #[napi]
    pub fn adaptation(
        &self,
        gradient: &Vector,
        target: &Vector,
        rate: f64,
        direction: &Vector,
    ) -> Result<()> {
        guard(|| self.0.adaptation(&gradient.0, &target.0, rate, &direction.0))
    }
    #[napi]
    pub fn save(&self) -> Uint8Array {
        self.0.save().into()
    }
    #[napi]
    pub fn restore(&self, bytes: &[u8]) -> Result<()> {
        guard(|| self.0.restore(bytes))
    }
    #[napi]
    pub fn reset(&self) {
        self.0.reset();
    }
}

/// A bilevel problem.
#[napi]
pub struct Problem(engine::Problem);

#[napi]
impl Problem {
    #[napi(factory)]
    pub fn reweighting(
        settings: String,
        train: &Samples,
        trusted: &Samples,
        weights: Option<Float64Array>,
    ) -> Result<Self> {
        let weights = weights.map(|w| w.to_vec());
        guard(|| engine::Problem::reweighting(&settings, &train.0, &trusted.0, weights)).map(Self)
    }
    #[napi(factory)]
    pub fn quadratic(
        dtype: String,
        h: &[f64],
        c: &[f64],
        c0: &[f64],
        q: &[f64],
        t: &[f64],
        mu: f64,
    ) -> Result<Self> {
        guard(|| engine::Problem::quadratic(&dtype, h, c, c0, q, t, mu)).map(Self)
    }
    #[napi(getter)]
    pub fn inner_length(&self) -> u32 {
        self.0.inner_length() as u32
    }
    #[napi(getter)]
    pub fn outer_length(&self) -> u32 {
        self.0.outer_length() as u32
    }
    #[napi(getter)]
    pub fn samples(&self) -> u32 {
        self.0.samples() as u32
    }
    #[napi(getter)]
    pub fn outer_samples(&self) -> u32 {
        self.0.outer_samples() as u32
    }
    #[napi(getter)]
    pub fn dtype(&self) -> String {
        self.0.dtype().to_owned()
    }
    #[napi(getter)]
    pub fn curvature(&self) -> String {
        self.0.curvature().to_owned()
    }
    #[napi(getter)]
    pub fn layers(&self) -> Vec<u32> {
        self.0.layers()
    }
    #[napi(getter)]
    pub fn bytes(&self) -> f64 {
        self.0.bytes() as f64
    }
    #[napi]
    pub fn inner_step(&self, inner: &Vector, outer: &Vector, batch: &Batch, step: &Step) -> Result<f64> {
        guard(|| self.0.inner_step(&inner.0, &outer.0, &batch.0, &step.0))
    }
    #[napi]
    pub fn inner_step_for(
        &self,
        inner: &Vector,
        outer: &Vector,
        batch: &Batch,
        step: &Step,
        fisher: &Fisher,
        seed: f64,
    ) -> Result<f64> {
        guard(|| {
            self.0.inner_step_for(&inner.0, &outer.0, &batch.0, &step.0, &fisher.0, engine::seed_bits(seed)?)
        })
    }
    #[napi]
    pub fn observe(
        &self,
        inner: &Vector,
        outer: &Vector,
        batch: &Batch,
        step: &Step,
        fisher: &Fisher,
        seed: f64,
    ) -> Result<()> {
        guard(|| self.0.observe(&inner.0, &outer.0, &batch.0, &step.0, &fisher.0, engine::seed_bits(seed)?))
    }
    #[napi]
    pub fn inner_gradient(
        &self,
        inner: &Vector,
        outer: &Vector,
        batch: &Batch,
        gradient: &Vector,
    ) -> Result<f64> {
        guard(|| self.0.inner_gradient(&inner.0, &outer.0, &batch.0, &gradient.0))
    }
    #[napi]
    pub fn inner_loss(&self, inner: &Vector, outer: &Vector) -> Result<f64> {
        guard(|| self.0.inner_loss(&inner.0, &outer.0))
    }
    #[napi]
    pub fn outer_loss(&self, inner: &Vector, outer: &Vector) -> Result<f64> {
        guard(|| self.0.outer_loss(&inner.0, &outer.0))
    }
    #[napi]
    pub fn outer_gradient(
        &self,
        inner: &Vector,
        outer: &Vector,
        direct: &Vector,
        target: &Vector,
        batch: Option<&Batch>,
    ) -> Result<f64> {
        let batch = batch.map(|batch| &batch.0);
        guard(|| self.0.outer_gradient(&inner.0, &outer.0, &direct.0, &target.0, batch))
    }
    #[napi]
    pub fn cross_product(
        &self,
        inner: &Vector,
        outer: &Vector,
        batch: &Batch,
        u: &Vector,
        scale: f64,
        product: &Vector,
    ) -> Result<()> {
        guard(|| self.0.cross_product(&inner.0, &outer.0, &batch.0, &u.0, scale, &product.0))
    }
    #[napi]
    pub fn curvature_product(
        &self,
        inner: &Vector,
        outer: &Vector,
        batch: &Batch,
        u: &Vector,
        product: &Vector,
    ) -> Result<()> {
        guard(|| self.0.curvature_product(&inner.0, &outer.0, &batch.0, &u.0, &product.0))
    }
    #[napi]
    pub fn exact_direction(
        &self,
        inner: &Vector,
        outer: &Vector,
        target: &Vector,
        direction: &Vector,
    ) -> Result<()> {
        guard(|| self.0.exact_direction(&inner.0, &outer.0, &target.0, &direction.0))
    }
    #[napi]
    pub fn initial(&self, seed: f64) -> Result<Vector> {
        guard(|| Ok(self.0.initial(engine::seed_bits(seed)?))).map(Vector)
    }
    #[napi]
    pub fn refresh(&self, inner: &Vector, outer: &Vector) -> Result<()> {
        guard(|| self.0.refresh(&inner.0, &outer.0))
    }
    #[napi]
    pub fn weights(&self, outer: &Vector) -> Result<Vector> {
        guard(|| self.0.weights(&outer.0)).map(Vector)
    }
    #[napi]
    pub fn probabilities(&self, inner: &Vector, features: &Features, rows: &Batch) -> Result<Vector> {
        guard(|| self.0.probabilities(&inner.0, &features.0, &rows.0)).map(Vector)
    }
}

/// An inverse Fisher that works beside the inner loop.
#[napi]
pub struct Fisher(engine::Fisher);

#[napi]
impl Fisher {
    #[napi(constructor)]
    pub fn new(problem: &Problem, outer: &Vector, settings: String) -> Result<Self> {
        guard(|| engine::Fisher::new(&problem.0, &outer.0, &settings)).map(Self)
    }
    #[napi]
    pub fn try_observe(&self, step: &Step) -> Result<bool> {
        guard(|| self.0.try_observe(&step.0))
    }
    #[napi]
    pub fn try_refresh(&self, step: &Step) -> Result<bool> {
        guard(|| self.0.try_refresh(&step.0))
    }
    /// Resolves when the queue has room.
    #[napi]
    pub fn wait(&self) -> AsyncTask<Room> {
        AsyncTask::new(Room(self.0.clone()))
    }
    /// Resolves to a JSON report once x = (F + D̃)⁻¹ b is in `out`.
    #[napi]
    pub fn solve(&self, b: &Vector, out: &Vector) -> Result<AsyncTask<Solve>> {
        let solve = guard(|| self.0.solve(&b.0))?;
        Ok(AsyncTask::new(Solve { solve, out: out.0.clone() }))
    }
    /// Resolves to the bytes of all that was observed before, or to a JSON envelope of an error.
    #[napi]
    pub fn save(&self) -> AsyncTask<Save> {
        AsyncTask::new(Save(self.0.save()))
    }
    /// Resolves to a JSON envelope.
    #[napi]
    pub fn restore(&self, bytes: &[u8]) -> Result<AsyncTask<Restore>> {
        guard(|| self.0.restore(bytes)).map(|reply| AsyncTask::new(Restore(reply)))
    }
    #[napi]
    pub fn reset(&self) {
        self.0.reset();
    }
    #[napi]
    pub fn set_regularizer(&self, problem: &Problem, outer: &Vector) -> Result<()> {
        guard(|| self.0.set_regularizer(&problem.0, &outer.0))
    }
}

/// Waits for room in a Fisher's queue.
pub struct Room(engine::Fisher);

#[napi]
impl Task for Room {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        self.0.wait();
        Ok(())
    }
    fn resolve(&mut self, _env: Env, _output: ()) -> napi::Result<()> {
        Ok(())
    }
}

/// Waits for a saved state.
pub struct Save(engine::Reply<Vec<u8>>);

#[napi]
impl Task for Save {
    type Output = engine::Result<Vec<u8>>;
    type JsValue = Either<Uint8Array, String>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(self.0.wait())
    }
    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(match output {
            Ok(bytes) => Either::A(bytes.into()),
            Err(error) => Either::B(engine::envelope(Err(error))),
        })
    }
}

/// Waits until a state is restored.
pub struct Restore(engine::Reply<()>);

#[napi]
impl Task for Restore {
    type Output = engine::Result<()>;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(self.0.wait())
    }
    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<String> {
        Ok(engine::envelope(output.map(|()| "null".to_owned())))
    }
}

/// Waits for a solve.
pub struct Solve {
    solve: engine::Solve,
    out: engine::Vector,
}

#[napi]
impl Task for Solve {
    type Output = engine::Result<engine::Solved>;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(self.solve.wait())
    }
    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<String> {
        Ok(engine::envelope(output.and_then(|solved| solved.deliver(&self.out))))
    }
}

#[napi]
pub fn gemm(m: u32, n: u32, k: u32, alpha: f64, a: &Vector, b: &Vector, beta: f64, c: &Vector) -> Result<()> {
    guard(|| engine::kernels::gemm(m as usize, n as usize, k as usize, alpha, &a.0, &b.0, beta, &c.0))
}

#[napi]
pub fn syrk(n: u32, k: u32, alpha: f64, a: &Vector, beta: f64, c: &Vector) -> Result<()> {
    guard(|| engine::kernels::syrk_full(n as usize, k as usize, alpha, &a.0, beta, &c.0))
}

#[napi]
pub fn symv(n: u32, alpha: f64, a: &Vector, x: &Vector, beta: f64, y: &Vector) -> Result<()> {
    guard(|| engine::kernels::symv(n as usize, alpha, &a.0, &x.0, beta, &y.0))
}

#[napi]
pub fn cholesky_solve(n: u32, k: u32, a: &Vector, b: &Vector) -> Result<()> {
    guard(|| engine::kernels::cholesky_solve(n as usize, k as usize, &a.0, &b.0))
}

#[napi]
pub fn cholesky_inverse(n: u32, a: &Vector, inverse: &Vector) -> Result<()> {
    guard(|| engine::kernels::cholesky_inverse(n as usize, &a.0, &inverse.0))
}

#[napi]
pub fn symmetric_eigen(n: u32, a: &Vector, values: &Vector, vectors: &Vector) -> Result<()> {
    guard(|| engine::kernels::eigen(n as usize, &a.0, &values.0, &vectors.0))
}

#[napi]
pub fn kronecker_solve(
    n: u32,
    k: u32,
    a_values: &Vector,
    a_vectors: &Vector,
    s_values: &Vector,
    s_vectors: &Vector,
    damping: f64,
    b: &Vector,
) -> Result<()> {
    guard(|| {
        engine::kernels::kronecker_solve(
            (n as usize, k as usize),
            &a_values.0,
            &a_vectors.0,
            &s_values.0,
            &s_vectors.0,
            damping,
            &b.0,
        )
    })
}

#[napi]
pub fn per_sample_gram(m: u32, n: u32, k: u32, x: &Vector, e: &Vector, gram: &Vector) -> Result<()> {
    guard(|| engine::kernels::per_sample_gram(m as usize, n as usize, k as usize, &x.0, &e.0, &gram.0))
}

#[napi]
pub fn softmax_gradient(
    samples: &Samples,
    classes: u32,
    theta: &Vector,
    weights: &Vector,
    gradient: &Vector,
) -> Result<f64> {
    guard(|| {
        engine::kernels::softmax_gradient(&samples.0, classes as usize, &theta.0, &weights.0, &gradient.0)
    })
}

#[napi]
pub fn sensitivities(samples: &Samples, classes: u32, theta: &Vector, u: &Vector, q: &Vector) -> Result<()> {
    guard(|| engine::kernels::sensitivities(&samples.0, classes as usize, &theta.0, &u.0, &q.0))
}

#[napi]
pub fn kronecker_factors(
    samples: &Samples,
    classes: u32,
    theta: &Vector,
    input: &Vector,
    output: &Vector,
) -> Result<()> {
    guard(|| engine::kernels::kronecker_factors(&samples.0, classes as usize, &theta.0, &input.0, &output.0))
}

#[napi]
pub fn conjugate_gradients(
    n: u32,
    a: &Vector,
    b: &Vector,
    x: &Vector,
    tolerance: f64,
    steps: u32,
) -> Result<f64> {
    guard(|| engine::kernels::cg(n as usize, &a.0, &b.0, &x.0, tolerance, steps as usize))
}

/// A = F⁻¹ while F gains outer products.
#[napi]
pub struct InverseUpdate(engine::kernels::InverseUpdate);

#[napi]
impl InverseUpdate {
    #[napi(constructor)]
    pub fn new(d: f64, scale: f64, dtype: String, threads: f64) -> Result<Self> {
        guard(|| engine::kernels::InverseUpdate::new(d, scale, &dtype, threads)).map(Self)
    }
    #[napi]
    pub fn update(&self, g: &Vector, beta: f64, gamma: f64) -> Result<()> {
        guard(|| self.0.update(&g.0, beta, gamma))
    }
    #[napi]
    pub fn update_many(&self, g: &Vector, beta: f64, weights: &[f64]) -> Result<()> {
        guard(|| self.0.update_many(&g.0, beta, weights))
    }
    #[napi]
    pub fn multiply(&self, x: &Vector, y: &Vector) -> Result<()> {
        guard(|| self.0.multiply(&x.0, &y.0))
    }
}
