//! The engine's classes for WebAssembly, under the names of the Node-API addon.

#![deny(unsafe_code)]
#![allow(missing_docs, reason = "the classes are documented where they are defined, in the engine")]
// wasm-bindgen generates the unsafe glue; none is written here.

use js_sys::{JsString, Reflect};
use nhgd_engine as engine;
use nhgd_engine::FeatureData;
use wasm_bindgen::prelude::{JsError, JsValue, wasm_bindgen};

type Result<T> = std::result::Result<T, JsValue>;

/// Runs a call of the engine; errors keep their code. A panic aborts the instance, so the engine must not.
fn guard<T>(call: impl FnOnce() -> engine::Result<T>) -> Result<T> {
    call().map_err(|e| {
        let error = JsValue::from(JsError::new(&e.message));
        // Setting a property of a fresh object can't fail.
        let _ = Reflect::set(&error, &JsString::from("code"), &JsString::from(e.code.as_str()));
        error
    })
}

/// Version, SIMD level, BLAS, threads and target, as JSON.
#[wasm_bindgen]
pub fn info() -> String {
    engine::info()
}

/// What workers on the same memory call, and the thread that starts them.
#[cfg(target_feature = "atomics")]
mod helpers {
    use nhgd_engine::helpers;
    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen(js_name = expectHelpers)]
    pub fn expect_helpers(count: u32) {
        helpers::expect(count as usize);
    }
    /// Does the tasks that come. Never returns.
    #[wasm_bindgen]
    pub fn help() {
        helpers::help();
    }
    /// Tells whoever waits that this helper trapped.
    #[wasm_bindgen(js_name = giveUp)]
    pub fn give_up() {
        helpers::give_up();
    }
}

/// A vector that lives in WebAssembly memory.
#[wasm_bindgen]
pub struct Vector(engine::Vector);

#[wasm_bindgen]
impl Vector {
    #[wasm_bindgen(constructor)]
    pub fn new(length: u32, dtype: &str) -> Result<Self> {
        guard(|| engine::Vector::zeros(length as usize, dtype)).map(Self)
    }
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> Result<u32> {
        guard(|| self.0.length()).map(|n| n as u32)
    }
    #[wasm_bindgen(getter)]
    pub fn dtype(&self) -> Result<String> {
        guard(|| self.0.dtype())
    }
    #[wasm_bindgen(js_name = readF32)]
    pub fn read_f32(&self) -> Result<Vec<f32>> {
        guard(|| self.0.read())
    }
    #[wasm_bindgen(js_name = readF64)]
    pub fn read_f64(&self) -> Result<Vec<f64>> {
        guard(|| self.0.read())
    }
    #[wasm_bindgen(js_name = writeF32)]
    pub fn write_f32(&self, source: &[f32]) -> Result<()> {
        guard(|| self.0.write(source))
    }
    #[wasm_bindgen(js_name = writeF64)]
    pub fn write_f64(&self, source: &[f64]) -> Result<()> {
        guard(|| self.0.write(source))
    }
    #[wasm_bindgen]
    pub fn fill(&self, value: f64) -> Result<()> {
        guard(|| self.0.fill(value))
    }
    #[wasm_bindgen]
    pub fn axpy(&self, alpha: f64, x: &Vector) -> Result<()> {
        guard(|| self.0.axpy(alpha, &x.0))
    }
    #[wasm_bindgen]
    pub fn scale(&self, alpha: f64) -> Result<()> {
        guard(|| self.0.scale(alpha))
    }
    #[wasm_bindgen(js_name = copyFrom)]
    pub fn copy_from(&self, x: &Vector) -> Result<()> {
        guard(|| self.0.copy_from(&x.0))
    }
    #[wasm_bindgen]
    pub fn clamp(&self, low: f64, high: f64) -> Result<()> {
        guard(|| self.0.clamp(low, high))
    }
    #[wasm_bindgen]
    pub fn dot(&self, x: &Vector) -> Result<f64> {
        guard(|| self.0.dot(&x.0))
    }
    #[wasm_bindgen(js_name = isFinite)]
    pub fn is_finite(&self) -> Result<bool> {
        guard(|| self.0.is_finite())
    }
    #[wasm_bindgen]
    pub fn dispose(&self) -> Result<()> {
        guard(|| self.0.dispose())
    }
}

