import {
  type Check,
  checkOptions,
  doubles,
  flag,
  number,
  numbers,
  oneOf,
  refuse,
  shape,
  size,
} from '../backend/check.ts'
import type { Matrix } from '../backend/matrix.ts'
import { entriesCheck, type MatrixLike, matrixCheck } from '../backend/matrixLike.ts'
import type { BlockSettings } from '../backend/settings.ts'
import { hasSquaredLoss, type Model } from './model.ts'
import { inputsOf, type SampleSet, targetsOf, whole } from './samples.ts'

/** A Gaussian prior on a block's v, which adds ½ Σ precision_j (v_j − mean_j)² to f. */
export interface Prior {
  readonly mean: ArrayLike<number>
  readonly precision: ArrayLike<number>
}

/** A block of hyperparameters: a slice of v and what it stands for. */
export interface Block {
  /** The block's settings for the engine. */
  readonly settings: BlockSettings
  /** Numbers per sample that no hyperparameter moves: fixed weights, or signals. */
  readonly fixed?: Float64Array
  /** The slice of v to start from, given its length and what the inner problem is made of. */
  start(length: number, inner: { readonly model: Model; readonly train: SampleSet }): ArrayLike<number>
}

/** Checks a {@link Prior}. */
export const priorCheck = shape<Prior>({ mean: numbers, precision: numbers }, ['mean', 'precision'])

const plainPrior = (given?: Prior) =>
  given && {
    mean: Array.from(doubles('prior mean', given.mean)),
    precision: Array.from(doubles('prior precision', given.precision)),
  }

/** Options of all blocks of learned weights. */
export interface WeightsOptions {
  /** Number of training samples, the last ones, that have weight one whatever v is; 0 by default. */
  readonly anchors?: number
  /** Prior on v, which then starts at its mean; without it v starts at 0. */
  readonly prior?: Prior
}

/** A weight σ(v_i) per training sample (Franceschi et al. 2017). In natural units: n weights. */
export function sampleWeights(options: WeightsOptions = {}): Block {
  const { anchors = 0, prior: given } = checkOptions(options, { anchors: size(0), prior: priorCheck })
  return {
    settings: { kind: 'sampleWeights', anchors, prior: plainPrior(given) },
    start: (length) => given?.mean ?? new Float64Array(length),
  }
}

export interface MarginWeightsOptions extends WeightsOptions {
  /** How wrong labels arise, C × C, row-major: entry (k, y), above 0, is the probability of the label y where k is true.
   * Uniform by default. */
  readonly transition?: ArrayLike<number> | MatrixLike
}

/**
 * A weight σ(v_y + m_i) per training sample with few hyperparameters: one bias per class y, and the slope that multiplies
 * the model's scores in the log-odds m_i of the label. v holds the C biases and the slope. In natural units: n weights.
 */
export function marginWeights(options: MarginWeightsOptions = {}): Block {
  const checks = { anchors: size(0), prior: priorCheck, transition: entriesCheck }
  const { anchors = 0, prior: given, transition } = checkOptions(options, checks)
  return {
    settings: {
      kind: 'marginWeights',
      anchors,
      transition: transition && Array.from(doubles('transition', transition as ArrayLike<number>)),
      prior: plainPrior(given),
    },
    start: (length) => given?.mean ?? new Float64Array(length),
  }
}

/** Weights ≥ 0 that are given, one per training sample: no hyperparameters. */
export function fixedWeights(values: ArrayLike<number>): Block {
  const fixed = doubles('values', numbers('values', values)).slice()
  return { settings: { kind: 'fixedWeights' }, fixed, start: () => [] }
}

/** Options of the blocks of learned samples. */
export interface LearnedOptions {
  /** Prior on v, which then starts at its mean. */
  readonly prior?: Prior
}

