//! Settings of problems over data: a model, samples, and blocks of hyperparameters.

use nhgd_kernels::Scalar;
use nhgd_kernels::memory::{self, append, collected, copied, grow};
use nhgd_models::{Loss, Targets};
use nhgd_problems::blocks::{
    Anchored, FixedWeights, Groups, LearnedInputs, LearnedTargets, MarginWeights, Per, Power, SampleWeights,
    WeightNetwork, Weights,
};
use nhgd_problems::{Block, Prior, Risk};
use nhgd_settings::{fields, kinds, words};

use crate::error::length;
use crate::model::ModelSettings;
use crate::{Code, Error, Result, Samples};

/// Settings of a problem over data.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct BilevelSettings {
    /// Scalar type of θ and v: `f32` or `f64`.
    pub dtype: String,
    model: ModelSettings,
    /// Factor of ‖θ‖², at least 0.
    regularization: f64,
    /// Blocks in the order of their slices of v.
    blocks: Vec<BlockSettings>,
    /// What errors call the outer samples.
    outer: String,
}

/// A block of hyperparameters, with the fields that its kind reads.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(ts_rs::TS), ts(tag = "kind", rename_all = "camelCase", optional_fields))]
pub(crate) enum BlockSettings {
    SampleWeights {
        /// Number of training samples, the last ones, that have weight one whatever v is.
        anchors: usize,
        prior: Option<PriorSettings>,
    },
    MarginWeights {
        /// Number of training samples, the last ones, that have weight one whatever v is.
        anchors: usize,
        /// How wrong labels arise, C × C, row-major, entries above 0; default: uniformly.
        transition: Option<Vec<f64>>,
        prior: Option<PriorSettings>,
    },
    FixedWeights {},
    LearnedInputs {
        prior: Option<PriorSettings>,
    },
    LearnedTargets {
        prior: Option<PriorSettings>,
    },
    WeightNetwork {
        /// Number of training samples, the last ones, that have weight one whatever v is.
        anchors: usize,
        /// Samples that have signals: those of the training that are no anchors come first.
        rows: usize,
        /// Signals per sample.
        columns: usize,
        /// Units of the hidden layer; 0 for none.
        hidden: usize,
        /// Samples whose labels were checked and are right.
        right: Vec<u32>,
        /// Samples whose labels were checked and are wrong.
        wrong: Vec<u32>,
        prior: Option<PriorSettings>,
    },
    Penalty {
        per: PerKind,
        /// For `group`: the number of a group, from 0, per feature or per parameter.
        groups: Option<Vec<u32>>,
        /// Whether biases are penalised too.
        bias: bool,
        /// The exponent q, above 0 and at most 2; the first q where it is learned.
        power: Option<f64>,
        /// Whether q is one more entry of v.
        learned: bool,
        prior: Option<PriorSettings>,
    },
}

/// The parameters that share a strength: all, those of a group, of a feature (in models of one layer) or of a layer.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub(crate) enum PerKind {
    All,
    Group,
    Feature,
    Layer,
}

/// A Gaussian prior on a block's v: it adds ½ Σ precision_j (v_j − mean_j)² to f.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct PriorSettings {
    mean: Vec<f64>,
    /// At least 0.
    precision: Vec<f64>,
}

fields!(BilevelSettings { dtype, model, regularization, blocks, outer });
fields!(PriorSettings { mean, precision });
words!(PerKind { "all" All, "group" Group, "feature" Feature, "layer" Layer });
kinds!(BlockSettings by "kind" {
    "sampleWeights" SampleWeights { anchors, prior },
    "marginWeights" MarginWeights { anchors, transition, prior },
    "fixedWeights" FixedWeights {},
    "learnedInputs" LearnedInputs { prior },
    "learnedTargets" LearnedTargets { prior },
    "weightNetwork" WeightNetwork { anchors, rows, columns, hidden, right, wrong, prior },
    "penalty" Penalty { per, groups, bias, power, learned, prior },
});

impl PriorSettings {
    fn check(&self, outer: usize) -> Result<()> {
        length("prior mean", outer, self.mean.len())?;
        length("prior precision", outer, self.precision.len())?;
        at_least("prior mean", &self.mean, f64::MIN, "finite numbers")?;
        at_least("prior precision", &self.precision, 0.0, "finite numbers ≥ 0")
    }
}

/// Refuses the first entry that is not a finite number from `low` on.
pub(crate) fn at_least(name: &str, x: &[f64], low: f64, expected: &str) -> Result<()> {
    match x.iter().position(|&x| !(x >= low && x.is_finite())) {
        Some(i) => Err(Error::expected(Code::Range, name, expected, format!("{} at index {i}", x[i]))),
        None => Ok(()),
    }
}

/// Refuses the first of finite numbers that is beyond the range of `T`.
fn held<T: Scalar>(name: &str, x: &[f64]) -> Result<()> {
    match x.iter().position(|&x| !T::of(x).is_finite()) {
        Some(i) => {
            let expected = format!("numbers that {} can hold", T::NAME);
            Err(Error::expected(Code::NotFinite, name, expected, format!("{:?} at index {i}", x[i])))
        }
        None => Ok(()),
    }
}

