// Made from Rust's types by crates/engine/src/types.rs.

/** Stable codes of errors. */
export type ErrorCode = "ERR_SHAPE" | "ERR_DTYPE" | "ERR_RANGE" | "ERR_NOT_FINITE" | "ERR_DATA" | "ERR_NUMERIC" | "ERR_DIVERGED" | "ERR_MEMORY" | "ERR_BACKEND" | "ERR_CHECKPOINT" | "ERR_CALLBACK" | "ERR_RANK" | "ERR_DISPOSED" | "ERR_INTERNAL";

/** Settings of an optimiser. */
export type OptimizerRule = { "kind": "sgd", } | { "kind": "momentum",
/** μ, from 0 and below 1. */
momentum: number, } | { "kind": "adam",
/** Share of the old first moment, from 0 and below 1. */
beta1: number,
/** Share of the old second moment, from 0 and below 1. */
beta2: number,
/** Added to the root of the second moment, at least 0. */
epsilon: number,
/** Keeps one second moment, the mean square, for the whole vector: Adam that keeps the gradient's direction. */
shared: boolean, };

/** The representations of A = (F + D̃)⁻¹ and their settings. `form` names the representation. A field that is absent takes
 * its default, and a field that the form doesn't read is refused. */
export type FisherSettings = { "form": "dense" } & DenseSettings | { "form": "window" } & WindowSettings | { "form": "samples" } & SamplesSettings | { "form": "kronecker" } & KroneckerSettings | { "form": "eigenkronecker" } & EigenKroneckerSettings | { "form": "diagonal" } & DiagonalSettings | { "form": "sketch" } & SketchSettings;

/** Settings of `form: "dense"`: A and F themselves, d² numbers. */
export type DenseSettings = Partial<{
/** The labels at which the gradients are taken; default `empirical`. */
statistic: Statistic,
/** What it sees of a batch; default `signed`. */
rows: RowKind,
/** Forgetting over observations; default 0.99. */
smoothing: Smoothing,
/** λ ≥ 0, more than 0 where D has a zero or the start decays; default 0.01. */
damping: number,
/** Whether λ is in units of tr(F)/d, the mean eigenvalue of F; not for a decaying start; default false. */
relative: boolean,
/** What becomes of D̃; default `held`. */
start: Start,
/** Residual ‖b − (F + D̃)x‖/‖b‖ at which a solve stops, raised to what the scalar type can reach; not read by a
 * decaying start; default 1e-10. */
tolerance: number, }>;

/** Settings of `form: "window"`: the last rows. */
export type WindowSettings = Partial<{
/** The labels at which the gradients are taken; default `empirical`. */
statistic: Statistic,
/** What it sees of a batch; default `signed`. */
rows: RowKind,
/** Forgetting over observations; default 0.99. */
smoothing: Smoothing,
/** λ ≥ 0, more than 0 where D has a zero or the start decays; default 0.01. */
damping: number,
/** Whether λ is in units of tr(F)/d, the mean eigenvalue of F; not for a decaying start; default false. */
relative: boolean,
/** What becomes of D̃; default `held`. */
start: Start,
/** Rows held, at least 1; default 256. */
length: number, }>;

/** Settings of `form: "samples"`: the factors of the last per-sample gradients, over which it averages. */
export type SamplesSettings = Partial<{
/** The labels at which the gradients are taken; default `empirical`. */
statistic: Statistic,
/** λ ≥ 0, more than 0 where D has a zero; default 0.01. */
damping: number,
/** Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false. */
relative: boolean,
/** Samples held, at least 1; default 256. */
samples: number,
/** Residual ‖b − (F + D̃)x‖/‖b‖ at which a solve by conjugate gradients stops, raised to what the scalar type can
 * reach; default 1e-10. */
tolerance: number, }>;

