//! Models by their settings, and prediction, which needs no problem.

use nhgd_kernels::Scalar;
use nhgd_models::{Activation, Linear, Loss, Mlp, Model};
use nhgd_settings::{kinds, read, words};

use crate::error::reserved;
use crate::step::Observable;
use crate::{Batch, Code, Error, Features, Result, Vector, room};

/// What θ is: the settings of a model. Each bias is the last input of its layer.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(ts_rs::TS), ts(tag = "kind", rename_all = "camelCase"))]
pub(crate) enum ModelSettings {
    Softmax {
        /// Number of classes, at least 2.
        classes: usize,
        /// Whether the scores have a bias.
        bias: bool,
    },
    Linear {
        /// Number of outputs, at least 1.
        outputs: usize,
        /// Whether the outputs have a bias.
        bias: bool,
    },
    Logistic {
        /// Whether the score has a bias.
        bias: bool,
    },
    Mlp {
        /// Units of each hidden layer, at least 1.
        #[cfg_attr(test, ts(type = "readonly number[]"))]
        hidden: Vec<usize>,
        /// Number of classes, at least 2.
        classes: usize,
        /// Activation of the hidden layers.
        activation: ActivationKind,
        /// Softmax cross-entropy, or ½‖z − e_y‖² against the label's unit vector.
        loss: LossKind,
    },
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub(crate) enum ActivationKind {
    Relu,
    Tanh,
    Gelu,
}

words!(ActivationKind { "relu" Relu, "tanh" Tanh, "gelu" Gelu });

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename_all = "camelCase"))]
pub(crate) enum LossKind {
    CrossEntropy,
    Squared,
}

words!(LossKind { "crossEntropy" CrossEntropy, "squared" Squared });

kinds!(ModelSettings by "kind" {
    "softmax" Softmax { classes, bias },
    "linear" Linear { outputs, bias },
    "logistic" Logistic { bias },
    "mlp" Mlp { hidden, classes, activation, loss },
});

impl ModelSettings {
    /// The model of samples with so many features; `threads` is the most that a pass over many samples may use.
    pub fn build<T: Scalar>(&self, features: usize, threads: usize) -> Box<dyn Model<T>> {
        match self {
            Self::Softmax { classes: outputs, bias } | Self::Linear { outputs, bias } => {
                Box::new(Linear::new(features, *outputs, *bias, self.loss(), threads))
            }
            Self::Logistic { bias } => Box::new(Linear::new(features, 1, *bias, self.loss(), threads)),
            Self::Mlp { hidden, classes, activation, .. } => {
                let activation = match activation {
                    ActivationKind::Relu => Activation::Relu,
                    ActivationKind::Tanh => Activation::Tanh,
                    ActivationKind::Gelu => Activation::Gelu,
                };
                Box::new(Mlp::new(features, hidden, *classes, activation, self.loss(), threads))
            }
        }
    }

    pub fn classes(&self) -> usize {
        match *self {
            Self::Softmax { classes, .. } | Self::Mlp { classes, .. } => classes,
            Self::Linear { outputs, .. } => outputs,
            Self::Logistic { .. } => 2,
        }
    }

    pub fn loss(&self) -> Loss {
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

    /// Fails with a memory error unless there is room for θ.
    pub fn room(&self, features: usize) -> Result<()> {
        reserved::<f64>("model", self.parameters(features).unwrap_or(usize::MAX)).map(drop)
    }

    /// Checks what belongs to the model alone.
    pub fn check(&self) -> Result<()> {
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
        Ok(())
    }
}

/// A model that predicts.
#[derive(Clone, Debug)]
pub struct Predictor {
    settings: ModelSettings,
    threads: usize,
}

impl Predictor {
    /// `model` is JSON, as in a problem's settings; `threads` is the most that a prediction of many rows may use.
    pub fn new(model: &str, threads: usize) -> Result<Self> {
        let settings: ModelSettings = read(model).map_err(Error::settings)?;
        settings.check()?;
        Ok(Self { settings, threads })
    }

    /// Predictions of rows of features, rows × C: class probabilities, or the outputs of a regression.
    pub fn probabilities(&self, inner: &Vector, features: &Features, rows: &Batch) -> Result<Vector> {
        match &*inner.dtype()? {
            "f32" => self.predict::<f32>(inner, features, rows),
            _ => self.predict::<f64>(inner, features, rows),
        }
    }

    fn predict<T: Observable>(&self, inner: &Vector, features: &Features, rows: &Batch) -> Result<Vector> {
        let mut inner = inner.lock("inner")?;
        let inner = inner.of::<T>("inner")?;
        if self.settings.parameters(features.columns()) != Some(inner.len()) {
            let expected = format!("the columns that belong to {} parameters", inner.len());
            return Err(Error::expected(Code::Shape, "features", expected, features.columns()));
        }
        let model = self.settings.build::<T>(features.columns(), self.threads);
        let rows = rows.checked(features.rows())?;
        let mut out = room("predictions", rows.len().saturating_mul(model.classes()))?;
        model.probabilities(inner, &features.0, rows, &mut out)?;
        Ok(Vector::from_vec(out))
    }
}