/**
 * The features of the training samples, so that the data that the model is trained on are the hyperparameters (dataset
 * distillation, Wang et al. 2018, arXiv 1811.10959): v holds the features, n × columns, row-major, in the units of the
 * model's inputs. It starts at those of the training set, which have to be a matrix that is not uploaded. In natural units:
 * the features. One block of a problem.
 */
export function learnedInputs(options: LearnedOptions = {}): Block {
  const { prior: given } = checkOptions(options, { prior: priorCheck })
  return {
    settings: { kind: 'learnedInputs', prior: plainPrior(given) },
    start: (_, { train }) => given?.mean ?? inputsOf(train, 'train'),
  }
}

export interface LearnedTargetsOptions extends LearnedOptions {
  /** Probability of each sample's own class at the start, above 0 and below 1; 0.9 by default. The squared loss has no
   * use for it. */
  readonly confidence?: number
}

/**
 * The targets of the training samples (Bohdal et al. 2020, arXiv 2006.08572): v holds a row per sample with an entry per
 * output of the model. The target is the softmax of the row under the cross-entropy loss, its σ under the logistic
 * loss, and the row itself under the squared loss. v starts at the given labels or targets. In natural units: the
 * targets, n × outputs. One block of a problem.
 */
export function learnedTargets(options: LearnedTargetsOptions = {}): Block {
  const checks = { prior: priorCheck, confidence: number(Number.MIN_VALUE, 1 - 2 ** -53) }
  const { prior: given, confidence = 0.9 } = checkOptions(options, checks)
  return {
    settings: { kind: 'learnedTargets', prior: plainPrior(given) },
    start(length, { model, train }) {
      if (given) return given.mean
      const squared = hasSquaredLoss(model)
      const [targets, outputs] = targetsOf(train, length)
      if (squared) return targets
      // One output has the log-odds of class 1, several have logits whose softmax is the target.
      const others = Math.max(1, outputs - 1)
      const logit = Math.log((confidence * others) / (1 - confidence))
      return outputs === 1 ? targets.map((y) => (2 * y - 1) * logit) : targets.map((y) => y * logit)
    },
  }
}

/** Samples whose labels somebody looked at, by their rows of the signals. */
export interface CheckedLabels {
  readonly right: ArrayLike<number>
  readonly wrong: ArrayLike<number>
}

export interface WeightNetworkOptions extends WeightsOptions {
  /** Numbers that tell something of each training sample that is no anchor, one row per sample. Further rows may follow,
   * for checked samples that train nothing. */
  readonly signals: MatrixLike
  /** Units of a hidden layer, 0 by default: none. */
  readonly hidden?: number
  /** Labels that were checked; their mean log loss under the scores joins f. */
  readonly checked?: CheckedLabels
}

/**
 * A weight per training sample from a small network of the sample's signals, z = b + a·s, or z = b + a·tanh(W s + c) with
 * a hidden layer. The weight is σ(e^τ z + β), and the score σ(z) is the probability that the label is right. v holds W and
 * c where there is a hidden layer, then a, b, τ, β. In natural units: n weights. Without a prior, v starts at 0.
 */
export function weightNetwork(options: WeightNetworkOptions): Block {
  const places = shape<CheckedLabels>({ right: numbers, wrong: numbers }, ['right', 'wrong'])
  const checks = {
    anchors: size(0),
    prior: priorCheck,
    signals: matrixCheck,
    hidden: size(0),
    checked: places,
  }
  const {
    anchors = 0,
    prior: given,
    signals,
    hidden = 0,
    checked,
  } = checkOptions(options, checks, ['signals'])
  const list = (of: 'right' | 'wrong') => (checked ? Array.from(whole(checked[of], `checked.${of}`)) : [])
  const { data, rows, columns, scale = 1 } = signals as Matrix
  return {
    settings: {
      kind: 'weightNetwork',
      anchors,
      rows,
      columns,
      hidden,
      right: list('right'),
      wrong: list('wrong'),
      prior: plainPrior(given),
    },
    fixed: Float64Array.from(data, (x) => x * scale),
    start: (length) => given?.mean ?? new Float64Array(length),
  }
}

