import type { Backend, BackendInfo } from '../../backend/backend.ts'
import {
  backendCheck,
  type Check,
  callback,
  checkOptions,
  flag,
  modelCheck,
  number,
  numbers,
  refuse,
  seedCheck,
  shape,
  signalCheck,
  size,
} from '../../backend/check.ts'
import { type Communicator, communicatorCheck } from '../../backend/communicator.ts'
import { NhgdError } from '../../backend/errors.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { type MatrixLike, matrixCheck } from '../../backend/matrixLike.ts'
import * as defaults from '../../defaults.ts'
import { type Method, methodCheck } from '../../methods/method.ts'
import { isNetwork, type Model, softmaxRegression } from '../../problems/model.ts'
import { whole } from '../../problems/samples.ts'
import type { SolveResult } from '../../run/solve.ts'
import type { Classifier } from '../classifier.ts'
import { type TaskCheckpoint, taskCheckpointCheck } from '../stages.ts'

/** Rows of features with their classes. */
export interface Labelled {
  readonly features: MatrixLike
  /** Classes, from 0. */
  readonly labels: ArrayLike<number>
}

export interface DistillOptions extends Labelled {
  readonly backend: Backend
  /** Samples of the small set per class, 1 by default. */
  readonly perClass?: number
  /** The model that the small set is made for: softmax regression by default. */
  readonly model?: Model
  /** Whether the small set has soft labels, which are learned too; false by default. */
  readonly learnTargets?: boolean
  /** Factor of ‖θ‖², in the run and in every training; 1e-3 by default. */
  readonly regularization?: number
  /** Rows that the run does not see, on which accuracies are taken; by default the real samples themselves. */
  readonly test?: Labelled
  /** Whether to bring each column to mean 0 and deviation 1; by default columns of bytes are not, all others are. The small
   * set is given in the units of the features all the same. */
  readonly standardize?: boolean
  /** Number of outer iterations, 800 by default and 200 for a network; 0 keeps the start. */
  readonly outerSteps?: number
  /** First step size of the outer optimiser, Adam, in units of the features’ deviation; it falls linearly to 0. 0.02 by
   * default, and 0.03 for a network. */
  readonly outerRate?: number
  /** The method in place of the task’s own. */
  readonly method?: Method
  /** Whether to compare the small set with others; true by default. */
  readonly compare?: boolean
  /** Trainings of each set that is judged, each with its own order and start, 5 by default; all samples are trained on once. */
  readonly trainings?: number
  /** Ends the run after the outer step in which so many seconds have passed. */
  readonly seconds?: number
  /** Decides every draw; 0 by default. */
  readonly seed?: number
  readonly signal?: AbortSignal
  /** The ranks that share the work out. All of them have all samples, and all get the result. */
  readonly communicator?: Communicator
  /** Writes what was computed to a file now and then. An abort gives no result then: what there is goes to the file. */
  readonly checkpoint?: TaskCheckpoint
  readonly onProgress?: (progress: DistillProgress) => void
}

/** One outer step. */
export interface DistillProgress {
  readonly step: number
  readonly steps: number
  /** Mean loss on a batch of the real samples. */
  readonly outerLoss: number
  readonly seconds: number
}

/** A small set, of which models can be trained. */
export interface SmallSet {
  readonly features: Matrix
  /** The class that each sample was made for. */
  readonly labels: Uint32Array
  /** Soft labels or learned targets, samples × classes. */
  readonly targets?: Float32Array | Float64Array
}

/** What models are worth that were trained from scratch on a set. */
export interface Judged {
  readonly samples: number
  /** Mean loss on the real samples, by training. */
  readonly losses: readonly number[]
  /** On the test rows, or on the real samples where there are none, by training. */
  readonly accuracies: readonly number[]
}

/** What the small set is compared with. */
export type Contender = 'distilled' | 'random samples' | 'class means' | 'analytic' | 'all samples'