/** Settings of `form: "kronecker"`: Kronecker factors of each layer. */
export type KroneckerSettings = Partial<{
/** The labels at which the gradients are taken; default `empirical`. */
statistic: Statistic,
/** Forgetting over observations; default 0.99. */
smoothing: Smoothing,
/** λ ≥ 0, more than 0 where D has a zero; default 0.01. */
damping: number,
/** Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false. */
relative: boolean,
/** How damping enters a Kronecker product; default `joint`. */
kroneckerDamping: KroneckerDamping,
/** What the factors make of positions that share the weights of a layer; default `expand`. */
sharing: Sharing,
/** Share of the old factors at a refresh, in [0, 1); default 0.5. */
keep: number, }>;

/** Settings of `form: "eigenkronecker"`: the eigenbases of the Kronecker factors, with second moments of their own. */
export type EigenKroneckerSettings = Partial<{
/** The labels at which the gradients are taken; default `empirical`. */
statistic: Statistic,
/** Forgetting over observations; default 0.99. */
smoothing: Smoothing,
/** λ ≥ 0, more than 0 where D has a zero; default 0.01. */
damping: number,
/** Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false. */
relative: boolean,
/** What the factors make of positions that share the weights of a layer; default `expand`. */
sharing: Sharing,
/** Share of the old factors at a refresh, in [0, 1); default 0.5. */
keep: number,
/** Observations from one eigenbasis to the next, at least 1; a refresh takes a new one in any case; default 10. */
basisEvery: number, }>;

/** Settings of `form: "diagonal"`: the diagonal of F. */
export type DiagonalSettings = Partial<{
/** The labels at which the gradients are taken; default `empirical`. */
statistic: Statistic,
/** What it sees of a batch; default `signed`. */
rows: RowKind,
/** Forgetting over observations; default 0.99. */
smoothing: Smoothing,
/** λ ≥ 0, more than 0 where D has a zero; default 0.01. */
damping: number,
/** Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false. */
relative: boolean, }>;

/** Settings of `form: "sketch"`: a few directions by frequent directions. */
export type SketchSettings = Partial<{
/** The labels at which the gradients are taken; default `empirical`. */
statistic: Statistic,
/** What it sees of a batch; default `signed`. */
rows: RowKind,
/** Forgetting over observations; default 0.99. */
smoothing: Smoothing,
/** λ ≥ 0, more than 0 where D has a zero; default 0.01. */
damping: number,
/** Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false. */
relative: boolean,
/** Directions k that are kept, at least 1; up to 2k rows are held; default 256. */
rank: number, }>;

/** The labels at which a Fisher takes its gradients: as given (`empirical`), one per sample that is drawn from the model
 * (`sampled`), or all of them, weighted by the model (`expected`, Gauss–Newton). */
export type Statistic = "empirical" | "sampled" | "expected";

/** What a form that takes rows sees of a batch: its mean gradient, one random-sign sum of the gradients of its samples,
 * or each of them. */
export type RowKind = "mean" | "signed" | "perSample";

/** Weights (β, γ) of an update F ← βF + γ·(the observation's term). In JSON it is β, 0 < β < 1, or
 * `"average"` over all samples seen. */
export type Smoothing = number | "average";

/** What becomes of D̃, from which F + D̃ starts: it is held, or decays with the smoothing as the method is printed. */
export type Start = "held" | "decaying";

/** How damping enters a Kronecker product: exactly (`joint`), or split between the factors. */
export type KroneckerDamping = "joint" | "split";

/** What the Kronecker factors of a layer make of the positions at which its weights are shared (Eschenhagen et al. 2023,
 * section 3): each counts as a sample (`expand`), or their mean does (`reduce`). Without sharing both are the same. */
export type Sharing = "expand" | "reduce";

/** Settings of a problem over data. */
export type BilevelSettings = {
/** Scalar type of θ and v: `f32` or `f64`. */
dtype: string, model: ModelSettings,
/** Factor of ‖θ‖², at least 0. */
regularization: number,
/** Blocks in the order of their slices of v. */
blocks: Array<BlockSettings>,
/** What errors call the outer samples. */
outer: string, };