export interface PenaltyOptions {
  /** Which parameters share a strength: all, those of a group, of a feature (in models of one layer) or of a layer. */
  readonly per: 'all' | 'group' | 'feature' | 'layer'
  /** For `group`: the number of a group, from 0, per feature (of a model of one layer) or per parameter. */
  readonly groups?: ArrayLike<number>
  /** Whether biases are penalised too, false by default; per feature they are the last group. */
  readonly bias?: boolean
  /** Strengths to start from, above 0: one for all groups or one per group; 1 by default. */
  readonly start?: number | ArrayLike<number>
  /**
   * The exponent q of the parameters, above 0 and at most 2; 2 by default, the ridge penalty. 1 is close to the lasso, and
   * less is sparser. `learned` makes q = 0.2 + 1.8 σ(v_q) one more hyperparameter, which starts at 1.
   */
  readonly power?: number | 'learned'
  /** Prior on v, the logarithms of the strengths, and v_q after them; without `start`, v starts at its mean. */
  readonly prior?: Prior
}

/** A learned exponent q = 0.2 + 1.8 σ(v_q), as the engine has it, and the v_q of a q. */
export const exponent = {
  of: (v: number) => 0.2 + 1.8 / (1 + Math.exp(-v)),
  inverse: (q: number) => Math.log((q - 0.2) / (2 - q)),
} as const

export const powerCheck: Check<number | 'learned'> = (name, value) => {
  if (value === 'learned' || (typeof value === 'number' && value > 0 && value <= 2)) return value
  return refuse(name, 'a number above 0 and at most 2, or "learned"', value)
}

/**
 * A penalty with learned strengths, R = Σ_k (exp(v_k)/q) Σ_{j∈k} (θ_j² + ε²)^(q/2): for q = 2 it is quadratic,
 * ½ Σ_k exp(v_k) Σ_{j∈k} θ_j², and for others ε = 10⁻³ in the units of θ keeps it smooth. In natural units: the strengths
 * exp v, and q after them where it is learned. A parameter that it leaves free, such as a bias, has only the curvature of
 * the data: inverse Fishers need damping then. Where q < 2 they take the curvature of the quadratic that touches R from
 * above; products with the Hessian take the true one.
 */
export function penalty(options: PenaltyOptions): Block {
  const positive = (name: string, value: unknown) => {
    const all = typeof value === 'number' ? [value] : numbers(name, value)
    const wrong = Array.from(all).find((x) => !(x > 0 && Number.isFinite(x)))
    if (wrong !== undefined) refuse(name, 'finite numbers above 0', wrong)
    return value
  }
  const per = oneOf('all', 'group', 'feature', 'layer')
  const checks = { per, groups: numbers, bias: flag, start: positive, power: powerCheck, prior: priorCheck }
  const {
    groups,
    bias = false,
    start,
    power: q = 2,
    prior: given,
    ...rest
  } = checkOptions(options, checks, ['per'])
  const learned = q === 'learned'
  return {
    settings: {
      kind: 'penalty',
      ...rest,
      bias,
      groups: groups && Array.from(whole(groups, 'groups')),
      power: learned ? undefined : q,
      learned,
      prior: plainPrior(given),
    },
    start(length) {
      if (start === undefined && given) return given.mean
      const v = new Float64Array(length)
      const strengths = learned ? length - 1 : length
      if (learned) v[strengths] = exponent.inverse(1)
      if (typeof start === 'number') v.fill(Math.log(start), 0, strengths)
      else if (start) {
        if (start.length !== strengths)
          refuse('start', `${strengths} strengths, one per group`, start.length, 'ERR_SHAPE')
        v.set(Array.from(start, Math.log))
      }
      return v
    },
  }
}
