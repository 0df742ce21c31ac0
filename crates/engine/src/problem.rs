//! Problems behind one handle, whatever their scalar type.

use std::sync::Arc;

use nhgd_curvature::Wants;
use nhgd_kernels::{Cholesky, RowSet, Scalar};
use nhgd_models::{Activation, Linear, Loss, Mlp, Model};
use nhgd_problems::weighting::{Anchored, Fixed, Margin, PerSample, Weighting};
use nhgd_problems::{Prior, Problem as Oracles, Quadratic, Reweighting};
use serde::Deserialize;

use crate::error::{length, reserved};
use crate::exact::exact_direction;
use crate::info::threads;
use crate::point::Here;
use crate::step::Observable;
use crate::vector::unknown_dtype;
use crate::{Batch, Code, Error, Features, Fisher, Point, Result, Samples, Step, Vector};

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
pub(crate) use typed;

/// Settings of a reweighting problem.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReweightingSettings {
    dtype: String,
    model: ModelSettings,
    regularization: f64,
    weighting: WeightingKind,
    #[serde(default)]
    anchors: usize,
    prior: Option<PriorSettings>,
    transition: Option<Vec<f64>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriorSettings {
    mean: Vec<f64>,
    precision: Vec<f64>,
}

impl PriorSettings {
    fn check(&self, outer: usize) -> Result<()> {
        length("prior mean", outer, self.mean.len())?;
        length("prior precision", outer, self.precision.len())?;
        for (name, x, low) in
            [("prior mean", &self.mean, f64::MIN), ("prior precision", &self.precision, 0.0)]
        {
            if let Some(i) = x.iter().position(|&x| !(x >= low && x.is_finite())) {
                let expected = if low == 0.0 { "finite numbers ≥ 0" } else { "finite numbers" };
                return Err(Error::expected(Code::Range, name, expected, format!("{} at index {i}", x[i])));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
enum ModelSettings {
    Softmax { classes: usize, bias: bool },
    Linear { outputs: usize, bias: bool },
    Logistic { bias: bool },
    Mlp { hidden: Vec<usize>, classes: usize, activation: ActivationKind, loss: LossKind },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ActivationKind {
    Relu,
    Tanh,
    Gelu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum LossKind {
    CrossEntropy,
    Squared,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum WeightingKind {
    PerSample,
    Margin,
    Fixed,
}

impl ModelSettings {
    fn build<T: Scalar>(&self, features: usize) -> Box<dyn Model<T>> {
        match self {
            Self::Softmax { classes: outputs, bias } | Self::Linear { outputs, bias } => {
                Box::new(Linear::new(features, *outputs, *bias, self.loss(), threads()))
            }
            Self::Logistic { bias } => Box::new(Linear::new(features, 1, *bias, self.loss(), threads())),
            Self::Mlp { hidden, classes, activation, .. } => {
                let activation = match activation {
                    ActivationKind::Relu => Activation::Relu,
                    ActivationKind::Tanh => Activation::Tanh,
                    ActivationKind::Gelu => Activation::Gelu,
                };
                Box::new(Mlp::new(features, hidden, *classes, activation, self.loss(), threads()))
            }
        }
    }

    fn classes(&self) -> usize {
        match *self {
            Self::Softmax { classes, .. } | Self::Mlp { classes, .. } => classes,
            Self::Linear { outputs, .. } => outputs,
            Self::Logistic { .. } => 2,
        }
    }

    fn loss(&self) -> Loss {
        match self {
            Self::Linear { .. } | Self::Mlp { loss: LossKind::Squared, .. } => Loss::Squared,
            Self::Logistic { .. } => Loss::Logistic,
            _ => Loss::CrossEntropy,
        }
    }

    /// Entries of θ; nothing where they are more than addresses.
    fn parameters(&self, features: usize) -> Option<usize> {
        let (hidden, bias): (&[usize], bool) = match self {
            Self::Softmax { bias, .. } | Self::Linear { bias, .. } | Self::Logistic { bias } => (&[], *bias),
            Self::Mlp { hidden, .. } => (hidden, true),
        };
        let outputs = if let Self::Logistic { .. } = self { 1 } else { self.classes() };
        let widths = [&[features], hidden, &[outputs]].concat();
        widths.windows(2).try_fold(0usize, |sum, layer| {
            sum.checked_add(layer[0].checked_add(usize::from(bias))?.checked_mul(layer[1])?)
        })
    }

    /// Checks what belongs to the model alone.
    fn check(&self, features: usize, weighting: WeightingKind) -> Result<()> {
        let (name, least) = if let Self::Linear { .. } = self { ("outputs", 1) } else { ("classes", 2) };
        if self.classes() < least {
            return Err(Error::expected(Code::Range, name, format!("at least {least}"), self.classes()));
        }
        if let Self::Mlp { hidden, .. } = self
            && hidden.contains(&0)
        {
            let got = format!("{hidden:?}");
            return Err(Error::expected(Code::Range, "hidden", "layers of at least one unit", got));
        }
        if self.loss() == Loss::Squared && matches!(weighting, WeightingKind::Margin) {
            let expected = "\"crossEntropy\" for the weighting \"margin\", which needs probabilities";
            return Err(Error::expected(Code::Range, "loss", expected, "\"squared\""));
        }
        reserved::<f64>("model", self.parameters(features).unwrap_or(usize::MAX)).map(drop)
    }
}

impl ReweightingSettings {
    fn check(&self, train: &Samples, trusted: &Samples, weights: Option<&[f64]>) -> Result<()> {
        let classes = self.model.classes();
        self.model.check(train.0.features().cols(), self.weighting)?;
        if !(self.regularization >= 0.0 && self.regularization.is_finite()) {
            return Err(Error::expected(Code::Range, "regularization", "a number ≥ 0", self.regularization));
        }
        let columns = train.0.features().cols();
        if trusted.0.features().cols() != columns {
            let got = trusted.0.features().cols();
            return Err(Error::expected(Code::Shape, "trusted features", format!("{columns} columns"), got));
        }
        for (name, samples) in [("labels", train), ("trusted labels", trusted)] {
            if let Some((expected, got)) = samples.0.targets().misfit(self.model.loss(), classes) {
                return Err(Error::expected(Code::Range, name, expected, got));
            }
        }
        if self.anchors >= train.length() {
            let expected = format!("fewer than the {} training samples", train.length());
            return Err(Error::expected(Code::Range, "anchors", expected, self.anchors));
        }
        if let Some(transition) = &self.transition {
            length("transition", classes * classes, transition.len())?;
            if let Some(i) = transition.iter().position(|&t| !(t > 0.0 && t.is_finite())) {
                let got = format!("{} at index {i}", transition[i]);
                return Err(Error::expected(Code::Range, "transition", "finite numbers > 0", got));
            }
        }
        let Some(weights) = weights else { return Ok(()) };
        length("weights", train.length(), weights.len())?;
        match weights.iter().position(|&w| !(w >= 0.0 && w.is_finite())) {
            Some(i) => {
                let got = format!("{} at index {i}", weights[i]);
                Err(Error::expected(Code::Range, "weights", "finite numbers ≥ 0", got))
            }
            None => Ok(()),
        }
    }

    fn build<T: Scalar>(
        self,
        train: Samples,
        trusted: Samples,
        weights: Option<Vec<f64>>,
    ) -> Result<Reweighting<T>> {
        let free = train.length() - self.anchors;
        let weighting: Box<dyn Weighting<T>> = match self.weighting {
            WeightingKind::PerSample => Box::new(PerSample::new(free)),
            WeightingKind::Margin => {
                let labels = train.0.labels()[..free].to_vec();
                let transition = self.transition.map(|t| t.into_iter().map(T::of).collect());
                Box::new(Margin::new(labels, self.model.classes(), transition))
            }
            WeightingKind::Fixed => Box::new(Fixed::new(match weights {
                Some(weights) => weights.into_iter().map(T::of).collect(),
                None => vec![T::one(); train.length()],
            })),
        };
        let weighting: Box<dyn Weighting<T>> =
            if self.anchors > 0 { Box::new(Anchored::new(weighting, free)) } else { weighting };
        let scalars = |x: Vec<f64>| x.into_iter().map(T::of).collect::<Vec<T>>();
        let prior = match self.prior {
            None => None,
            Some(prior) => {
                prior.check(weighting.outer_len())?;
                Some(Prior { mean: scalars(prior.mean), precision: scalars(prior.precision) })
            }
        };
        let model = self.model.build(train.0.features().cols());
        Ok(Reweighting::new(model, train.0, trusted.0, weighting, T::of(self.regularization), prior))
    }
}

/// Fails with a memory error unless there is room for what a Fisher wants and for one copy of it.
fn room_for<T>(entries: usize) -> Result<()> {
    reserved::<T>("samples of the Fisher", entries.saturating_mul(2)).map(drop)
}

impl Problem {
    /// Reweighting: `settings` is JSON with `dtype`, `model`, `regularization` and `weighting`; `weights` belongs to
    /// the weighting `fixed`.
    pub fn reweighting(
        settings: &str,
        train: &Samples,
        trusted: &Samples,
        weights: Option<Vec<f64>>,
    ) -> Result<Self> {
        let settings: ReweightingSettings = serde_json::from_str(settings).map_err(Error::settings)?;
        settings.check(train, trusted, weights.as_deref())?;
        let (train, trusted) = (train.clone(), trusted.clone());
        match settings.dtype.clone().as_str() {
            "f32" => Ok(Self(Typed::F32(Arc::new(settings.build(train, trusted, weights)?)))),
            "f64" => Ok(Self(Typed::F64(Arc::new(settings.build(train, trusted, weights)?)))),
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
        let factor = Cholesky::factor(d, h.to_vec()).map_err(|e| {
            Error::expected(Code::Range, "h", "a positive definite matrix", format!("pivot {} ≤ 0", e.index))
        })?;
        // Row k of the root is column k of the Cholesky factor: Σ_k l_k l_kᵀ = H.
        let lower = factor.lower();
        let root: Vec<f64> =
            (0..d * d).map(|k| if k % d < k / d { 0.0 } else { lower.at(k % d, k / d) }).collect();
        fn build<T: Scalar>(parts: [&[f64]; 6], mu: f64) -> Quadratic<T> {
            let [h, c, c0, q, t, root] = parts.map(|x| x.iter().map(|&x| T::of(x)).collect::<Vec<T>>());
            Quadratic::new(h, c, c0, q, t, T::of(mu), root)
        }
        let parts = [h, c, c0, q, t, &root];
        match dtype {
            "f32" => Ok(Self(Typed::F32(Arc::new(build(parts, mu))))),
            "f64" => Ok(Self(Typed::F64(Arc::new(build(parts, mu))))),
            other => Err(unknown_dtype(other)),
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
    pub fn initial(&self, seed: u64) -> Vector {
        typed!(self, T, p => Vector::from_vec(p.initial(seed)))
    }
    /// Inputs and outputs of each layer of θ, one after the other; none where it has no layers.
    pub fn layers(&self) -> Vec<u32> {
        let layers = typed!(self, T, p => p.layers());
        layers.iter().flat_map(|layer| [layer.inputs as u32, layer.outputs as u32]).collect()
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
            let (loss, observation) = p.inner_step(point, rows, wants, gradient);
            step.keep(batch, observation.map(T::observed));
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
            let observation = p.observation(point.of::<T>()?, rows, wants, seed);
            step.keep(batch, Some(T::observed(observation)));
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
            Ok(p.inner_gradient(point.of::<T>()?, rows, gradient))
        })
    }

    /// g over all samples.
    pub fn inner_loss(&self, point: &Point) -> Result<f64> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            Ok(p.inner_loss(point.of::<T>()?))
        })
    }

    /// f.
    pub fn outer_loss(&self, point: &Point) -> Result<f64> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            Ok(p.outer_loss(point.of::<T>()?))
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
            Ok(p.outer_gradient(point.of::<T>()?, rows, direct, target))
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
            p.cross_product(point, rows, u, Scalar::of(scale), product);
            Ok(())
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
            if hessian {
                p.hessian_product(point.of::<T>()?, rows, u, product);
            } else {
                p.curvature_product(point.of::<T>()?, rows, u, product);
            }
            Ok(())
        })
    }

    /// direction ← C⁻¹ target with the dense curvature over all samples.
    pub fn exact_direction(&self, point: &Point, target: &Vector, direction: &Vector) -> Result<()> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let (mut target, mut direction) = (target.lock("target")?, direction.lock("direction")?);
            let (target, direction) = (target.of::<T>("target")?, direction.of::<T>("direction")?);
            length("target", p.inner_len(), target.len())?;
            length("direction", p.inner_len(), direction.len())?;
            *direction = exact_direction(&**p, point.of::<T>()?, target)?;
            Ok(())
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
            p.refresh(inner, outer, signals);
            Ok(())
        })
    }

    /// Weights of all inner samples.
    pub fn weights(&self, point: &Point) -> Result<Vector> {
        typed!(self, T, p => {
            let mut point = self.at::<T>(point)?;
            let missing = || Error::expected(Code::Range, "problem", "one that weighs samples", "one without weights");
            Ok(Vector::from_vec(p.weights(point.of::<T>()?).ok_or_else(missing)?))
        })
    }

    /// Class probabilities of the rows of further features, rows × C.
    pub fn probabilities(&self, inner: &Vector, features: &Features, rows: &Batch) -> Result<Vector> {
        typed!(self, T, p => {
            let mut inner = inner.lock("inner")?;
            let inner = inner.of::<T>("inner")?;
            length("inner", p.inner_len(), inner.len())?;
            let missing = || Error::expected(Code::Range, "problem", "one with a classifier", "one without");
            let expected = p.layers().first().map(|l| l.inputs).ok_or_else(missing)?;
            if ![expected, expected.saturating_sub(1)].contains(&features.columns()) {
                return Err(Error::expected(Code::Shape, "features", "the columns of the training set", features.columns()));
            }
            let rows = rows.checked(features.rows())?;
            Ok(Vector::from_vec(p.probabilities(inner, &features.0, rows).ok_or_else(missing)?))
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
