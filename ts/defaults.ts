/**
 * The defaults of the methods and their optimisers, with the source or with the command that chose them.
 *
 * What stands without either was not tuned: it is a small step or a usual size to start from. `npm run experiment --
 * cleaning --methods all` searches the rates of each method on a grid (bench/experiment/grid.ts), and docs/methods.md
 * tells which won.
 */

/** The usual momentum; Adam's constants are those of Kingma & Ba (2015, Algorithm 1), but for a smaller ε. */
export const optimizers = {
  sgd: {},
  momentum: { momentum: 0.9 },
  adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-12, shared: false },
  levenbergMarquardt: { damping: 1e-3, tolerance: 1e-12 },
} as const

const implicit = {
  cross: 'all',
  innerSteps: 10,
  batchSize: 1024,
  innerOptimizer: { kind: 'sgd', rate: 0.1 },
  averaging: 0,
  outerBatchSize: undefined as number | undefined,
} as const

const singleLoop = {
  batchSize: 1024,
  rate: 0.1,
  linearRate: undefined as number | ((step: number) => number) | undefined,
  outerBatchSize: 1024,
} as const

/** Settings of the methods with an inverse Fisher, which were chosen for preconditionedConjugateGradients. */
const corrected = {
  refine: 2,
  refineSamples: 4096,
  refineDamping: (k: number) => 3e-3 / (1 + k / 10),
  residual: false,
  cross: 'trajectory',
  innerSteps: 30,
  batchSize: 1024,
  innerOptimizer: { kind: 'momentum', rate: 0.3, momentum: 0.9 },
  averaging: 0.5,
  concurrent: true,
} as const

export const methods = {
  amigo: { ...implicit, steps: 10, rate: 0.1 },
  /** The tolerances fall geometrically, as Pedregosa (2016, section 5) proposes. */
  conjugateGradients: {
    ...implicit,
    steps: 10,
    tolerance: (k: number) => 0.1 * 0.9 ** k,
    curvatureSamples: 8192,
  },
  exact: {
    ...implicit,
    innerSteps: 40,
    innerOptimizer: { kind: 'momentum', rate: 0.1 },
    operator: undefined as 'hessian' | 'gauss-newton' | undefined,
  },
  f2sa: { innerSteps: 10, batchSize: 1024, rate: 0.1, multiplier: 100 },
  /** Liao, Dangel & Yu (2026): sampled Fisher, factors taken afresh, damping 1e-3 split between them. */
  kfacImplicit: {
    refine: 0,
    innerSteps: 10,
    innerOptimizer: { kind: 'sgd', rate: 0.1 },
    cross: 'all',
    averaging: 0,
    fisher: {
      form: 'kronecker',
      statistic: 'sampled',
      kroneckerDamping: 'split',
      damping: 1e-3,
      refreshSamples: 1024,
      refreshEvery: 1,
    },
  },
  maSoba: { ...singleLoop, share: 0.1 },
  mrbo: {
    batchSize: 1024,
    outerBatchSize: 1024,
    rate: 0.1,
    outerShare: 0.1,
    innerShare: 0.1,
    terms: 3,
    linearRate: 0.1,
  },
  neumann: { ...implicit, terms: 10, rate: 0.1 },
  /**
   * Kronecker factors of a part of the inner steps' samples; all else is as in preconditionedConjugateGradients. Which
   * part: `npm run experiment -- cleaning --methods nhgd-observe --no-rivals --first-seed S --budget 4s --clock cpu` with
   * S from 10 to 15, none of which is reported. Fewer observations save time, since the factors are inverted after each.
   */
  nhgd: {
    ...corrected,
    fisher: {
      form: 'kronecker',
      statistic: 'expected',
      kroneckerDamping: 'split',
      damping: 3e-3,
      smoothing: 0.8,
    },
    observe: { every: 60, samples: 256 },
  },
  nystrom: { ...implicit, rank: 16, damping: 1e-2, curvatureSamples: 1024 },
  oneStep: { ...implicit, innerSteps: 1, cross: 'trajectory', scale: 0.1 },
  /**
   * Of the settings that reach the direction of the exact hypergradient, these reach a small outer loss first, by
   * `npm run experiment -- cleaning --methods all --seeds 5 --budget 30s --clock cpu` (docs/methods.md).
   */
  preconditionedConjugateGradients: {
    ...corrected,
    fisher: {
      form: 'kronecker',
      statistic: 'expected',
      kroneckerDamping: 'split',
      damping: 3e-3,
      refreshSamples: 2048,
      refreshEvery: 20,
    },
  },
  qnbo: { ...implicit, memory: 20, steps: 4, curvatureSamples: 1024 },
  saba: singleLoop,
  sama: (({ innerOptimizer: _, ...shared }) => ({
    ...shared,
    rate: 1e-2,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    cross: 'trajectory' as const,
    innerSteps: 1,
  }))(implicit),
  soba: singleLoop,
  unrolled: { innerSteps: 10, batchSize: 1024, rate: 0.1, depth: 10 },
} as const

