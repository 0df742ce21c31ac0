import type { Backend } from '../../backend/backend.ts'
import {
  backendCheck,
  type Check,
  callback,
  checkOptions,
  flag,
  numbers,
  oneOf,
  refuse,
  seedCheck,
  shape,
  signalCheck,
} from '../../backend/check.ts'
import { type Communicator, communicatorCheck } from '../../backend/communicator.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { type MatrixLike, matrixCheck } from '../../backend/matrixLike.ts'
import { powerCheck } from '../../problems/blocks.ts'
import type { FoldRows } from '../../problems/crossValidation.ts'
import { foldList } from '../../problems/crossValidation.ts'
import { hiddenCheck } from '../../problems/model.ts'
import { type TargetSet, targetsCheck } from '../../problems/samples.ts'
import type { Classifier } from '../classifier.ts'
import { type TaskCheckpoint, taskCheckpointCheck } from '../stages.ts'
import type { Regressor } from './regressor.ts'

export interface TunedPenalty {
  /**
   * What has a strength of its own: all features together (the default), each group, each feature, or each
   * layer of a perceptron. */
  readonly per?: 'all' | 'group' | 'feature' | 'layer'
  /** For `group`: the number of a group, from 0, per feature. */
  readonly groups?: ArrayLike<number>
  /** The exponent q, above 0 and at most 2, or `learned`. 2 is ridge, the default of a perceptron, and 1 is close to the
   * lasso. Elsewhere `learned` is the default. */
  readonly power?: number | 'learned'
}

export interface TuneRegularizationOptions {
  readonly backend: Backend
  /** One row per sample. */
  readonly features: MatrixLike
  /** What a regression predicts: a number per sample, or a row of numbers. */
  readonly targets?: TargetSet['targets']
  /** What a classifier predicts: the class of each sample, from 0. */
  readonly labels?: ArrayLike<number>
  /** What predicts: linear regression of targets, or logistic or softmax regression of labels (the default), or a
   * perceptron of either. */
  readonly model?: 'softmax' | 'perceptron'
  /** Units of each hidden layer of a perceptron, 16 by default. */
  readonly hidden?: readonly number[]
  readonly penalty?: TunedPenalty
  /** Number of folds, 5 by default, or the folds themselves: see `groupFolds` and `timeFolds`, and `holdOut` for one. */
  readonly folds?: number | readonly FoldRows[]
  /** Whether columns are brought to mean 0 and deviation 1, true by default. */
  readonly standardize?: boolean
  /** What warnings call the columns; their numbers, from 0, by default. */
  readonly columns?: readonly string[]
  /** Decides the folds, 0 by default. */
  readonly seed?: number
  readonly signal?: AbortSignal
  /** The ranks that share the folds out. All of them have all samples, and all get the result. */
  readonly communicator?: Communicator
  /** Keeps what was computed in a file (Node, Deno and Bun). With `resume` the task goes on from there, to the same bits. */
  readonly checkpoint?: TaskCheckpoint
  readonly onProgress?: (progress: TuneProgress) => void
}

/** One point of the search. */
export interface TuneProgress {
  readonly step: number
  /** Cross-validated loss. */
  readonly loss: number
  readonly strengths: Float64Array
  readonly power: number
  /** Loss on samples that no fold has, where there are such. */
  readonly heldOutLoss?: number
  readonly seconds: number
}

/** A loss, and the standard error of its mean over folds, or over the samples of a single hold-out. */
export interface Score {
  readonly value: number
  readonly standardError: number
}

export interface Coefficient {
  readonly feature: number
  /** The output or class that it belongs to; 0 where there is one. */
  readonly output: number
  /** In the units of the features and targets. */
  readonly value: number
  /** For features (and targets) of deviation 1. */
  readonly standardized: number
}

