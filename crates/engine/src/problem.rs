//! Problems behind one handle, whatever their scalar type.

use std::sync::Arc;

use nhgd_curvature::{Diagonal, Statistic, Wants};
use nhgd_kernels::memory::{self, collected, copied};
use nhgd_kernels::{Cholesky, RowSet, Scalar};
use nhgd_problems::{Folds, Prior, Problem as Oracles, Quadratic};

use crate::bilevel::BilevelSettings;
use crate::error::{length, reserved};
use crate::exact::exact_direction;
use crate::physics::physics;
use crate::point::Here;
use crate::reduce;
use crate::step::Observable;
use crate::vector::unknown_dtype;
use crate::{Batch, Code, Error, Fisher, Point, Result, Samples, Step, Vector};

/// A bilevel problem: data, model, objectives.
#[derive(Clone)]
pub struct Problem(pub(crate) Typed);

/// The oracles in either scalar type.
#[derive(Clone)]
pub(crate) enum Typed {
    F32(Arc<dyn Oracles<f32>>),
    F64(Arc<dyn Oracles<f64>>),
}

/// Runs `$body` with `$p` bound to the oracles and `$T` to their scalar.
macro_rules! typed {
    ($problem:expr, $T:ident, $p:ident => $body:expr) => {
        match &$problem.0 {
            $crate::problem::Typed::F32($p) => {
                #[allow(dead_code, reason = "not every body names its scalar")]
                type $T = f32;
                $body
            }
            $crate::problem::Typed::F64($p) => {
                #[allow(dead_code, reason = "not every body names its scalar")]
                type $T = f64;
                $body
            }
        }
    };
}

/// Fails with a memory error unless there is room for what a Fisher wants and for one copy of it.
fn room_for<T>(entries: usize) -> Result<()> {
    reserved::<T>("samples of the Fisher", entries.saturating_mul(2)).map(drop)
}

impl Problem {
    /// A problem over data: `settings` is JSON, `threads` is the most that a pass over many samples may use,
    /// and `weights` are those of the blocks of fixed weights, one after the other.
    pub fn bilevel(
        settings: &str,
        train: &Samples,
        validation: &Samples,
        threads: usize,
        weights: Option<Vec<f64>>,
    ) -> Result<Self> {
        let settings: BilevelSettings = nhgd_settings::read(settings).map_err(Error::settings)?;
        let (train, validation, weights) = (train.clone(), validation.clone(), weights.unwrap_or_default());
        match settings.dtype.clone().as_str() {
            "f32" => Ok(Self(Typed::F32(Arc::new(settings.build(train, validation, &weights, threads)?)))),
            "f64" => Ok(Self(Typed::F64(Arc::new(settings.build(train, validation, &weights, threads)?)))),
            other => Err(unknown_dtype(other)),
        }
    }