/// A feature matrix that lives in WebAssembly memory.
#[wasm_bindgen]
pub struct Features(engine::Features);

#[wasm_bindgen]
impl Features {
    #[wasm_bindgen]
    pub fn u8(data: Vec<u8>, rows: u32, columns: u32, scale: f64) -> Result<Self> {
        Self::from(FeatureData::U8(data), rows, columns, scale)
    }
    #[wasm_bindgen]
    pub fn f32(data: Vec<f32>, rows: u32, columns: u32, scale: f64) -> Result<Self> {
        Self::from(FeatureData::F32(data), rows, columns, scale)
    }
    #[wasm_bindgen]
    pub fn f64(data: Vec<f64>, rows: u32, columns: u32, scale: f64) -> Result<Self> {
        Self::from(FeatureData::F64(data), rows, columns, scale)
    }
    #[wasm_bindgen(getter)]
    pub fn rows(&self) -> u32 {
        self.0.rows() as u32
    }
    #[wasm_bindgen(getter)]
    pub fn columns(&self) -> u32 {
        self.0.columns() as u32
    }
    fn from(data: FeatureData, rows: u32, columns: u32, scale: f64) -> Result<Self> {
        guard(|| engine::Features::new(data, rows as usize, columns as usize, scale)).map(Self)
    }
}

/// Labelled samples.
#[wasm_bindgen]
pub struct Samples(engine::Samples);

#[wasm_bindgen]
impl Samples {
    #[wasm_bindgen(constructor)]
    pub fn new(features: &Features, rows: Option<Vec<u32>>, labels: Vec<u32>) -> Result<Self> {
        guard(|| engine::Samples::new(&features.0, rows, labels)).map(Self)
    }
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> u32 {
        self.0.length() as u32
    }
}

/// A set of samples.
#[wasm_bindgen]
pub struct Batch(engine::Batch);

#[wasm_bindgen]
impl Batch {
    #[wasm_bindgen]
    pub fn all(samples: u32) -> Self {
        Self(engine::Batch::all(samples as usize))
    }
    #[wasm_bindgen]
    pub fn of(positions: Vec<u32>) -> Self {
        Self(engine::Batch::of(positions))
    }
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> u32 {
        self.0.length() as u32
    }
    #[wasm_bindgen(getter)]
    pub fn positions(&self) -> Vec<u32> {
        self.0.positions()
    }
    /// Another handle to the same samples.
    #[wasm_bindgen]
    pub fn share(&self) -> Self {
        Self(self.0.clone())
    }
}

#[wasm_bindgen]
extern "C" {
    /// A [`Batch`] that may be left out: wasm-bindgen takes `Option<Batch>` by value alone, and would empty the
    /// caller's handle.
    #[wasm_bindgen(typescript_type = "Batch")]
    pub type BatchReference;
    #[wasm_bindgen(method, catch)]
    fn share(this: &BatchReference) -> Result<Batch>;
}

/// Draws batches.
#[wasm_bindgen]
pub struct Sampler(engine::Sampler);

#[wasm_bindgen]
impl Sampler {
    #[wasm_bindgen(constructor)]
    pub fn new(seed: f64, samples: u32) -> Result<Self> {
        guard(|| engine::Sampler::new(seed, samples as usize)).map(Self)
    }
    #[wasm_bindgen]
    pub fn take(&self, size: u32) -> Result<Batch> {
        guard(|| self.0.take(size as usize)).map(Batch)
    }
    #[wasm_bindgen]
    pub fn seed(&self) -> f64 {
        self.0.seed()
    }
    #[wasm_bindgen]
    pub fn save(&self) -> Vec<u8> {
        self.0.save()
    }
    #[wasm_bindgen]
    pub fn restore(&self, bytes: &[u8]) -> Result<()> {
        guard(|| self.0.restore(bytes))
    }
}

/// A slot for inner steps.
#[wasm_bindgen]
pub struct Step(engine::Step);

#[wasm_bindgen]
impl Step {
    #[wasm_bindgen(constructor)]
    pub fn new(length: u32, dtype: &str) -> Result<Self> {
        guard(|| engine::Step::new(length as usize, dtype)).map(Self)
    }
    #[wasm_bindgen(getter)]
    pub fn gradient(&self) -> Vector {
        Vector(self.0.gradient())
    }
    #[wasm_bindgen(getter)]
    pub fn inner(&self) -> Vector {
        Vector(self.0.inner())
    }
    #[wasm_bindgen(getter)]
    pub fn batch(&self) -> Result<Batch> {
        guard(|| self.0.batch()).map(Batch)
    }
}

