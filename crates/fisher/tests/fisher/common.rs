//! What the tests share: fixtures, random numbers, plain dense linear algebra in f64.

use nhgd_curvature::{Diagonal, Factors, LayerFactors, LayerShape, Observation, Rows, Statistic};
use nhgd_fisher::{
    DenseSettings, DiagonalSettings, EigenKroneckerSettings, Fisher, FisherError, FisherSettings,
    KroneckerDamping, KroneckerSettings, RowKind, SamplesSettings, Sharing, SketchSettings, Smoothing,
    SolveReport, Start, WindowSettings, build,
};
use nhgd_kernels::Scalar;

/// A fixture of test/fixtures.
pub struct Fixture(serde_json::Value);

impl Fixture {
    pub fn load(name: &str) -> Self {
        let path = format!("{}/../../test/fixtures/{name}/fixture.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self(serde_json::from_str(&text).expect("a fixture is JSON"))
    }

    /// An array, flattened in row-major order.
    pub fn array(&self, name: &str) -> Vec<f64> {
        fn flatten(value: &serde_json::Value, into: &mut Vec<f64>) {
            match value {
                serde_json::Value::Array(values) => values.iter().for_each(|value| flatten(value, into)),
                value => into.push(value.as_f64().expect("a number")),
            }
        }
        let mut into = Vec::new();
        flatten(&self.0["arrays"][name], &mut into);
        into
    }

    pub fn scalar(&self, name: &str) -> f64 {
        self.0["scalars"][name].as_f64().expect("a number")
    }
}

/// Random numbers of a fixed sequence (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub fn normals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.normal()).collect()
    }

    /// Factors of `m` samples with normal entries and weights in (0, 1).
    pub fn factors(&mut self, m: usize, directions: usize, layers: &[LayerShape]) -> Factors<f64> {
        Factors {
            weights: (0..m).map(|_| self.uniform()).collect(),
            directions,
            layers: layers
                .iter()
                .map(|layer| {
                    LayerFactors::new(
                        self.normals(m * layer.inputs),
                        self.normals(m * directions * layer.outputs),
                    )
                })
                .collect(),
        }
    }
}

pub fn layer(inputs: usize, outputs: usize) -> LayerShape {
    LayerShape { inputs, outputs }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Dense,
    Window,
    Samples,
    Kronecker,
    EigenKronecker,
    Diagonal,
    Sketch,
}

/// The settings of all forms at once, so that a test can go through the forms.
#[derive(Clone, Debug)]
pub struct Config {
    pub form: Form,
    pub statistic: Statistic,
    pub rows: RowKind,
    pub smoothing: Smoothing,
    pub damping: f64,
    pub relative: bool,
    pub start: Start,
    /// Rows of a window, samples held, or directions of a sketch.
    pub size: usize,
    pub kronecker_damping: KroneckerDamping,
    pub sharing: Sharing,
    pub keep: f64,
    pub basis_every: usize,
    pub tolerance: f64,
}

impl Default for Config {
    fn default() -> Self {
        let (window, samples) = (WindowSettings::default(), SamplesSettings::default());
        let kronecker = EigenKroneckerSettings::default();
        Self {
            form: Form::Window,
            statistic: window.statistic,
            rows: window.rows,
            smoothing: window.smoothing,
            damping: window.damping,
            relative: window.relative,
            start: window.start,
            size: window.length,
            kronecker_damping: KroneckerDamping::Joint,
            sharing: kronecker.sharing,
            keep: kronecker.keep,
            basis_every: kronecker.basis_every,
            tolerance: samples.tolerance,
        }
    }
}

impl Config {
    /// What the form reads of them.
    pub fn settings(&self) -> FisherSettings {
        let Self { statistic, rows, smoothing, damping, relative, start, size, keep, tolerance, .. } = *self;
        let (kronecker_damping, basis_every) = (self.kronecker_damping, self.basis_every);
        match self.form {
            Form::Dense => FisherSettings::Dense(DenseSettings {
                statistic,
                rows,
                smoothing,
                damping,
                relative,
                start,
                tolerance,
            }),
            Form::Window => FisherSettings::Window(WindowSettings {
                statistic,
                rows,
                smoothing,
                damping,
                relative,
                start,
                length: size,
            }),
            Form::Samples => {
                let samples = size;
                FisherSettings::Samples(SamplesSettings { statistic, damping, relative, samples, tolerance })
            }
            Form::Kronecker => FisherSettings::Kronecker(KroneckerSettings {
                statistic,
                smoothing,
                damping,
                relative,
                kronecker_damping,
                sharing: self.sharing,
                keep,
            }),
            Form::EigenKronecker => FisherSettings::EigenKronecker(EigenKroneckerSettings {
                statistic,
                smoothing,
                damping,
                relative,
                sharing: self.sharing,
                keep,
                basis_every,
            }),
            Form::Diagonal => {
                let settings = DiagonalSettings { statistic, rows, smoothing, damping, relative };
                FisherSettings::Diagonal(settings)
            }
            Form::Sketch => {
                let rank = size;
                let settings = SketchSettings { statistic, rows, smoothing, damping, relative, rank };
                FisherSettings::Sketch(settings)
            }
        }
    }

