//! Per-sample gradients of layers as factors.

/// Shape of one layer's weights W̄, `inputs × outputs`, row-major; the bias, if any, is the last input (always 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Inputs, the bias included.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
}

/// One layer of [`Factors`]: gradient direction k of sample i is the outer product a_i s_ikᵀ.
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
    /// Weights w_i ≥ 0, one per sample.
    pub weights: Vec<T>,
    /// Directions per sample: 1 for the empirical and the sampled statistic, as many as outputs for the expected one.
    pub directions: usize,
    /// The layers, in the order of their parameters.
    pub layers: Vec<LayerFactors<T>>,
}