    /// The quadratic problem: H and Q d × d symmetric, H positive definite, C d × p, c₀ and t of d entries.
    pub fn quadratic(
        dtype: &str,
        h: Vec<f64>,
        c: Vec<f64>,
        c0: Vec<f64>,
        q: Vec<f64>,
        t: Vec<f64>,
        mu: f64,
    ) -> Result<Self> {
        let [h, c, c0, q, t] = [&h[..], &c, &c0, &q, &t];
        let d = t.len();
        if d == 0 || c.is_empty() {
            return Err(Error::expected(Code::Shape, "c", "at least one row and column", "none"));
        }
        for (name, expected, got) in [("h", d * d, h), ("q", d * d, q), ("c0", d, c0), ("t", d, t)]
            .map(|(name, expected, x)| (name, expected, x.len()))
        {
            length(name, expected, got)?;
        }
        if !c.len().is_multiple_of(d) {
            return Err(Error::expected(Code::Shape, "c", format!("a multiple of {d} entries"), c.len()));
        }
        for (name, x) in [("h", h), ("c", c), ("c0", c0), ("q", q), ("t", t), ("mu", &[mu])] {
            if let Some(i) = x.iter().position(|x| !x.is_finite()) {
                return Err(Error::expected(
                    Code::NotFinite,
                    name,
                    "finite numbers",
                    format!("{} at index {i}", x[i]),
                ));
            }
        }
        for (name, x) in [("h", h), ("q", q)] {
            symmetric(name, d, x)?;
        }
        let factor = Cholesky::factor(d, copied(h)?)?.map_err(|e| {
            Error::expected(Code::Range, "h", "a positive definite matrix", format!("pivot {} ≤ 0", e.index))
        })?;
        // Row k of the root is column k of the Cholesky factor: Σ_k l_k l_kᵀ = H.
        let lower = factor.lower();
        let root = collected((0..d * d).map(|k| if k % d < k / d { 0.0 } else { lower.at(k % d, k / d) }))?;
        fn build<T: Scalar>(parts: [&[f64]; 6], mu: f64) -> memory::Result<Quadratic<T>> {
            let mut scalars = [const { Vec::new() }; 6];
            for (scalars, part) in scalars.iter_mut().zip(parts) {
                *scalars = collected(part.iter().map(|&x| T::of(x)))?;
            }
            Quadratic::new(scalars, T::of(mu))
        }
        let parts = [h, c, c0, q, t, &root];
        match dtype {
            "f32" => Ok(Self(Typed::F32(Arc::new(build(parts, mu)?)))),
            "f64" => Ok(Self(Typed::F64(Arc::new(build(parts, mu)?)))),
            other => Err(unknown_dtype(other)),
        }
    }

    /// A problem of differential equations, in double precision; the equations of g and of f are rows of numbers.
    pub fn physics(
        hidden: Vec<u32>,
        dimensions: usize,
        variable: bool,
        regularization: f64,
        mean: Vec<f64>,
        precision: Vec<f64>,
        inner: Vec<f64>,
        outer: Vec<f64>,
        threads: usize,
    ) -> Result<Self> {
        let prior = Prior { mean, precision };
        let rows = [inner, outer];
        let problem = physics(&hidden, dimensions, variable, regularization, prior, rows, threads)?;
        Ok(Self(Typed::F64(Arc::new(problem))))
    }

    /// These folds and one more as one problem, with a mean over folds for f.
    pub fn with_fold(&self, fold: &Self) -> Result<Self> {
        fn joined<T: Scalar>(
            before: &Arc<dyn Oracles<T>>,
            fold: &Arc<dyn Oracles<T>>,
        ) -> memory::Result<Arc<dyn Oracles<T>>> {
            let threads = before.threads();
            let mut folds = before.folds().to_vec();
            if folds.is_empty() {
                folds.push(before.clone());
            }
            folds.push(fold.clone());
            Ok(Arc::new(Folds::new(folds, threads)?))
        }
        let count = typed!(self, T, p => p.folds().len().max(1));
        for (name, expected, got) in [
            ("inner", self.inner_length() / count, fold.inner_length()),
            ("outer", self.outer_length(), fold.outer_length()),
            ("signals", self.signals_length() / count, fold.signals_length()),
        ] {
            length(name, expected, got)?;
        }
        if self.blocks() != fold.blocks() {
            return Err(Error::expected(Code::Shape, "fold", "the blocks of the others", "other blocks"));
        }
        match (&self.0, &fold.0) {
            (Typed::F32(before), Typed::F32(fold)) => Ok(Self(Typed::F32(joined(before, fold)?))),
            (Typed::F64(before), Typed::F64(fold)) => Ok(Self(Typed::F64(joined(before, fold)?))),
            _ => Err(Error::expected(Code::Range, "fold", self.dtype(), fold.dtype())),
        }
    }

