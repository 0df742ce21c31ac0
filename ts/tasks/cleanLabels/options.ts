import type { Backend, BackendInfo } from '../../backend/backend.ts'
import type { Features } from '../../backend/binding.ts'
import {
  backendCheck,
  type Check,
  callback,
  checkOptions,
  flag,
  fraction,
  is,
  number,
  numbers,
  oneOf,
  present,
  seedCheck,
  shape,
  signalCheck,
  size,
} from '../../backend/check.ts'
import { type Communicator, communicatorCheck } from '../../backend/communicator.ts'
import { NhgdError } from '../../backend/errors.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { featuresCheck, type MatrixLike, matrixCheck } from '../../backend/matrixLike.ts'
import * as defaults from '../../defaults.ts'
import type { PreconditionedConjugateGradientsOptions } from '../../methods/preconditionedConjugateGradients.ts'
import type { SolveResult } from '../../run/solve.ts'
import type { Classifier } from '../classifier.ts'
import { type TaskCheckpoint, taskCheckpointCheck } from '../stages.ts'
import type { Estimate } from './estimate.ts'
import { logProbabilities } from './predicted.ts'

/** What is known of rows that somebody checked, at least 10. */
export interface Checked {
  readonly rows: ArrayLike<number>
  /** The true class of each, −1 where it is wrong and nobody knows what is right. Where absent, the given labels of the
   * rows that are `right` are true. */
  readonly labels?: ArrayLike<number>
  /** Whether the given label of each is right; true where absent. */
  readonly right?: readonly boolean[]
  /** Whether each was drawn at random. The estimate of how many labels are wrong rests on these rows alone; where absent, it
   * takes all checked rows for a random sample. */
  readonly random?: readonly boolean[]
}

/** A label that is doubted. */
export interface Issue {
  /** The row of the features, from 0. */
  readonly row: number
  readonly given: number
  readonly suggested: number
  /** How likely the given label is wrong. */
  readonly score: number
}