/// Finite numbers as `T`s, which have to hold them.
fn scalars<T: Scalar>(name: &str, x: &[f64]) -> Result<Vec<T>> {
    held::<T>(name, x)?;
    Ok(collected(x.iter().map(|&x| T::of(x)))?)
}

/// `Weights` that leave the last `anchors` samples at one.
fn anchored<T: Scalar>(weights: impl Weights<T> + 'static, free: usize, anchors: usize) -> Block<T> {
    let weights: Box<dyn Weights<T>> = Box::new(weights);
    Block::Weights(if anchors > 0 { Box::new(Anchored::new(weights, free)) } else { weights })
}

/// Refuses a second block of a kind.
fn once<T>(name: &str, blocks: &[Block<T>], is: impl Fn(&Block<T>) -> bool) -> Result<()> {
    if blocks.iter().any(is) {
        return Err(Error::expected(Code::Range, name, "one block", "two"));
    }
    Ok(())
}

/// Checked samples below `rows`, each once, and whether their labels are right.
fn checked_labels(rows: usize, right: &[u32], wrong: &[u32]) -> Result<Vec<(u32, bool)>> {
    let mut all = memory::reserved(right.len() + wrong.len())?;
    for (name, samples, is) in [("right", right, true), ("wrong", wrong, false)] {
        if let Some(i) = samples.iter().find(|&&i| i as usize >= rows) {
            return Err(Error::expected(Code::Range, name, format!("rows below {rows}"), i));
        }
        all.extend(samples.iter().map(|&i| (i, is)));
    }
    let mut seen = memory::filled(false, rows)?;
    match all.iter().find(|&&(i, _)| std::mem::replace(&mut seen[i as usize], true)) {
        Some((i, _)) => {
            Err(Error::expected(Code::Range, "checked", "each row once", format!("row {i} twice")))
        }
        None => Ok(all),
    }
}

impl BilevelSettings {
    /// Checks what the settings say of each other and of the samples; blocks are checked when they are built.
    fn check(&self, train: &Samples, validation: &Samples) -> Result<()> {
        self.model.check()?;
        self.model.room(train.0.features().cols())?;
        if !(self.regularization >= 0.0 && self.regularization.is_finite()) {
            return Err(Error::expected(Code::Range, "regularization", "a number ≥ 0", self.regularization));
        }
        let (columns, got) = (train.0.features().cols(), validation.0.features().cols());
        if got != columns {
            let name = format!("{} features", self.outer);
            return Err(Error::expected(Code::Shape, &name, format!("{columns} columns"), got));
        }
        for (of, samples) in [("", train), (&*format!("{} ", self.outer), validation)] {
            let targets = samples.0.targets();
            let continuous = self.model.loss() == Loss::Squared && matches!(targets, Targets::Values(..));
            let name = &format!("{of}{}", if continuous { "targets" } else { "labels" });
            if let Some((expected, got)) = self.model.loss().misfit(targets, self.model.classes()) {
                return Err(Error::expected(Code::Range, name, expected, got));
            }
        }
        Ok(())
    }