/// An optimiser and its state.
#[wasm_bindgen]
pub struct Optimizer(engine::Optimizer);

#[wasm_bindgen]
impl Optimizer {
    #[wasm_bindgen(constructor)]
    pub fn new(settings: &str) -> Result<Self> {
        guard(|| engine::Optimizer::new(settings)).map(Self)
    }
    #[wasm_bindgen]
    pub fn step(&self, x: &Vector, gradient: &Vector, rate: f64) -> Result<()> {
        guard(|| self.0.step(&x.0, &gradient.0, rate))
    }
    #[wasm_bindgen(getter)]
    pub fn steps(&self) -> u32 {
        self.0.steps()
    }
    #[wasm_bindgen]
    pub fn adaptation(
        &self,
        gradient: &Vector,
        target: &Vector,
        rate: f64,
        direction: &Vector,
    ) -> Result<()> {
        guard(|| self.0.adaptation(&gradient.0, &target.0, rate, &direction.0))
    }
    #[wasm_bindgen]
    pub fn save(&self) -> Vec<u8> {
        self.0.save()
    }
    #[wasm_bindgen]
    pub fn restore(&self, bytes: &[u8]) -> Result<()> {
        guard(|| self.0.restore(bytes))
    }
    #[wasm_bindgen]
    pub fn reset(&self) {
        self.0.reset();
    }
}

/// A bilevel problem.
#[wasm_bindgen]
pub struct Problem(engine::Problem);

#[wasm_bindgen]
impl Problem {
    #[wasm_bindgen]
    pub fn reweighting(
        settings: &str,
        train: &Samples,
        trusted: &Samples,
        weights: Option<Vec<f64>>,
    ) -> Result<Self> {
        guard(|| engine::Problem::reweighting(settings, &train.0, &trusted.0, weights)).map(Self)
    }
    #[wasm_bindgen]
    pub fn quadratic(
        dtype: &str,
        h: &[f64],
        c: &[f64],
        c0: &[f64],
        q: &[f64],
        t: &[f64],
        mu: f64,
    ) -> Result<Self> {
        guard(|| engine::Problem::quadratic(dtype, h, c, c0, q, t, mu)).map(Self)
    }
    #[wasm_bindgen(getter, js_name = innerLength)]
    pub fn inner_length(&self) -> u32 {
        self.0.inner_length() as u32
    }
    #[wasm_bindgen(getter, js_name = outerLength)]
    pub fn outer_length(&self) -> u32 {
        self.0.outer_length() as u32
    }
    #[wasm_bindgen(getter)]
    pub fn samples(&self) -> u32 {
        self.0.samples() as u32
    }
    #[wasm_bindgen(getter, js_name = outerSamples)]
    pub fn outer_samples(&self) -> u32 {
        self.0.outer_samples() as u32
    }
    #[wasm_bindgen(getter)]
    pub fn dtype(&self) -> String {
        self.0.dtype().to_owned()
    }
    #[wasm_bindgen(getter)]
    pub fn curvature(&self) -> String {
        self.0.curvature().to_owned()
    }
    #[wasm_bindgen(getter)]
    pub fn layers(&self) -> Vec<u32> {
        self.0.layers()
    }
    #[wasm_bindgen(getter)]
    pub fn bytes(&self) -> f64 {
        self.0.bytes() as f64
    }
    #[wasm_bindgen(js_name = innerStep)]
    pub fn inner_step(&self, inner: &Vector, outer: &Vector, batch: &Batch, step: &Step) -> Result<f64> {
        guard(|| self.0.inner_step(&inner.0, &outer.0, &batch.0, &step.0))
    }
    #[wasm_bindgen(js_name = innerStepFor)]
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
    #[wasm_bindgen]
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
    #[wasm_bindgen(js_name = innerGradient)]
    pub fn inner_gradient(
        &self,
        inner: &Vector,
        outer: &Vector,
        batch: &Batch,
        gradient: &Vector,
    ) -> Result<f64> {
        guard(|| self.0.inner_gradient(&inner.0, &outer.0, &batch.0, &gradient.0))
    }
    #[wasm_bindgen(js_name = innerLoss)]
    pub fn inner_loss(&self, inner: &Vector, outer: &Vector) -> Result<f64> {
        guard(|| self.0.inner_loss(&inner.0, &outer.0))
    }
    #[wasm_bindgen(js_name = outerLoss)]
    pub fn outer_loss(&self, inner: &Vector, outer: &Vector) -> Result<f64> {
        guard(|| self.0.outer_loss(&inner.0, &outer.0))
    }
    #[wasm_bindgen(js_name = outerGradient)]
    pub fn outer_gradient(
        &self,
        inner: &Vector,
        outer: &Vector,
        direct: &Vector,
        target: &Vector,
        batch: Option<BatchReference>,
    ) -> Result<f64> {
        let batch = batch.map(|batch| batch.share()).transpose()?;
        let batch = batch.as_ref().map(|batch| &batch.0);
        guard(|| self.0.outer_gradient(&inner.0, &outer.0, &direct.0, &target.0, batch))
    }
    #[wasm_bindgen(js_name = crossProduct)]
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
    #[wasm_bindgen(js_name = curvatureProduct)]
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
    #[wasm_bindgen(js_name = exactDirection)]
    pub fn exact_direction(
        &self,
        inner: &Vector,
        outer: &Vector,
        target: &Vector,
        direction: &Vector,
    ) -> Result<()> {
        guard(|| self.0.exact_direction(&inner.0, &outer.0, &target.0, &direction.0))
    }
    #[wasm_bindgen]
    pub fn initial(&self, seed: f64) -> Result<Vector> {
        guard(|| Ok(self.0.initial(engine::seed_bits(seed)?))).map(Vector)
    }
    #[wasm_bindgen]
    pub fn refresh(&self, inner: &Vector, outer: &Vector) -> Result<()> {
        guard(|| self.0.refresh(&inner.0, &outer.0))
    }
    #[wasm_bindgen]
    pub fn weights(&self, outer: &Vector) -> Result<Vector> {
        guard(|| self.0.weights(&outer.0)).map(Vector)
    }
    #[wasm_bindgen]
    pub fn probabilities(&self, inner: &Vector, features: &Features, rows: &Batch) -> Result<Vector> {
        guard(|| self.0.probabilities(&inner.0, &features.0, &rows.0)).map(Vector)
    }
}