/** What θ is: the settings of a model. Each bias is the last input of its layer. */
export type ModelSettings = { "kind": "softmax",
/** Number of classes, at least 2. */
classes: number,
/** Whether the scores have a bias. */
bias: boolean, } | { "kind": "linear",
/** Number of outputs, at least 1. */
outputs: number,
/** Whether the outputs have a bias. */
bias: boolean, } | { "kind": "logistic",
/** Whether the score has a bias. */
bias: boolean, } | { "kind": "mlp",
/** Units of each hidden layer, at least 1. */
hidden: readonly number[],
/** Number of classes, at least 2; under the squared loss that of outputs, at least 1. */
classes: number,
/** Activation of the hidden layers. */
activation: ActivationKind,
/** Softmax cross-entropy, or ½‖z − y‖² against the targets or the label's unit vector. */
loss: LossKind, } | { "kind": "convolutional",
/** Shape of a sample's features: channels × height × width, row-major. */
image: ImageSettings,
/** Convolutions, each with its activation and its pooling. */
convolutions: readonly ConvolutionSettings[],
/** What pooling makes of a window: its largest entry, or the mean. */
pooling: PoolingKind,
/** Units of each hidden layer after the convolutions, at least 1. */
hidden: readonly number[],
/** Number of classes, at least 2; under the squared loss that of outputs, at least 1. */
classes: number,
/** Activation of the convolutions and the hidden layers. */
activation: ActivationKind,
/** Softmax cross-entropy, or ½‖z − y‖² against the targets or the label's unit vector. */
loss: LossKind, };

/** The sides of an image, each at least 1. */
export type ImageSettings = {
/** Numbers per pixel. */
channels: number,
/** Rows of pixels. */
height: number,
/** Columns of pixels. */
width: number, };

/** A convolution with what follows it: an activation, then pooling. */
export type ConvolutionSettings = {
/** Channels of its outputs, at least 1. */
channels: number,
/** Side of its square windows, at least 1. */
kernel: number,
/** Pixels from one window to the next, at least 1. */
stride: number,
/** Pixels of zeros on each side of the image. */
padding: number,
/** Side of the squares of pooling, which do not overlap; 1 for no pooling. */
pool: number, };

/** What pooling makes of a square. */
export type PoolingKind = "max" | "average";

export type ActivationKind = "relu" | "tanh" | "gelu";

export type LossKind = "crossEntropy" | "squared";

/** A block of hyperparameters, with the fields that its kind reads. */
export type BlockSettings = { "kind": "sampleWeights",
/** Number of training samples, the last ones, that have weight one whatever v is. */
anchors: number, prior?: PriorSettings, } | { "kind": "marginWeights",
/** Number of training samples, the last ones, that have weight one whatever v is. */
anchors: number,
/** How wrong labels arise, C × C, row-major, entries above 0; default: uniformly. */
transition?: Array<number>, prior?: PriorSettings, } | { "kind": "fixedWeights", } | { "kind": "learnedInputs", prior?: PriorSettings, } | { "kind": "learnedTargets", prior?: PriorSettings, } | { "kind": "weightNetwork",
/** Number of training samples, the last ones, that have weight one whatever v is. */
anchors: number,
/** Samples that have signals: those of the training that are no anchors come first. */
rows: number,
/** Signals per sample. */
columns: number,
/** Units of the hidden layer; 0 for none. */
hidden: number,
/** Samples whose labels were checked and are right. */
right: Array<number>,
/** Samples whose labels were checked and are wrong. */
wrong: Array<number>, prior?: PriorSettings, } | { "kind": "penalty", per: PerKind,
/** For `group`: the number of a group, from 0, per feature or per parameter. */
groups?: Array<number>,
/** Whether biases are penalised too. */
bias: boolean,
/** The exponent q, above 0 and at most 2; the first q where it is learned. */
power?: number,
/** Whether q is one more entry of v. */
learned: boolean, prior?: PriorSettings, };

/** The parameters that share a strength: all, those of a group, of a feature (in models of one layer) or of a layer. */
export type PerKind = "all" | "group" | "feature" | "layer";

/** A Gaussian prior on a block's v: it adds ½ Σ precision_j (v_j − mean_j)² to f. */
export type PriorSettings = { mean: Array<number>,
/** At least 0. */
precision: Array<number>, };