    /// The problem; `given` has the numbers of fixed weights and of signals, one block after the other.
    pub fn build<T: Scalar>(
        self,
        train: Samples,
        validation: Samples,
        given: &[f64],
        threads: usize,
    ) -> Result<Risk<T>> {
        self.check(&train, &validation)?;
        for (name, samples) in [("targets", &train), (&*format!("{} targets", self.outer), &validation)] {
            if let Targets::Values(values, _) = samples.0.targets() {
                held::<T>(name, values)?;
            }
        }
        let regularization = scalars::<T>("regularization", &[self.regularization])?[0];
        let n = train.length();
        let model = self.model.build::<T>(train.0.features().cols(), threads);
        let mut rest = given;
        let mut take = |name: &str, len: usize| {
            let (own, others) = rest
                .split_at_checked(len)
                .ok_or_else(|| Error::expected(Code::Shape, name, format!("{len} numbers"), rest.len()))?;
            rest = others;
            Ok::<_, Error>(own)
        };
        let (mut blocks, mut mean, mut precision) = (Vec::new(), Vec::new(), Vec::new());
        for block in &self.blocks {
            let (built, prior) = match block {
                BlockSettings::SampleWeights { anchors, prior } => {
                    let free = self.free(n, *anchors)?;
                    (anchored(SampleWeights::new(free), free, *anchors), prior)
                }
                BlockSettings::MarginWeights { anchors, transition, prior } => {
                    let free = self.free(n, *anchors)?;
                    let weights = self.margins(&train, free, transition.as_deref())?;
                    (anchored(weights, free, *anchors), prior)
                }
                BlockSettings::FixedWeights {} => {
                    let weights = take("weights", n)?;
                    at_least("weights", weights, 0.0, "finite numbers ≥ 0")?;
                    (anchored(FixedWeights::new(scalars::<T>("weights", weights)?), n, 0), &None)
                }
                BlockSettings::LearnedInputs { prior } => {
                    once("learnedInputs", &blocks, |block| matches!(block, Block::Inputs(_)))?;
                    (Block::Inputs(LearnedInputs::new(n, model.features())), prior)
                }
                BlockSettings::LearnedTargets { prior } => {
                    once("learnedTargets", &blocks, |block| matches!(block, Block::Targets(_)))?;
                    let outputs = model.layers().last().map_or(0, |layer| layer.outputs);
                    (Block::Targets(LearnedTargets::new(n, outputs, model.loss())), prior)
                }
                BlockSettings::WeightNetwork { anchors, rows, columns, hidden, right, wrong, prior } => {
                    let free = self.free(n, *anchors)?;
                    if *rows < free {
                        let expected = format!("at least {free} rows, one per sample that is weighed");
                        return Err(Error::expected(Code::Shape, "signals", expected, rows));
                    }
                    let signals = take("signals", rows.saturating_mul(*columns))?;
                    at_least("signals", signals, f64::MIN, "finite numbers")?;
                    let signals = scalars("signals", signals)?;
                    let checked = checked_labels(*rows, right, wrong)?;
                    if WeightNetwork::<T>::parameters(*columns, *hidden).is_none_or(|p| p > 1 << 24) {
                        return Err(Error::expected(
                            Code::Range,
                            "hidden",
                            "at most 2²⁴ entries of v",
                            hidden,
                        ));
                    }
                    let network = WeightNetwork::new(signals, *columns, *hidden, checked);
                    (anchored(network, free, *anchors), prior)
                }
                BlockSettings::Penalty { per, groups, bias, power, learned, prior } => {
                    let per = match (per, groups) {
                        (PerKind::Group, Some(groups)) => Per::Group(copied(groups)?),
                        (PerKind::Group, None) => {
                            return Err(Error::expected(
                                Code::Range,
                                "groups",
                                "a group per feature",
                                "none",
                            ));
                        }
                        (_, Some(_)) => {
                            return Err(Error::expected(
                                Code::Range,
                                "groups",
                                "per: \"group\"",
                                "another \"per\"",
                            ));
                        }
                        (PerKind::All, _) => Per::All,
                        (PerKind::Feature, _) => Per::Feature,
                        (PerKind::Layer, _) => Per::Layer,
                    };
                    let groups = Groups::new(&per, *bias, &model.layers(), model.features())?
                        .map_err(|(name, expected, got)| Error::expected(Code::Range, name, expected, got))?;
                    let q = power.unwrap_or(2.0);
                    if !(q > 0.0 && q <= 2.0) {
                        return Err(Error::expected(
                            Code::Range,
                            "power",
                            "a number above 0 and at most 2",
                            q,
                        ));
                    }
                    let power = if *learned { Power::Learned } else { Power::Fixed(q) };
                    (Block::Penalty(groups, power), prior)
                }
            };
            let len = built.outer_len();
            if let Some(prior) = prior {
                prior.check(len)?;
                append(&mut mean, &prior.mean)?;
                append(&mut precision, &prior.precision)?;
            } else {
                grow(&mut mean, len)?;
                grow(&mut precision, len)?;
                mean.resize(mean.len() + len, 0.0);
                precision.resize(mean.len(), 0.0);
            }
            blocks.push(built);
        }
        if !rest.is_empty() {
            return Err(Error::expected(Code::Shape, "weights", given.len() - rest.len(), given.len()));
        }
        let prior = precision.iter().any(|&x| x > 0.0);
        let (mean, precision) = (scalars("prior mean", &mean)?, scalars("prior precision", &precision)?);
        let prior = prior.then_some(Prior { mean, precision });
        Ok(Risk::new(model, train.0, validation.0, blocks, regularization, prior)?)
    }

    fn free(&self, n: usize, anchors: usize) -> Result<usize> {
        n.checked_sub(anchors).filter(|&free| free > 0).ok_or_else(|| {
            let expected = format!("fewer than the {n} training samples");
            Error::expected(Code::Range, "anchors", expected, anchors)
        })
    }

    fn margins<T: Scalar>(
        &self,
        train: &Samples,
        free: usize,
        transition: Option<&[f64]>,
    ) -> Result<MarginWeights<T>> {
        let classes = self.model.classes();
        let (Loss::CrossEntropy, Targets::Classes(labels)) = (self.model.loss(), train.0.targets()) else {
            let expected = "\"crossEntropy\" for margin weights, which need probabilities";
            return Err(Error::expected(Code::Range, "loss", expected, "another loss"));
        };
        if let Some(transition) = transition {
            length("transition", classes * classes, transition.len())?;
            at_least("transition", transition, f64::MIN_POSITIVE, "finite numbers > 0")?;
        }
        let transition = transition.map(|x| scalars("transition", x)).transpose()?;
        Ok(MarginWeights::new(copied(&labels[..free])?, classes, transition)?)
    }
}