    pub fn build<T: Scalar>(
        &self,
        layers: &[LayerShape],
        d: usize,
        regularizer: Diagonal<T>,
    ) -> Result<Box<dyn Fisher<T>>, FisherError> {
        build(&self.settings(), layers, d, regularizer)
    }
}

/// A Fisher of one form; everything else as `change` leaves it.
pub fn fisher(
    form: Form,
    d: usize,
    layers: &[LayerShape],
    change: impl Fn(&mut Config),
) -> Box<dyn Fisher<f64>> {
    let mut config = Config { form, ..Config::default() };
    change(&mut config);
    config.build(layers, d, Diagonal::Scalar(0.0)).expect("good settings")
}

pub fn rows<T: Scalar>(data: &[f64], d: usize) -> Observation<T> {
    Observation::Rows(Rows { data: narrow(data), count: data.len() / d })
}

pub fn narrow<T: Scalar>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::of(x)).collect()
}

/// The gradients √(w_i/m) g_ik as rows.
pub fn gradients(factors: &Factors<f64>) -> Vec<f64> {
    let (m, k) = (factors.weights.len(), factors.directions);
    let mut rows = Vec::new();
    for i in 0..m {
        for direction in 0..k {
            for layer in &factors.layers {
                let (inputs, outputs) = (layer.inputs.len() / m, layer.outputs.len() / (m * k));
                let root = (factors.weights[i] / m as f64).sqrt();
                for a in &layer.inputs[i * inputs..][..inputs] {
                    let s = &layer.outputs[(i * k + direction) * outputs..][..outputs];
                    rows.extend(s.iter().map(|s| root * a * s));
                }
            }
        }
    }
    rows
}

/// F ← βF + γ Σ row rowᵀ.
pub fn accumulate(f: &mut [f64], beta: f64, gamma: f64, rows: &[f64], d: usize) {
    f.iter_mut().for_each(|f| *f *= beta);
    for row in rows.chunks_exact(d) {
        for i in 0..d {
            for j in 0..d {
                f[i * d + j] += gamma * row[i] * row[j];
            }
        }
    }
}

/// (F + diag)⁻¹ b by elimination with pivoting.
pub fn reference(f: &[f64], diagonal: impl Fn(usize) -> f64, b: &[f64]) -> Vec<f64> {
    let d = b.len();
    let mut a = f.to_vec();
    (0..d).for_each(|i| a[i * d + i] += diagonal(i));
    let mut x = b.to_vec();
    for k in 0..d {
        let pivot =
            (k..d).max_by(|&i, &j| a[i * d + k].abs().total_cmp(&a[j * d + k].abs())).expect("rows are left");
        for j in 0..d {
            a.swap(k * d + j, pivot * d + j);
        }
        x.swap(k, pivot);
        for i in k + 1..d {
            let ratio = a[i * d + k] / a[k * d + k];
            for j in k..d {
                a[i * d + j] -= ratio * a[k * d + j];
            }
            x[i] -= ratio * x[k];
        }
    }
    for k in (0..d).rev() {
        let sum: f64 = (k + 1..d).map(|j| a[k * d + j] * x[j]).sum();
        x[k] = (x[k] - sum) / a[k * d + k];
    }
    x
}

pub fn solve(fisher: &mut dyn Fisher<f64>, b: &[f64]) -> (Vec<f64>, SolveReport) {
    let mut x = vec![f64::NAN; b.len()];
    let report = fisher.solve(b, &mut x).expect("a solution");
    (x, report)
}

/// Column by column.
pub fn inverse(fisher: &mut dyn Fisher<f64>) -> Vec<f64> {
    let d = fisher.parameters();
    let mut columns = Vec::new();
    for j in 0..d {
        let unit: Vec<f64> = (0..d).map(|i| if i == j { 1.0 } else { 0.0 }).collect();
        columns.extend(solve(fisher, &unit).0);
    }
    columns
}

/// Largest difference in units of the largest entry of `expected`.
pub fn distance(x: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(x.len(), expected.len());
    let largest = expected.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    // A NaN must fail, which `f64::max` would swallow.
    assert!(x.iter().all(|x| x.is_finite()), "the result isn't finite");
    x.iter().zip(expected).fold(0.0f64, |m, (x, y)| m.max((x - y).abs())) / largest
}

#[track_caller]
pub fn assert_close(x: &[f64], expected: &[f64], tolerance: f64) {
    let distance = distance(x, expected);
    assert!(distance <= tolerance, "{distance:e} of the largest entry is more than {tolerance:e}");
}

/// State with owned names, as [`Fisher::restore`] takes it.
pub fn saved<T: Scalar>(fisher: &dyn Fisher<T>) -> Vec<(String, Vec<f64>)> {
    fisher.state().unwrap().into_iter().map(|(name, values)| (name.to_string(), values)).collect()
}

pub fn refused<T: Scalar>(result: Result<Box<dyn Fisher<T>>, FisherError>) -> FisherError {
    match result {
        Ok(_) => panic!("the settings should be refused"),
        Err(error) => error,
    }
}
