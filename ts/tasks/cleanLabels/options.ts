import type { Backend, BackendInfo } from '../../backend/backend.ts'
import type { Features } from '../../backend/binding.ts'
import {
  backendCheck,
  callback,
  checkOptions,
  flag,
  fraction,
  number,
  numbers,
  oneOf,
  present,
  seedCheck,
  signalCheck,
  size,
  something,
} from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import type { Matrix } from '../../backend/matrix.ts'
import * as defaults from '../../defaults.ts'
import type { PreconditionedConjugateGradientsOptions } from '../../methods/preconditionedConjugateGradients.ts'
import type { SolveResult } from '../../run/solve.ts'
import type { Classifier } from '../classifier.ts'

export interface CleanLabelsOptions {
  readonly backend: Backend
  /** All samples, one per row. An uploaded matrix keeps the scale that it has. */
  readonly features: Matrix | Features
  /** A class for each sample, 0 to C − 1. The labels of the trusted rows are right. */
  readonly labels: ArrayLike<number>
  /** Rows whose labels are known to be right, at least 4. */
  readonly trusted: ArrayLike<number>
  /** C, at least 2; one more than the largest label by default. */
  readonly classes?: number
  /** How samples are weighed: by margins, which have few outer variables (the default), or by one logit per sample. */
  readonly weighting?: 'margin' | 'perSample'
  /** Share of the trusted samples that neither objective sees, 0.2 by default. They choose the v to keep; with 0 the
   * last v is kept. */
  readonly holdout?: number
  /** Number of outer iterations, 30 by default; 0 keeps the start. */
  readonly outerSteps?: number
  /** First step size of the outer optimiser, Adam: 0.03 for `margin` and 0.5 for `perSample` by default. 0 keeps the
   * start, which is the posterior of a mixture of right and uniform labels. */
  readonly outerRate?: number
  /** Factor of ‖θ‖², 1e-4 by default. */
  readonly regularization?: number
  /** Whether to bring the features to a usual scale by one common factor, so that step sizes need no tuning; true by
   * default. */
  readonly normalize?: boolean
  /** Settings of the method in place of the task's own. */
  readonly method?: PreconditionedConjugateGradientsOptions
  /** Weights to start from, 0 to 1, one per row that is not trusted (`perSample` alone). */
  readonly weights?: ArrayLike<number>
  /** Decides every draw; 0 by default. */
  readonly seed?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: CleaningProgress) => void
}

/** One outer step. */
export interface CleaningProgress {
  readonly step: number
  readonly steps: number
  /** Mean loss on the trusted samples of the outer objective, a prior's term included. */
  readonly outerLoss: number
  /** Mean loss on those held back, NaN where none are. */
  readonly heldOutLoss: number
  /** Residual of the linear solve. */
  readonly residual: number
  readonly seconds: number
  readonly secondsLeft: number
  /** The classifier as it is at this step. */
  readonly classifier: () => Classifier
}

export interface CleanLabelsResult {
  /** Rows that were not trusted. All that follows is in their order. */
  readonly rows: Uint32Array
  /** Weight of each label, 0 to 1. The last training leaves out samples below ½. */
  readonly weights: Float64Array
  /** How likely each label is wrong, 0 to 1: weight and retrained model together. */
  readonly score: Float64Array
  /** Positions in `rows`, the most doubtful label first. */
  readonly ranking: Uint32Array
  /** The class that the retrained model would give. */
  readonly suggested: Int32Array
  /** The model at the end of the bilevel run, θ^T. */
  readonly theta: Classifier
  /** The model retrained on the kept and the trusted samples. */
  readonly model: Classifier
  readonly curves: readonly Omit<CleaningProgress, 'classifier' | 'steps' | 'secondsLeft'>[]
  /** The outer step whose model had the least held-out loss: `outer` is the v that this model was trained with. With
   * nothing held back it is the last step, and `outer` is the v that this step led to. 0 where there was no step. */
  readonly bestStep: number
  /** Whether the held-out loss rose from there: over-fitting of the trusted samples. */
  readonly overfitting: boolean
  readonly outer: Float32Array | Float64Array
  readonly solve: SolveResult
  readonly seconds: Readonly<Record<string, number>>
  readonly backend: BackendInfo
  readonly settings: Readonly<Record<string, unknown>>
}

const checks = {
  backend: backendCheck,
  features: something,
  labels: numbers,
  trusted: numbers,
  /** A single class is refused later, once the labels are known to fit the features. */
  classes: size(1),
  weighting: oneOf('margin', 'perSample'),
  holdout: fraction,
  outerSteps: size(0),
  outerRate: number(0),
  regularization: number(0),
  normalize: flag,
  method: present,
  weights: numbers,
  seed: seedCheck,
  signal: signalCheck,
  onProgress: callback,
}

/** Options with their defaults. */
export type Settings = ReturnType<typeof settingsOf>

/** @throws NhgdError `ERR_RANGE` for options that are unknown, ill-typed, out of range or without an effect. */
export function settingsOf(given: CleanLabelsOptions) {
  const options = checkOptions(given, checks, ['backend', 'features', 'labels', 'trusted'])
  const weighting = options.weighting ?? 'margin'
  if (weighting === 'margin' && options.weights) {
    throw new NhgdError('ERR_RANGE', '"weights" expected the weighting "perSample", got "margin"')
  }
  const { outerRate } = defaults.cleanLabels[weighting]
  return { ...defaults.cleanLabels.options, weighting, outerRate, ...options }
}