/** Outer steps between two comparisons of the ranks' θ and v: a checksum of them then costs little beside the steps. */
export const driftCheck = { everySteps: 10 } as const

/**
 * What a Fisher of a named form sees in `nhgd`: the default's few observations suit Kronecker factors, each of which
 * holds the curvature of many samples. Chosen with the default before it was made sparser.
 */
export const namedForm = { observe: { every: 15, samples: 256 } } as const

/**
 * Where no layer has more inputs or outputs than this, the default Kronecker factors have joint damping: its eigenproblems
 * are cheap there, and split damping is poor where features have very different scales (`npm run exactness -- --hard`).
 */
export const jointDamping = { size: 256 } as const

/** The inverse Fisher of a problem without layers, as one of callbacks: that of `nhgd` with the last gradients as they are. */
export const customFisher = { form: 'window', rows: 'perSample', damping: 3e-3, smoothing: 0.8 } as const

/** The Gauss–Newton matrix of so many samples itself, by the rows or by F, whichever is smaller. */
export const gaussNewton = (samples: number, parameters: number) => ({
  ...(samples > parameters ? { form: 'dense' as const } : { form: 'window' as const, length: samples }),
  rows: 'perSample' as const,
  statistic: 'expected' as const,
  damping: 1e-8,
})

/**
 * Options for inner problems that are least squares of few parameters, which are solved well in each outer iteration: with
 * 10 steps the runs of `npm run experiment -- pde` in two dimensions got stuck at some seeds, with 20 and 40 they did not.
 */
export const leastSquares = {
  innerOptimizer: { kind: 'levenbergMarquardt' },
  innerSteps: 20,
  batchSize: 2 ** 32 - 1,
  averaging: 0,
  cross: 'all',
} as const

/**
 * A run has diverged where its outer loss is so many times that of its first step, or 1 if that is more: θ then has hardly a
 * correct digit in f64, and none in f32.
 */
export const divergence = 1e12

/** The outer optimiser of `solve`. */
export const outerOptimizer = { kind: 'adam', rate: 0.1 } as const

/**
 * Which rows to check next: the share that is drawn at random, first and later, and how much the disagreement of models and
 * few checks of a class weigh beside doubt. Chosen by `npm run experiment -- review --seed 100` on digits and on questions
 * with weak labels.
 */
export const review = { random: { first: 0.5, later: 0.2 }, disagreement: 1, coverage: 1 } as const

/**
 * The task `cleanLabels`. Every constant was chosen by the accuracy and the F1 that
 * `npm start -- --no-rivals --seeds 3 --trusted-size N` gives for N of 10000, 2000, 500 and 100.
 */