/// An inverse Fisher that works beside the inner loop.
#[wasm_bindgen]
pub struct Fisher(engine::Fisher);

#[wasm_bindgen]
impl Fisher {
    #[wasm_bindgen(constructor)]
    pub fn new(problem: &Problem, outer: &Vector, settings: &str) -> Result<Self> {
        guard(|| engine::Fisher::new(&problem.0, &outer.0, settings)).map(Self)
    }
    #[wasm_bindgen(js_name = tryObserve)]
    pub fn try_observe(&self, step: &Step) -> Result<bool> {
        guard(|| self.0.try_observe(&step.0))
    }
    #[wasm_bindgen(js_name = tryRefresh)]
    pub fn try_refresh(&self, step: &Step) -> Result<bool> {
        guard(|| self.0.try_refresh(&step.0))
    }
    /// Waits until the queue has room.
    #[wasm_bindgen]
    pub fn wait(&self) {
        self.0.wait();
    }
    /// Returns a JSON report once x = (F + D̃)⁻¹ b is in `out`.
    #[wasm_bindgen]
    pub fn solve(&self, b: &Vector, out: &Vector) -> Result<String> {
        let solve = guard(|| self.0.solve(&b.0))?;
        Ok(engine::envelope(solve.wait().and_then(|solved| solved.deliver(&out.0))))
    }
    /// The bytes of all that was observed before.
    #[wasm_bindgen]
    pub fn save(&self) -> Result<Vec<u8>> {
        guard(|| self.0.save().wait())
    }
    /// Returns a JSON envelope.
    #[wasm_bindgen]
    pub fn restore(&self, bytes: &[u8]) -> Result<String> {
        let reply = guard(|| self.0.restore(bytes))?;
        Ok(engine::envelope(reply.wait().map(|()| "null".to_owned())))
    }
    #[wasm_bindgen]
    pub fn reset(&self) {
        self.0.reset();
    }
    #[wasm_bindgen(js_name = setRegularizer)]
    pub fn set_regularizer(&self, problem: &Problem, outer: &Vector) -> Result<()> {
        guard(|| self.0.set_regularizer(&problem.0, &outer.0))
    }
}