export interface TuneRegularizationResult {
  readonly penalty: { readonly strengths: Float64Array; readonly power: number }
  /**
   * Cross-validated loss of what was chosen, of one ridge penalty, and of next to none, one of 10⁻⁶. It is the mean
   * squared error of one target in its units, for several the mean share of their variances that is left, and the log
   * loss of classes.
   */
  readonly losses: {
    readonly chosen: Score
    readonly none: Score
    readonly ridge: Score & { readonly strength: number }
  }
  /** The search after its first grid; the loss of the first entry is that of its start. */
  readonly path: readonly TuneProgress[]
  /**
   * The entry of the path with the least loss. It was kept, unless the exponent is learned and the folds, or the samples of
   * a single hold-out, do not show a gain over one ridge penalty of at least three percent and one standard error: then
   * that stays.
   */
  readonly bestStep: number
  /** From which entry on the held-out loss only rose, where samples were held out and it did. */
  readonly risesFrom?: number
  /** The second derivatives of the loss that the hypergradient took: exact ones, or a perceptron's Gauss–Newton matrix. */
  readonly curvature: 'hessian' | 'gauss-newton'
  /** All of them, the largest standardized ones first; those of a perceptron are not told. */
  readonly coefficients: readonly Coefficient[]
  /** Features all of whose standardized coefficients are below a hundredth of the largest. */
  readonly leftOut: readonly number[]
  readonly intercepts: Float64Array
  /** What the folds' models predict of the samples that they left out: the targets, rows × outputs, or the class; NaN for
   * samples that no fold left out. */
  readonly heldOut: Float64Array
  /** The model of all samples. It takes features in their own units. */
  readonly model: Regressor | Classifier
  /** The largest change of a standardized coefficient, as a share of the largest, where ε is halved. */
  readonly smoothingInfluence: number
  readonly warnings: readonly string[]
  readonly seconds: number
  /** The checkpoint that the task went on from, and what is wrong with newer ones. */
  readonly resumed?: { readonly file: string; readonly damaged: readonly string[] }
}

const folds: Check = (name, value) => (typeof value === 'number' ? value : foldList(1)(name, value))

const features: Check<Matrix> = (name, value) => {
  const matrix = matrixCheck(name, value)
  const { data, rows, columns } = matrix
  if (rows < 4 || columns < 1)
    refuse(name, 'at least 4 rows and 1 column', `${rows} × ${columns}`, 'ERR_SHAPE')
  const at = (data as Float64Array).findIndex((x: number) => !Number.isFinite(x))
  if (at >= 0) {
    const place = `row ${Math.floor(at / columns)}, column ${at % columns}`
    refuse(name, 'finite numbers', `${data[at]} in ${place}`, 'ERR_NOT_FINITE')
  }
  return matrix
}

export const names: Check<readonly string[]> = (name, value) =>
  Array.isArray(value) && value.every((text) => typeof text === 'string')
    ? value
    : refuse(name, 'an array of strings', value)

const checks = {
  backend: backendCheck,
  features,
  targets: targetsCheck,
  labels: numbers,
  model: oneOf('softmax', 'perceptron'),
  hidden: hiddenCheck,
  penalty: shape<TunedPenalty>({
    per: oneOf('all', 'group', 'feature', 'layer'),
    groups: numbers,
    power: powerCheck,
  }),
  folds,
  standardize: flag,
  columns: names,
  seed: seedCheck,
  signal: signalCheck,
  communicator: communicatorCheck as Check<Communicator>,
  checkpoint: taskCheckpointCheck,
  onProgress: callback,
}

/** Options whose matrices are known. */
export type CheckedOptions = Omit<TuneRegularizationOptions, 'features' | 'targets'> & {
  readonly features: Matrix
  readonly targets?: Matrix
}

/** The options, checked. */
export function checked(options: TuneRegularizationOptions): CheckedOptions {
  const given = checkOptions(options, checks, ['backend', 'features'])
  if ((given.targets === undefined) === (given.labels === undefined)) {
    refuse('options', 'either targets or labels', given.labels === undefined ? 'neither' : 'both')
  }
  const { per = 'all', groups } = given.penalty ?? {}
  if ((per === 'group') !== (groups !== undefined)) {
    refuse('penalty.groups', per === 'group' ? 'a number per feature' : 'per: "group"', groups)
  }
  const { columns } = given.features as Matrix
  const isPerceptron = given.model === 'perceptron'
  if (given.model === 'softmax' && !given.labels) refuse('model', 'labels, not targets', given.model)
  if (given.hidden && !isPerceptron) refuse('hidden', 'model: "perceptron"', given.model)
  if (isPerceptron && (per === 'group' || per === 'feature'))
    refuse('penalty.per', '"all" or "layer" for a perceptron', per)
  if (!isPerceptron && per === 'layer') refuse('penalty.per', 'model: "perceptron"', per)
  if (given.columns && given.columns.length !== columns) {
    refuse('columns', `${columns} names`, given.columns.length, 'ERR_SHAPE')
  }
  if (groups && groups.length !== columns) {
    refuse('penalty.groups', `${columns}, one per feature`, groups.length, 'ERR_SHAPE')
  }
  return given as CheckedOptions
}