export const cleanLabels = {
  options: { holdout: 0.2, outerSteps: 30, regularization: 1e-4, normalize: true, seed: 0 },
  /** Accurate steps matter more than fast ones here, since few are taken and v is kept. */
  method: {
    fisher: {
      form: 'kronecker',
      statistic: 'expected',
      damping: 1e-3,
      refreshSamples: 8192,
      refreshEvery: 10,
    },
    refine: 6,
    refineSamples: 8192,
    cross: 'all',
    innerSteps: 40,
  },
  /** A model knows something where its loss on rows apart is below this share of that of chance. */
  knowing: 0.95,
  /**
   * The last training, from the θ before it. The trainings before have batches of the same size. All of them take steps
   * `haste` times as long as the bilevel run, and are averaged.
   */
  retraining: { steps: 700, batchSize: 1024, averaging: 0.5, haste: 2 },
  margin: {
    method: { averaging: 0.5, refine: 3, refineDamping: 1e-3 },
    /** The first rate of Adam; it falls linearly to 0. */
    outerRate: 0.03,
    outerOptimizer: { kind: 'adam', beta2: 0.99 },
    /** Steps of the models of either half of the trusted samples. */
    firstSteps: 300,
    /** Before the bilevel run, and after it. */
    settling: { rounds: 6, steps: 60 },
    polishing: { rounds: 6, steps: 100 },
    /** Bounds of the share of right labels that expectation maximisation starts from. */
    shares: { least: 0.02, most: 0.98 },
    slope: 1.5,
    /** Standard deviations of the prior on v around the start. It counts as much as `priorSamples` trusted samples, or
     * as all of them where there are fewer. */
    deviations: { bias: 0.5, slope: 0.25 },
    priorSamples: 500,
  },
  /**
   * With checked rows. The constants come from trials on digits and on questions with weak labels, with seeds that are
   * not reported: `npm run experiment -- noise --seed 100`.
   */
  checked: {
    /** Least number of checked rows. */
    least: 10,
    /** Factors of ‖θ‖² that cross-validation chooses from, for a root mean square norm of 10. */
    regularizations: [1, 3e-1, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5],
    /** Folds of the checked rows, and of all rows for models of given labels. */
    folds: { checked: 5, given: 3 },
    /** Steps of a training from θ = 0, of one that goes on, and of the last one. */
    steps: { first: 300, next: 100, last: 1000 },
    batchSize: 1024,
    /** Rounds of the filter. */
    rounds: 4,
    /** Counts that any label and the right one have before anything is counted. */
    smoothing: { any: 0.3, right: 2 },
    neighbours: { count: 10, references: 10_000, directions: 128, block: 512 },
    /**
     * Precisions of the priors: those of the slopes and biases are chosen by their evidence. The prior of the slope of the
     * given label's odds in the model of the classes, and the largest number of classes that have biases of their own.
     */
    combination: {
      slopes: [1, 4, 16],
      biases: [1, 4],
      intercept: 0.01,
      odds: { mean: 0.1, precision: 4 },
      classBiases: 30,
    },
    signalModel: {
      outerSteps: 12,
      /** Iterations before v moves. */
      settling: 3,
      /** Steps of the models that compare the start with the end. */
      judgingSteps: 120,
      /** Precision of the prior of the inverse temperature of these models, around 1. */
      temperaturePrecision: 0.1,
      outerOptimizer: { kind: 'adam', rate: 0.1, beta1: 0.8, beta2: 0.9 },
      method: {
        fisher: {
          form: 'kronecker',
          statistic: 'expected',
          damping: 1e-3,
          refreshSamples: 8192,
          refreshEvery: 10,
        },
        refine: 6,
        refineSamples: 8192,
        refineDamping: 0,
        cross: 'all',
        innerSteps: 40,
        averaging: 0.5,
      },
      /** Precisions of the priors, before they are divided by the number of checked rows. */
      prior: { slopes: 4, intercept: 0.1, outputs: 2, penalty: 2 },
    },
  },
  /** Where a perceptron judges labels: as above, but longer, and with penalties for entries of root mean square 1. */
  perceptron: {
    hidden: [32],
    activation: 'relu',
    regularizations: [1e-2, 3e-3, 1e-3, 3e-4, 1e-4],
    steps: { first: 400, next: 150, last: 1000 },
  },
  /**
   * Bounds of the score above which labels are doubted, where checked rows say how likely labels are wrong. Below the
   * least, two of three doubted labels would be right. Scores that expect an F1 below `f1` anywhere are too vague for more
   * doubts than those of the most.
   */
  threshold: { least: 1 / 3, most: 0.5, f1: 0.5 },
  /** Without checked or trusted rows. Models have to beat the shares of the classes by so many standard errors. */
  unchecked: { folds: 10, sure: 2 },
  perSample: {
    method: { averaging: 0, refineDamping: 0 },
    outerRate: 0.5,
    outerOptimizer: { kind: 'adam', shared: true, beta2: 0.99 },
  },
} as const

/**
 * The task `distill`: chosen on Fashion-MNIST and MNIST with seeds from 100 on, none of which is reported, by
 * `npm run experiment -- distillation --seed 100` (docs/distillation.md).
 */
export const distill = {
  regularization: 1e-3,
  outerSteps: { linear: 800, perceptron: 200 },
  outerRate: { linear: 0.02, perceptron: 0.03 },
  trainings: 5,
  /** Soft labels that start nearer to even ones make networks unsure. */
  confidence: 0.999,
  retryRate: 0.3,
  linear: { innerSteps: 50, averaging: 0, cross: 'all', steps: 20, tolerance: 1e-3, outerBatchSize: 4096 },
  perceptron: {
    innerSteps: 60,
    averaging: 0,
    cross: 'all',
    steps: 10,
    tolerance: 1e-2,
    outerBatchSize: 2048,
  },
  /** Trainings that judge a set: a `share` of it per step, at most `largest` samples, at a rate that falls to 0 in the last half. */
  training: { steps: { linear: 4000, perceptron: 1000 }, share: 0.2, largest: 1024, averaging: 0.1 },
} as const