#[wasm_bindgen]
pub fn gemm(m: u32, n: u32, k: u32, alpha: f64, a: &Vector, b: &Vector, beta: f64, c: &Vector) -> Result<()> {
    guard(|| engine::kernels::gemm(m as usize, n as usize, k as usize, alpha, &a.0, &b.0, beta, &c.0))
}

#[wasm_bindgen]
pub fn syrk(n: u32, k: u32, alpha: f64, a: &Vector, beta: f64, c: &Vector) -> Result<()> {
    guard(|| engine::kernels::syrk_full(n as usize, k as usize, alpha, &a.0, beta, &c.0))
}

#[wasm_bindgen]
pub fn symv(n: u32, alpha: f64, a: &Vector, x: &Vector, beta: f64, y: &Vector) -> Result<()> {
    guard(|| engine::kernels::symv(n as usize, alpha, &a.0, &x.0, beta, &y.0))
}

#[wasm_bindgen(js_name = choleskySolve)]
pub fn cholesky_solve(n: u32, k: u32, a: &Vector, b: &Vector) -> Result<()> {
    guard(|| engine::kernels::cholesky_solve(n as usize, k as usize, &a.0, &b.0))
}

#[wasm_bindgen(js_name = choleskyInverse)]
pub fn cholesky_inverse(n: u32, a: &Vector, inverse: &Vector) -> Result<()> {
    guard(|| engine::kernels::cholesky_inverse(n as usize, &a.0, &inverse.0))
}

#[wasm_bindgen(js_name = symmetricEigen)]
pub fn symmetric_eigen(n: u32, a: &Vector, values: &Vector, vectors: &Vector) -> Result<()> {
    guard(|| engine::kernels::eigen(n as usize, &a.0, &values.0, &vectors.0))
}

#[wasm_bindgen(js_name = kroneckerSolve)]
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

#[wasm_bindgen(js_name = perSampleGram)]
pub fn per_sample_gram(m: u32, n: u32, k: u32, x: &Vector, e: &Vector, gram: &Vector) -> Result<()> {
    guard(|| engine::kernels::per_sample_gram(m as usize, n as usize, k as usize, &x.0, &e.0, &gram.0))
}

#[wasm_bindgen(js_name = softmaxGradient)]
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

#[wasm_bindgen]
pub fn sensitivities(samples: &Samples, classes: u32, theta: &Vector, u: &Vector, q: &Vector) -> Result<()> {
    guard(|| engine::kernels::sensitivities(&samples.0, classes as usize, &theta.0, &u.0, &q.0))
}

#[wasm_bindgen(js_name = kroneckerFactors)]
pub fn kronecker_factors(
    samples: &Samples,
    classes: u32,
    theta: &Vector,
    input: &Vector,
    output: &Vector,
) -> Result<()> {
    guard(|| engine::kernels::kronecker_factors(&samples.0, classes as usize, &theta.0, &input.0, &output.0))
}

#[wasm_bindgen(js_name = conjugateGradients)]
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
#[wasm_bindgen]
pub struct InverseUpdate(engine::kernels::InverseUpdate);

#[wasm_bindgen]
impl InverseUpdate {
    #[wasm_bindgen(constructor)]
    pub fn new(d: f64, scale: f64, dtype: &str, threads: f64) -> Result<Self> {
        guard(|| engine::kernels::InverseUpdate::new(d, scale, dtype, threads)).map(Self)
    }
    #[wasm_bindgen]
    pub fn update(&self, g: &Vector, beta: f64, gamma: f64) -> Result<()> {
        guard(|| self.0.update(&g.0, beta, gamma))
    }
    #[wasm_bindgen(js_name = updateMany)]
    pub fn update_many(&self, g: &Vector, beta: f64, weights: &[f64]) -> Result<()> {
        guard(|| self.0.update_many(&g.0, beta, weights))
    }
    #[wasm_bindgen]
    pub fn multiply(&self, x: &Vector, y: &Vector) -> Result<()> {
        guard(|| self.0.multiply(&x.0, &y.0))
    }
}