export interface CleanLabelsOptions {
  readonly backend: Backend
  /** All samples, one per row. An uploaded matrix keeps the scale that it has. Where they are absent the logarithms of
   * `predictedProbabilities` take their place, and `model` takes these. */
  readonly features?: MatrixLike | Features
  /** The given class of each sample, 0 to C − 1, right or wrong. */
  readonly labels: ArrayLike<number>
  /** Rows that somebody checked, and what was found. */
  readonly checked?: Checked
  /** Rows whose labels are known to be right, at least 4, such as a clean set that was added to the data. In a random
   * sample of the data some labels would be wrong: `checked` can say so, and learns from it. */
  readonly trusted?: ArrayLike<number>
  /** Class probabilities of each row, n × C, by a model of your own that was cross-validated on the given labels, so that it
   * never saw the label of a row that it predicts. They are one more signal beside the features, or the only one. */
  readonly predictedProbabilities?: MatrixLike
  /** Whether to bring each column to mean 0 and deviation 1; by default columns of bytes are not, all others are where
   * the features are normalized. */
  readonly standardize?: boolean
  /** C, at least 2; one more than the largest label by default. */
  readonly classes?: number
  /** What judges labels, without `trusted`: softmax regression (the default), or a perceptron with one hidden layer, where
   * no straight line parts the classes. It is slower. */
  readonly model?: 'softmax' | 'perceptron'
  /** How samples are weighed: by margins, which have few outer variables (the default), or by one logit per sample. */
  readonly weighting?: 'margin' | 'perSample'
  /** Share of the trusted samples that neither objective sees, 0.2 by default. They choose the v to keep; with 0 the
   * last v is kept. */
  readonly holdout?: number
  /** Number of outer iterations: 30 by default with `trusted`, 12 with `checked`; 0 keeps the start. */
  readonly outerSteps?: number
  /** First step size of the outer optimiser, Adam: 0.03 for `margin` and 0.5 for `perSample` by default. 0 keeps the
   * start, which is the posterior of a mixture of right and uniform labels. */
  readonly outerRate?: number
  /** Factor of ‖θ‖²: 1e-4 by default with `trusted`, else what cross-validation of the given labels chooses. */
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
  /** The ranks that share the work out. All of them have all samples, and all get the result. */
  readonly communicator?: Communicator
  /** Writes what was computed to a file now and then. An abort gives no result then: what there is goes to the file. */
  readonly checkpoint?: TaskCheckpoint
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

/** What a part of v gained on checked rows that had no part in its steps. */
export interface HeldOutGain {
  /** Mean loss of these rows at the start and at the end, whichever was kept. */
  readonly startLoss: number
  readonly endLoss: number
  /** Standard error of the difference, which is taken row by row. */
  readonly error: number
  /** Whether the end has less loss than the start by more than the standard error, and was kept. */
  readonly confirmed: boolean
}

/** What the steps along the hypergradient added to their start, by checked rows that had no part in them. */
export interface BilevelGain {
  /** Outer steps, and the one whose v was kept: the last, or 0 for the start. */
  readonly steps: number
  readonly bestStep: number
  /** Whether the weights or the scores were kept. */
  readonly confirmed: boolean
  /** The weights and the penalty of the last training, by the cross-entropy of true labels. Temperatures make the models
   * of the start and of the end as sure as suits these rows best (Guo et al. 2017). */
  readonly weights: HeldOutGain
  /** The scores, by the log loss of whether suggested labels are right. */
  readonly scores: HeldOutGain
}

export interface CleanLabelsResult {
  /** The doubted labels of rows that nobody checked, the most doubtful first. Their score is above the `threshold`. */
  readonly issues: readonly Issue[]
  /** Rows that nobody checked. */
  readonly rows: Uint32Array
  /** How likely the label of each row is wrong, 0 to 1; those of checked rows are known. */
  readonly scores: Float64Array
  /** The score above which a label is doubted: ½, or with `checked` where the F1 of the doubted labels should be largest,
   * which may be less. */
  readonly threshold: number
  /** How much the models that judge labels differ on each row, 0 to 1 (without `trusted`). */
  readonly disagreement?: Float64Array
  /** Weight of each row in the last training, 0 to 1. */
  readonly weights: Float64Array
  /** The class that each row should have: of a checked row the true one. */
  readonly suggested: Int32Array
  /** Rows that nobody checked, the most doubtful label first. */
  readonly ranking: Uint32Array
  /** Checked rows, and whether their given labels are right. */
  readonly checked: { readonly rows: Uint32Array; readonly right: readonly boolean[] }
  /** About how many labels are wrong, which only rows that are `checked` can tell; absent where none of them was drawn at
   * random. */
  readonly estimate?: Estimate
  /** What makes the result doubtful, in sentences. */
  readonly warnings: readonly string[]
  /** What the hypergradient added to its start, by the loss on checked rows that were held out (with `checked`). */
  readonly bilevel?: BilevelGain
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
  /** How the run of the outer loop ended (with `trusted`). */
  readonly solve?: SolveResult
  /** Where a run that went on from a file took it from, and what was wrong with newer checkpoints. */
  readonly resumed?: SolveResult['resumed']
  readonly seconds: Readonly<Record<string, number>>
  readonly backend: BackendInfo
  readonly settings: Readonly<Record<string, unknown>>
}

const flags: Check<readonly boolean[]> = is(
  'an array of booleans',
  (value) => Array.isArray(value) && value.every((entry) => typeof entry === 'boolean'),
)

const checks = {
  backend: backendCheck,
  features: featuresCheck,
  labels: numbers,
  checked: shape<Checked>({ rows: numbers, labels: numbers, right: flags, random: flags }, ['rows']),
  trusted: numbers,
  predictedProbabilities: matrixCheck,
  standardize: flag,
  /** A single class is refused later, once the labels are known to fit the features. */
  classes: size(1),
  model: oneOf('softmax', 'perceptron'),
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
  communicator: communicatorCheck as Check<Communicator>,
  checkpoint: taskCheckpointCheck,
  onProgress: callback,
}

/** Options with their defaults. */
export type Settings = ReturnType<typeof settingsOf>

/** @throws NhgdError `ERR_RANGE` for options that are unknown, ill-typed, out of range or without an effect. */
export function settingsOf(given: CleanLabelsOptions) {
  const own = given?.predictedProbabilities
  const { predictedProbabilities, ...rest } = checkOptions(
    given,
    checks,
    own ? ['backend', 'labels'] : ['backend', 'features', 'labels'],
  )
  if (predictedProbabilities && rest.trusted) {
    throw new NhgdError('ERR_RANGE', '"predictedProbabilities" expected no "trusted" beside it, got both')
  }
  const predicted = predictedProbabilities && logProbabilities(predictedProbabilities as Matrix)
  const options = { ...rest, features: (rest.features ?? predicted) as Matrix | Features, predicted }
  if (options.trusted && options.checked) {
    throw new NhgdError('ERR_RANGE', '"trusted" expected no "checked" beside it, got both')
  }
  if (!options.trusted) {
    const unused = ['weighting', 'holdout', 'outerRate', 'method', 'weights'] as const
    for (const name of options.checked ? unused : [...unused, 'outerSteps' as const]) {
      if (options[name] === undefined) continue
      throw new NhgdError('ERR_RANGE', `"${name}" expected "trusted" beside it, got none`)
    }
    return { ...options, weighting: 'margin' as const, seed: options.seed ?? 0 }
  }
  if (options.model === 'perceptron') {
    throw new NhgdError('ERR_RANGE', '"model" expected "softmax" beside "trusted", got "perceptron"')
  }
  const weighting = options.weighting ?? 'margin'
  if (weighting === 'margin' && options.weights) {
    throw new NhgdError('ERR_RANGE', '"weights" expected the weighting "perSample", got "margin"')
  }
  return { ...options, weighting, seed: options.seed ?? 0 }
}

/** The defaults of a run with trusted rows. */
export function trustedSettings(settings: Settings) {
  const { outerRate } = defaults.cleanLabels[settings.weighting]
  return { ...defaults.cleanLabels.options, outerRate, ...settings }
}

export type TrustedSettings = ReturnType<typeof trustedSettings>