/**
 * The search for a penalty's strengths and exponent. Strengths are multiples of the largest mean product of a feature with
 * the targets, at which the lasso leaves out everything; `size` is a coefficient's usual size where outputs and features
 * have deviation 1. The grid and the outer steps were chosen with `npm run bench:python -- tune --sets sparse --draws 3`,
 * the scan with `--sets sparse --seed 100 --draws 20`.
 */
export const tuneRegularization = {
  folds: 5,
  grid: {
    powers: [1, 0.7, 0.5, 0.35],
    strengths: [0.3, 0.15, 0.07, 0.03, 0.01, 0.003],
    ridge: [1, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4],
    size: 0.05,
    /** Ridge penalties of a perceptron, whose weights have no such unit. */
    network: [0.1, 0.03, 0.01, 3e-3, 1e-3, 1e-4],
  },
  /**
   * At q = 1 the best of all whole steps from the scale of the data, in the logarithm of the strength; it moves so many
   * steps from the best of the grid at most. Below q = 1, steps from the strength that pulls coefficients of `size` as much.
   */
  scan: { step: Math.log(2) / 2, rounds: 6, steps: [2, 1, 0, -1], size: 0.1 },
  /** Parabolas through the logarithms of strengths; a step below `least` is none. */
  refinements: { rounds: 3, least: 0.03 },
  outer: { steps: 15, tolerance: 3e-3, gain: 1e-3, reach: 0.7 },
  inner: { tolerance: 1e-5, steps: 60, products: 200 },
  /** Perceptrons: steps end after two in a row that gain less than this share of g. */
  network: {
    hidden: [16],
    activation: 'tanh',
    steps: 60,
    gain: 1e-4,
    damping: 1e-2,
    products: { step: 30, direction: 100 },
    residual: { step: 0.03, direction: 1e-4 },
  },
  /** The strengths of a grid end after so many in a row that are worse than the best before. */
  enough: 2,
  /**
   * A learned exponent is kept where it lowers the loss of one ridge penalty by more than this share, and by more than the
   * standard error of the difference: chosen on seeds 100 and after of `npm run bench:python -- tune`. There the folds
   * preferred another exponent in 31 of 52 draws. Four gains pass this rule, and all of them held on the test part. Of the
   * other 27, 21 were losses there.
   */
  worthwhile: 0.03,
  /** Where there are more strengths than this, a further hold-out decides when to stop, and a prior holds them together. */
  few: 10,
  holdout: 0.2,
  prior: 0.01,
  /** A coefficient counts as left out below this share of the largest standardised one. */
  leftOut: 1e-2,
} as const

/**
 * Influence and the value of data. The form and the damping for linear models, `regularization` and `refine` were chosen on
 * draws of MNIST that are not reported: `npm run experiment -- influence --cases softmax --seed 100`. The form for networks
 * was chosen on the reported draw (docs/influence.md), and their damping was not tuned.
 */
export const influence = {
  regularization: 1e-3,
  top: 20,
  fisher: {
    linear: {
      form: 'kronecker',
      statistic: 'expected',
      smoothing: 'average',
      kroneckerDamping: 'split',
      damping: 1e-6,
    },
    network: { form: 'kronecker', statistic: 'expected', smoothing: 'average', damping: 1e-3 },
  },
  /** Corrections of linear models' directions to test losses. Networks and self-influence have none. */
  refine: 5,
  /** Residual at which a refinement stops. */
  tolerance: 1e-3,
  /** θ of a linear model; `tolerance` is the share of its first gradient that is left. */
  newton: {
    steps: 30,
    products: 40,
    residual: 0.05,
    samples: 4096,
    tolerance: { f32: 1e-5, f64: 1e-10 },
    fisher: {
      form: 'kronecker',
      statistic: 'expected',
      smoothing: 'average',
      kroneckerDamping: 'split',
      damping: 1e-4,
    },
  },
  /** θ of a network: SGD with momentum, the mean of the last half. */
  network: { steps: 1000, batchSize: 256, averaging: 0.5 },
  /** Bytes of the directions that are held at once, and of the effects of a tile of training samples on them. */
  block: { directions: 2 ** 26, tests: 1024, effects: 2 ** 25 },
} as const
