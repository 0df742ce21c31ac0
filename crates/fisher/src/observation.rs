//! What a representation is fed.

use nhgd_kernels::Scalar;

/// Whose labels the gradients of a Fisher are taken at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The labels as given: consistent only where the model is well specified.
    Empirical,
    /// One label a sample, drawn from the model.
    Sampled,
    /// All labels, weighted by the model: the generalised Gauss–Newton matrix.
    Expected,
}

/// What a representation wants of the samples of a step; always without the regulariser's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The mean gradient of the batch as it is: (1/B) Σ w_i ∇ℓ_i, one row.
    Mean,
    /// One random-sign sum, B^(−½) Σ ε_i √w_i ∇ℓ_i with ε_i = ±1, whose expected outer product is F; one row.
    Signed(Statistic),
    /// The gradients √w_i ∇ℓ_i / √B of all samples, as B rows.
    Rows(Statistic),
    /// Per-sample factors of every layer.
    Factors(Statistic),
}

/// `count` gradients of `d` entries each, row-major: the observation's term of F is Σ row rowᵀ.
#[derive(Clone, Debug, Default)]
pub struct Rows<T> {
    /// count × d entries.
    pub data: Vec<T>,
    /// Number of rows.
    pub count: usize,
}

/// Shape of one layer's weights W̄, `inputs × outputs`, row-major; the bias, if any, is the last input (always 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Inputs, the bias included.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
}

/// One layer of a [`Factors`] observation: gradient direction k of sample i is the outer product a_i s_ikᵀ.
#[derive(Clone, Debug, Default)]
pub struct LayerFactors<T> {
    /// a, samples × inputs, row-major.
    pub inputs: Vec<T>,
    /// s, samples × directions × outputs, row-major.
    pub outputs: Vec<T>,
}

/// Per-sample gradients as factors. The observation's term of F is (1/m) Σ_i w_i Σ_k g_ik g_ikᵀ, where g_ik is the
/// concatenation over layers of vec(a_i s_ikᵀ).
#[derive(Clone, Debug, Default)]
pub struct Factors<T> {
    /// Weights w_i ≥ 0, one a sample.
    pub weights: Vec<T>,
    /// Directions a sample: 1 for the empirical and the sampled statistic, as many as outputs for the expected one.
    pub directions: usize,
    /// The layers, in the order of their parameters.
    pub layers: Vec<LayerFactors<T>>,
}

/// The samples of a step, in the form that the representation wanted.
#[derive(Clone, Debug)]
pub enum Observation<T> {
    /// Gradients.
    Rows(Rows<T>),
    /// Per-sample factors.
    Factors(Factors<T>),
}

/// A diagonal matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum Diagonal<T> {
    /// cI.
    Scalar(T),
    /// One entry a parameter.
    Vector(Vec<T>),
}

impl<T: Scalar> Diagonal<T> {
    /// Entry i.
    pub fn at(&self, i: usize) -> T {
        match self {
            Self::Scalar(c) => *c,
            Self::Vector(d) => d[i],
        }
    }

    /// Smallest entry; +∞ for an empty vector.
    pub fn min(&self) -> T {
        match self {
            Self::Scalar(c) => *c,
            Self::Vector(d) => d.iter().copied().fold(T::infinity(), T::min),
        }
    }

    /// Mean entry.
    pub fn mean(&self) -> T {
        match self {
            Self::Scalar(c) => *c,
            Self::Vector(d) => T::of(d.iter().map(|x| x.wide()).sum::<f64>() / d.len().max(1) as f64),
        }
    }
}