export interface DistillResult extends SmallSet {
  /** A model that was trained on the small set, for features in their own units. */
  readonly model: Classifier
  /**
   * The small set beside as many random samples (drawn anew for each training), the means of as many parts of each class,
   * and all samples; for softmax regression also one sample per class with soft labels that holds the model of all samples
   * (Chen et al., NeurIPS 2024). Empty where the run was aborted.
   */
  readonly judged: Readonly<Partial<Record<Contender, Judged>>>
  readonly curves: readonly Pick<DistillProgress, 'step' | 'outerLoss' | 'seconds'>[]
  readonly solve: Pick<SolveResult, 'status' | 'advice' | 'steps' | 'residual' | 'seconds'>
  /** Where the task went on from, and what was wrong with newer checkpoints. */
  readonly resumed?: { readonly file: string; readonly damaged: readonly string[] }
  readonly seconds: number
  readonly backend: BackendInfo
  readonly settings: Readonly<Record<string, unknown>>
}

const labelled = { features: matrixCheck, labels: numbers }
const checks = {
  backend: backendCheck,
  ...labelled,
  perClass: size(1),
  model: modelCheck,
  learnTargets: flag,
  regularization: number(0),
  test: shape<Labelled>(labelled, ['features', 'labels']),
  standardize: flag,
  outerSteps: size(0),
  outerRate: number(0),
  method: methodCheck,
  compare: flag,
  trainings: size(1),
  seconds: number(0, Number.POSITIVE_INFINITY),
  seed: seedCheck,
  signal: signalCheck,
  communicator: communicatorCheck as Check<Communicator>,
  checkpoint: taskCheckpointCheck,
  onProgress: callback,
}

export type Settings = ReturnType<typeof settingsOf>

/** Options as they are used, with nothing absent that has a default. */
export function settingsOf(given: DistillOptions) {
  const options = checkOptions(given, checks, ['backend', 'features', 'labels'])
  const { features, labels, test } = options
  const own = checked('', features as Matrix, labels)
  const classes = own.labels.reduce((most, label) => Math.max(most, label), 1) + 1
  const model = options.model ?? softmaxRegression({ classes })
  const outputs = model.kind === 'logistic' ? 2 : model.kind === 'linear' ? model.outputs : model.classes
  if (classes > outputs) refuse('model', `at least ${classes} classes, those of the labels`, outputs)
  const apart = test && checked('test ', test.features as Matrix, test.labels)
  if (apart && apart.features.columns !== own.features.columns) {
    refuse('test features', `${own.features.columns} columns`, apart.features.columns, 'ERR_SHAPE')
  }
  const kind = kindOf(model)
  const {
    perClass = 1,
    learnTargets = false,
    regularization = defaults.distill.regularization,
    standardize = !(own.features.data instanceof Uint8Array),
    outerSteps = defaults.distill.outerSteps[kind],
    outerRate = defaults.distill.outerRate[kind],
    compare = true,
    trainings = defaults.distill.trainings,
    seconds = Number.POSITIVE_INFINITY,
    seed = 0,
  } = options
  const { backend, method, signal, communicator, checkpoint, onProgress } = options
  const numbersOf = { perClass, regularization, outerSteps, outerRate, trainings, seconds, seed }
  const rest = { backend, method, signal, communicator, checkpoint, onProgress }
  return {
    ...own,
    test: apart,
    model,
    classes: outputs,
    learnTargets,
    standardize,
    compare,
    ...numbersOf,
    ...rest,
  }
}

/** Whether a model has one layer, so that its loss is convex, or is a network. */
export function kindOf(model: Model): 'linear' | 'perceptron' {
  const isLinear = !isNetwork(model) || (model.kind === 'mlp' && model.hidden.length === 0)
  return isLinear ? 'linear' : 'perceptron'
}

function checked(of: string, features: Matrix, given: ArrayLike<number>) {
  const labels = whole(given, `${of}labels`)
  if (labels.length === features.rows && labels.length > 0) return { features, labels }
  const got = labels.length === 0 ? 'none' : String(labels.length)
  const expected = features.rows === 0 ? 'at least one row' : `${features.rows} labels, one per row`
  throw new NhgdError('ERR_SHAPE', `"${of}labels" expected ${expected}, got ${got}`)
}