    /// d.
    pub fn inner_length(&self) -> usize {
        typed!(self, T, p => p.inner_len())
    }
    /// p.
    pub fn outer_length(&self) -> usize {
        typed!(self, T, p => p.outer_len())
    }
    /// Inner samples n.
    pub fn samples(&self) -> usize {
        typed!(self, T, p => p.samples())
    }
    /// Outer samples m.
    pub fn outer_samples(&self) -> usize {
        typed!(self, T, p => p.outer_samples())
    }
    /// `"f32"` or `"f64"`.
    pub fn dtype(&self) -> &'static str {
        typed!(self, T, _p => T::NAME)
    }
    /// `"hessian"` or `"gauss-newton"`.
    pub fn curvature(&self) -> &'static str {
        typed!(self, T, p => p.curvature())
    }
    /// θ to start from: zeros for a convex problem, random weights for a network; the same for the same seed.
    pub fn initial(&self, seed: u64) -> Result<Vector> {
        typed!(self, T, p => Ok(Vector::from_vec(p.initial(seed)?)))
    }
    /// Inputs and outputs of each layer of θ, one after the other; none where it has no layers.
    pub fn layers(&self) -> Vec<u32> {
        let layers = typed!(self, T, p => p.layers());
        layers.iter().flat_map(|layer| [layer.inputs as u32, layer.outputs as u32]).collect()
    }
    /// D, the curvature of the quadratic that touches the penalty of g at θ from above: one entry for cI, or one per
    /// parameter.
    pub fn regularizer(&self, point: &Point) -> Result<Vector> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let point = point.of::<T>()?;
            Ok(Vector::from_vec(match p.penalty().diagonal(point.outer, point.inner)? {
                Diagonal::Scalar(c) => vec![c],
                Diagonal::Vector(entries) => entries,
            }))
        })
    }
    /// Bytes of the data sets.
    pub fn bytes(&self) -> usize {
        typed!(self, T, p => p.bytes())
    }

    /// g on a batch and, in `step`, its gradient and θ.
    pub fn inner_step(&self, point: &Point, batch: &Batch, step: &Step) -> Result<f64> {
        self.step(point, batch, step, None)
    }

    /// The same, and in the same pass what `fisher` wants of the samples (random numbers from `seed`).
    pub fn inner_step_for(
        &self,
        point: &Point,
        batch: &Batch,
        step: &Step,
        fisher: &Fisher,
        seed: u64,
    ) -> Result<f64> {
        self.step(point, batch, step, Some((fisher.wants(), seed)))
    }

    fn step(&self, point: &Point, batch: &Batch, step: &Step, wants: Option<(Wants, u64)>) -> Result<f64> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let point = point.of::<T>()?;
            let (gradient, theta) = (step.gradient(), step.inner());
            let mut gradient = gradient.lock("step")?;
            let gradient = gradient.of::<T>("step")?;
            length("step", point.inner.len(), gradient.len())?;
            theta.lock("step")?.of::<T>("step")?.copy_from_slice(point.inner);
            let rows = batch.checked(p.samples())?;
            if let Some((wants, _)) = wants {
                room_for::<T>(p.observation_len(rows.len(), wants))?;
            }
            let (loss, observation) = reduce::inner_step(&**p, point, rows, wants, gradient)?;
            step.store(batch, observation.map(T::observed));
            Ok(loss)
        })
    }

    /// What `fisher` wants of a batch, written to `step` without a gradient.
    pub fn observe(
        &self,
        point: &Point,
        batch: &Batch,
        step: &Step,
        fisher: &Fisher,
        seed: u64,
    ) -> Result<()> {
        let wants: Wants = fisher.wants();
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let rows = batch.checked(p.samples())?;
            room_for::<T>(p.observation_len(rows.len(), wants))?;
            let observation = p.observation(point.of::<T>()?, rows, wants, seed)?;
            step.store(batch, Some(T::observed(observation)));
            Ok(())
        })
    }

    /// gradient ← ∇_θ g on a batch; returns g.
    pub fn inner_gradient(&self, point: &Point, batch: &Batch, gradient: &Vector) -> Result<f64> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let mut gradient = gradient.lock("gradient")?;
            let gradient = gradient.of::<T>("gradient")?;
            length("gradient", p.inner_len(), gradient.len())?;
            let rows = batch.checked(p.samples())?;
            Ok(reduce::inner_step(&**p, point.of::<T>()?, rows, None, gradient)?.0)
        })
    }

    /// g over all samples.
    pub fn inner_loss(&self, point: &Point) -> Result<f64> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            Ok(reduce::inner_loss(&**p, point.of::<T>()?)?)
        })
    }

    /// f.
    pub fn outer_loss(&self, point: &Point) -> Result<f64> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            Ok(reduce::outer_loss(&**p, point.of::<T>()?)?)
        })
    }

    /// direct ← ∇_v f, target ← ∇_θ f on a batch of the outer samples, all of them where absent; returns f there.
    pub fn outer_gradient(
        &self,
        point: &Point,
        direct: &Vector,
        target: &Vector,
        batch: Option<&Batch>,
    ) -> Result<f64> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let (mut direct, mut target) = (direct.lock("direct")?, target.lock("target")?);
            let (direct, target) = (direct.of::<T>("direct")?, target.of::<T>("target")?);
            length("direct", p.outer_len(), direct.len())?;
            length("target", p.inner_len(), target.len())?;
            let m = p.outer_samples();
            let rows = batch.map_or(Ok(RowSet::all(m)), |batch| batch.checked(m))?;
            Ok(reduce::outer_gradient(&**p, point.of::<T>()?, rows, direct, target)?)
        })
    }

    /// product ← product + scale · Lᵀu on a batch.
    pub fn cross_product(
        &self,
        point: &Point,
        batch: &Batch,
        u: &Vector,
        scale: f64,
        product: &Vector,
    ) -> Result<()> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let (mut u, mut product) = (u.lock("u")?, product.lock("product")?);
            let (u, product) = (u.of::<T>("u")?, product.of::<T>("product")?);
            length("u", p.inner_len(), u.len())?;
            length("product", p.outer_len(), product.len())?;
            let rows = batch.checked(p.samples())?;
            let point = point.of::<T>()?;
            Ok(reduce::cross_product(&**p, point, rows, u, Scalar::of(scale), product)?)
        })
    }

    /// product ← Cu on a batch, the regulariser included.
    pub fn curvature_product(
        &self,
        point: &Point,
        batch: &Batch,
        u: &Vector,
        product: &Vector,
    ) -> Result<()> {
        self.product(point, batch, u, product, false)
    }

    /// product ← Hu on a batch with the true Hessian of g, the regulariser included.
    pub fn hessian_product(&self, point: &Point, batch: &Batch, u: &Vector, product: &Vector) -> Result<()> {
        self.product(point, batch, u, product, true)
    }

    fn product(
        &self,
        point: &Point,
        batch: &Batch,
        u: &Vector,
        product: &Vector,
        hessian: bool,
    ) -> Result<()> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let (mut u, mut product) = (u.lock("u")?, product.lock("product")?);
            let (u, product) = (u.of::<T>("u")?, product.of::<T>("product")?);
            length("u", p.inner_len(), u.len())?;
            length("product", p.inner_len(), product.len())?;
            let rows = batch.checked(p.samples())?;
            Ok(reduce::curvature_product(&**p, point.of::<T>()?, rows, u, product, hessian)?)
        })
    }

    /// direction ← C⁻¹ target with the dense curvature over all samples, the true Hessian if `hessian`; returns
    /// ‖target − C direction‖ / ‖target‖.
    pub fn exact_direction(
        &self,
        point: &Point,
        target: &Vector,
        direction: &Vector,
        hessian: bool,
    ) -> Result<f64> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let (mut target, mut direction) = (target.lock("target")?, direction.lock("direction")?);
            let (target, direction) = (target.of::<T>("target")?, direction.of::<T>("direction")?);
            length("target", p.inner_len(), target.len())?;
            length("direction", p.inner_len(), direction.len())?;
            let (x, residual) = exact_direction(&**p, point.of::<T>()?, target, hessian)?;
            *direction = x;
            Ok(residual)
        })
    }

    /// ⟨∇ℓ_i, u_j⟩ of each sample of a batch and each of the directions u_j, which stand one after the other: samples ×
    /// directions. ℓ_i is the loss without its weight.
    pub fn sensitivities(&self, point: &Point, batch: &Batch, directions: &Vector) -> Result<Vector> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let mut directions = directions.lock("directions")?;
            let directions = directions.of::<T>("directions")?;
            let d = p.inner_len();
            if directions.is_empty() || !directions.len().is_multiple_of(d) {
                let expected = format!("one or more rows of {d} entries");
                return Err(Error::expected(Code::Shape, "directions", expected, directions.len()));
            }
            let rows = batch.checked(p.samples())?;
            room_for::<T>(p.observation_len(rows.len(), Wants::Factors(Statistic::Empirical)))?;
            room_for::<T>(rows.len().saturating_mul(directions.len() / d))?;
            let missing = || Error::expected(Code::Range, "problem", "one of samples and a model", "another");
            let factors = p.gradients(point.of::<T>()?, rows)?.ok_or_else(missing)?;
            Ok(Vector::from_vec(factors.sensitivities(&p.layers(), directions, p.threads())?))
        })
    }

    /// Entries of a point's signals.
    pub fn signals_length(&self) -> usize {
        typed!(self, T, p => p.signals_len())
    }

    /// Writes the signals that follow from the point's θ and v, such as margins.
    pub fn refresh(&self, point: &Point) -> Result<()> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let (inner, outer, signals) = point.parts::<T>()?;
            Ok(p.refresh(inner, outer, signals)?)
        })
    }

    /// Weights of all inner samples.
    pub fn weights(&self, point: &Point) -> Result<Vector> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let missing = || Error::expected(Code::Range, "problem", "one that weighs samples", "one without weights");
            Ok(Vector::from_vec(p.weights(point.of::<T>()?)?.ok_or_else(missing)?))
        })
    }

    /// Entries of v that each block of hyperparameters owns; none where v is not made of blocks.
    pub fn blocks(&self) -> Vec<u32> {
        typed!(self, T, p => p.blocks()).into_iter().map(|len| len as u32).collect()
    }

    /// What a block stands for: a weight per inner sample, or the strengths exp v of a penalty.
    pub fn natural(&self, block: usize, point: &Point) -> Result<Vector> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let expected = format!("less than the {} blocks", p.blocks().len());
            let missing = || Error::expected(Code::Range, "block", expected, block);
            Ok(Vector::from_vec(p.natural(block, point.of::<T>()?)?.ok_or_else(missing)?))
        })
    }

    /// The point's variables, known to be of this problem's sizes.
    pub(crate) fn at<'a, T: Observable>(&self, point: &'a Point) -> Result<Here<'a>> {
        let mut here = point.lock()?;
        let (inner, outer, signals) = here.parts::<T>()?;
        length("inner", self.inner_length(), inner.len())?;
        length("outer", self.outer_length(), outer.len())?;
        length("signals", self.signals_length(), signals.len())?;
        Ok(here)
    }
}

/// Refuses a matrix that differs from its transpose by more than rounding.
fn symmetric(name: &str, d: usize, x: &[f64]) -> Result<()> {
    for i in 0..d {
        for j in 0..i {
            let (low, high) = (x[i * d + j], x[j * d + i]);
            if (low - high).abs() > 1e-12 * low.abs().max(high.abs()) {
                let got = format!("{low} at ({i}, {j}) and {high} at ({j}, {i})");
                return Err(Error::expected(Code::Range, name, "a symmetric matrix", got));
            }
        }
    }
    Ok(())
}
