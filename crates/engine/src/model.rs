//! Models by their settings, and prediction, which needs no problem.

use nhgd_kernels::Scalar;
use nhgd_models::{Activation, Convolution, Image, Linear, Loss, Model, Network, Pooling};
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
        /// Number of classes, at least 2; under the squared loss that of outputs, at least 1.
        classes: usize,
        /// Activation of the hidden layers.
        activation: ActivationKind,
        /// Softmax cross-entropy, or ½‖z − y‖² against the targets or the label's unit vector.
        loss: LossKind,
    },
    Convolutional {
        /// Shape of a sample's features: channels × height × width, row-major.
        image: Image,
        /// Convolutions, each with its activation and its pooling.
        #[cfg_attr(test, ts(type = "readonly ConvolutionSettings[]"))]
        convolutions: Vec<Convolution>,
        /// What pooling makes of a window: its largest entry, or the mean.
        pooling: Pooling,
        /// Units of each hidden layer after the convolutions, at least 1.
        #[cfg_attr(test, ts(type = "readonly number[]"))]
        hidden: Vec<usize>,
        /// Number of classes, at least 2; under the squared loss that of outputs, at least 1.
        classes: usize,
        /// Activation of the convolutions and the hidden layers.
        activation: ActivationKind,
        /// Softmax cross-entropy, or ½‖z − y‖² against the targets or the label's unit vector.
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

impl ActivationKind {
    fn function(self) -> Activation {
        match self {
            Self::Relu => Activation::Relu,
            Self::Tanh => Activation::Tanh,
            Self::Gelu => Activation::Gelu,
        }
    }
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
    "convolutional" Convolutional { image, convolutions, pooling, hidden, classes, activation, loss },
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
                let activation = activation.function();
                Box::new(Network::perceptron(features, hidden, *classes, activation, self.loss(), threads))
            }
            Self::Convolutional { image, convolutions, pooling, hidden, classes, activation, .. } => {
                let activation = activation.function();
                let network = Network::convolutional(
                    *image,
                    convolutions,
                    *pooling,
                    hidden,
                    *classes,
                    activation,
                    self.loss(),
                    threads,
                );
                Box::new(network.unwrap_or_else(|| unreachable!("windows were checked")))
            }
        }
    }

    fn convolutions(&self) -> &[Convolution] {
        if let Self::Convolutional { convolutions, .. } = self { convolutions } else { &[] }
    }

    /// The images before and after each convolution, as far as windows fit into them.
    fn images(&self) -> Vec<Image> {
        let Self::Convolutional { image, .. } = self else { return Vec::new() };
        let mut images = vec![*image];
        for by in self.convolutions() {
            let Some([_, next]) = images.last().and_then(|&image| by.images(image)) else { break };
            images.push(next);
        }
        images
    }

    pub fn classes(&self) -> usize {
        match *self {
            Self::Softmax { classes, .. }
            | Self::Mlp { classes, .. }
            | Self::Convolutional { classes, .. } => classes,
            Self::Linear { outputs, .. } => outputs,
            Self::Logistic { .. } => 2,
        }
    }

    pub fn loss(&self) -> Loss {
        match self {
            Self::Linear { .. }
            | Self::Mlp { loss: LossKind::Squared, .. }
            | Self::Convolutional { loss: LossKind::Squared, .. } => Loss::Squared,
            Self::Logistic { .. } => Loss::Logistic,
            _ => Loss::CrossEntropy,
        }
    }

    /// Entries of θ; nothing where they are more than addresses, or the features those of other images.
    fn parameters(&self, features: usize) -> Option<usize> {
        let (hidden, bias): (&[usize], bool) = match self {
            Self::Softmax { bias, .. } | Self::Linear { bias, .. } | Self::Logistic { bias } => (&[], *bias),
            Self::Mlp { hidden, .. } | Self::Convolutional { hidden, .. } => (hidden, true),
        };
        let outputs = if let Self::Logistic { .. } = self { 1 } else { self.classes() };
        let images = self.images();
        let entries = |image: Option<&Image>| image.map_or(Some(features), Image::entries);
        let windows = images.iter().zip(self.convolutions()).map(|(image, by)| {
            let window = by.kernel.checked_mul(by.kernel)?.checked_mul(image.channels)?;
            Some((window, by.channels))
        });
        let widths = [&[entries(images.last())?], hidden, &[outputs]].concat();
        let dense = widths.windows(2).map(|layer| Some((layer[0], layer[1])));
        let fits = entries(images.first()) == Some(features);
        fits.then(|| windows.chain(dense).collect::<Option<Vec<_>>>())??.into_iter().try_fold(
            0usize,
            |sum, (inputs, outputs)| {
                sum.checked_add(inputs.checked_add(usize::from(bias))?.checked_mul(outputs)?)
            },
        )
    }

    /// Fails unless samples have as many features as the model's images, and unless there is room for θ and the
    /// windows of a sample.
    pub fn room(&self, features: usize) -> Result<()> {
        if let Some(image) = self.images().first()
            && image.entries() != Some(features)
        {
            let Image { channels, height, width } = image;
            let expected = format!("{channels} × {height} × {width} columns, channels × height × width");
            return Err(Error::expected(Code::Shape, "features", expected, features));
        }
        let windows = self.images().into_iter().zip(self.convolutions()).map(|(image, by)| by.entries(image));
        let most = windows.chain([self.parameters(features)]).try_fold(0, |most, n| Some(n?.max(most)));
        reserved::<f64>("model", most.unwrap_or(usize::MAX)).map(drop)
    }

    /// Checks what belongs to the model alone.
    pub fn check(&self) -> Result<()> {
        let name = if let Self::Linear { .. } = self { "outputs" } else { "classes" };
        let least = if self.loss() == Loss::Squared { 1 } else { 2 };
        if self.classes() < least {
            return Err(Error::expected(Code::Range, name, format!("at least {least}"), self.classes()));
        }
        if let Self::Mlp { hidden, .. } | Self::Convolutional { hidden, .. } = self
            && hidden.contains(&0)
        {
            let got = format!("{hidden:?}");
            return Err(Error::expected(Code::Range, "hidden", "layers of at least one unit", got));
        }
        let (convolutions, images) = (self.convolutions(), self.images());
        if images.first().is_some_and(|image| matches!(image.entries(), None | Some(0))) {
            return Err(Error::expected(Code::Range, "image", "at least one channel and pixel", "none"));
        }
        if !images.is_empty() && images.len() <= convolutions.len() {
            let name = format!("convolutions[{}]", images.len() - 1);
            let Image { height, width, .. } = images[images.len() - 1];
            let expected =
                format!("windows and pools of at least one pixel that fit into {height} × {width}");
            return Err(Error::expected(Code::Range, &name, expected, "others"));
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
