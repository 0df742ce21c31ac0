//! Settings of a representation: one variant per form, with the fields that the form reads.

use nhgd_kernels::Scalar;
use nhgd_kernels::memory::reserved;
use nhgd_settings::{Fields, Setting, Value};

use crate::damping::Start;
use crate::forms::{
    DecayingDense, DenseSettings, DiagonalFisher, DiagonalSettings, EigenKronecker, EigenKroneckerSettings,
    HeldDense, Kronecker, KroneckerSettings, Samples, SamplesSettings, Sketch, SketchSettings, Window,
    WindowSettings,
};
use crate::moments::Moments;
use crate::{Fisher, FisherError, check};
use nhgd_curvature::{Diagonal, LayerShape, Observation};

/// The representations of A = (F + D̃)⁻¹ and their settings. `form` names the representation. A field that is absent takes
/// its default, and a field that the form doesn't read is refused.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(tag = "form", rename_all = "lowercase"))]
pub enum FisherSettings {
    /// A and F themselves: exact, d² numbers.
    Dense(DenseSettings),
    /// The last rows.
    Window(WindowSettings),
    /// The factors of the last per-sample gradients.
    Samples(SamplesSettings),
    /// Kronecker factors of each layer.
    Kronecker(KroneckerSettings),
    /// The eigenbases of the Kronecker factors, with second moments of their own.
    EigenKronecker(EigenKroneckerSettings),
    /// The diagonal of F.
    Diagonal(DiagonalSettings),
    /// A few directions by frequent directions.
    Sketch(SketchSettings),
}

impl Setting for FisherSettings {
    fn read(value: Value) -> nhgd_settings::Result<Self> {
        let mut fields = Fields::of(value)?;
        let form: String = fields.take("form", None).unwrap_or_default();
        let rest = fields.rest();
        match &*form {
            "dense" => Setting::read(rest).map(Self::Dense),
            "window" => Setting::read(rest).map(Self::Window),
            "samples" => Setting::read(rest).map(Self::Samples),
            "kronecker" => Setting::read(rest).map(Self::Kronecker),
            "eigenkronecker" => Setting::read(rest).map(Self::EigenKronecker),
            "diagonal" => Setting::read(rest).map(Self::Diagonal),
            "sketch" => Setting::read(rest).map(Self::Sketch),
            _ => Err(format!("no form of the Fisher is called {form:?}")),
        }
    }

    fn write(&self) -> Value {
        let mut settings = match self {
            Self::Dense(s) => s.write(),
            Self::Window(s) => s.write(),
            Self::Samples(s) => s.write(),
            Self::Kronecker(s) => s.write(),
            Self::EigenKronecker(s) => s.write(),
            Self::Diagonal(s) => s.write(),
            Self::Sketch(s) => s.write(),
        };
        settings["form"] = self.form().into();
        settings
    }
}

impl FisherSettings {
    /// The form's name, as `form` spells it.
    pub fn form(&self) -> &'static str {
        match self {
            Self::Dense(_) => "dense",
            Self::Window(_) => "window",
            Self::Samples(_) => "samples",
            Self::Kronecker(_) => "kronecker",
            Self::EigenKronecker(_) => "eigenkronecker",
            Self::Diagonal(_) => "diagonal",
            Self::Sketch(_) => "sketch",
        }
    }

    /// Fails unless there is room for what the form takes at its start.
    fn check_room<T>(&self, layers: &[LayerShape], d: usize) -> Result<(), FisherError> {
        let square = |n: usize| n as f64 * n as f64;
        let factors = || layers.iter().map(|layer| square(layer.inputs) + square(layer.outputs)).sum();
        let entries = match self {
            Self::Dense(_) => 1.5 * square(d),
            Self::Kronecker(_) | Self::EigenKronecker(_) => factors(),
            _ => d as f64,
        };
        let bytes = entries * size_of::<T>() as f64;
        reserved::<u8>(bytes as usize).map_err(|_| FisherError::Memory { bytes }).map(drop)
    }

    fn check_shape(&self, layers: &[LayerShape], d: usize) -> Result<(), FisherError> {
        if d == 0 {
            return Err(FisherError::range("parameters", "at least 1", 0));
        }
        if !matches!(self, Self::Samples(_) | Self::Kronecker(_) | Self::EigenKronecker(_)) {
            return Ok(());
        }
        if layers.is_empty() {
            let expected = "dense, window, sketch or diagonal for a problem without layers";
            return Err(FisherError::range("form", expected, self.form()));
        }
        let sizes = layers.iter().map(|layer| layer.inputs.checked_mul(layer.outputs));
        let covered = sizes.clone().try_fold(0usize, |sum, size| sum.checked_add(size?));
        if covered != Some(d) || sizes.into_iter().any(|size| size == Some(0)) {
            let expected = format!("layers of all {d} parameters, none of them empty");
            let covered = covered.map_or("too many".to_string(), |n| n.to_string());
            return Err(FisherError::range("layers", expected, format!("{} with {covered}", layers.len())));
        }
        Ok(())
    }
}

/// The representation that `settings` describe, of `d` parameters with Hessian D = `regularizer` of the quadratic part.
///
/// `layers` are the model's, in the order of its parameters; forms that are fed with rows don't read them.
/// Fails with [`FisherError::Range`] or [`FisherError::NotFinite`] if a setting is out of range: damping negative, or 0
/// where D has a zero; smoothing outside of (0, 1); a length, a number of samples or a rank of 0; layers that don't
/// cover the parameters.
pub fn build<T: Scalar>(
    settings: &FisherSettings,
    layers: &[LayerShape],
    d: usize,
    regularizer: Diagonal<T>,
) -> Result<Box<dyn Fisher<T>>, FisherError> {
    settings.check_shape(layers, d)?;
    settings.check_room::<T>(layers, d)?;
    Ok(match settings {
        FisherSettings::Dense(s) if s.start == Start::Held => Box::new(HeldDense::new(s, d, regularizer)?),
        FisherSettings::Dense(s) => Box::new(DecayingDense::new(s, d, regularizer)?),
        FisherSettings::Window(s) => Box::new(Window::new(s, d, regularizer)?),
        FisherSettings::Samples(s) => Box::new(Samples::new(s, layers, regularizer)?),
        FisherSettings::Kronecker(s) => Box::new(Kronecker::new(s, layers, regularizer)?),
        FisherSettings::EigenKronecker(s) => Box::new(EigenKronecker::new(s, layers, regularizer)?),
        FisherSettings::Diagonal(s) => Box::new(DiagonalFisher::new(s, d, regularizer)?),
        FisherSettings::Sketch(s) => Box::new(Sketch::new(s, d, regularizer)?),
    })
}

/// What stands for the samples of an observation in the Fisher of these settings, where that is means over samples alone:
/// those of parts of a batch, each times its share, sum up to those of the batch. Nothing for a form that needs each sample.
pub fn condensed<T: Scalar>(
    settings: &FisherSettings,
    layers: &[LayerShape],
    observation: &Observation<T>,
) -> Result<Option<Observation<T>>, FisherError> {
    let FisherSettings::Kronecker(own) = settings else { return Ok(None) };
    let factors = check::factors(observation, layers)?;
    let moments = Moments::of(factors, layers, own.sharing)?;
    Ok(Some(Observation::Moments(moments.packed()?, factors.weights.len())))
}
