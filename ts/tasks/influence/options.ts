import type { Backend } from '../../backend/backend.ts'
import type { DType } from '../../backend/binding.ts'
import {
  backendCheck,
  type Check,
  callback,
  dtypeCheck,
  modelCheck,
  number,
  numbers,
  present,
  seedCheck,
  signalCheck,
  size,
} from '../../backend/check.ts'
import { type Communicator, communicatorCheck } from '../../backend/communicator.ts'
import type { FisherSettings } from '../../backend/settings.ts'
import type { Model } from '../../problems/model.ts'
import { type SampleSet, sampleSet } from '../../problems/samples.ts'
import { type TaskCheckpoint, taskCheckpointCheck } from '../stages.ts'

/** How far a call is. */
export interface InfluenceProgress {
  /** What is being done: θ is trained, the inverse is made, or samples are judged. */
  readonly stage: 'train' | 'inverse' | 'samples'
  readonly done: number
  /** How many there are to do; of a training the largest number of steps. */
  readonly total: number
  readonly seconds: number
}

/** What every call that takes long has. */
export interface InfluenceControl {
  /** Ends the call when it aborts, with what it was aborted with. */
  readonly signal?: AbortSignal
  /** Greatest number of seconds, without a limit by default. Samples that are not reached until then are left out; those
   * of the first block are always judged. */
  readonly seconds?: number
  /**
   * The ranks that share out the samples whose influence is asked for. All of them make the same calls with all samples, and
   * get the same results. The model is trained by all alike; `tiles` are those of a rank alone.
   */
  readonly communicator?: Communicator
  readonly onProgress?: (progress: InfluenceProgress) => void
}

export interface InfluenceModelOptions extends InfluenceControl {
  readonly backend: Backend
  readonly model: Model
  /** Samples that θ is trained on, and whose influence is asked for. */
  readonly train: SampleSet
  /** Factor of ‖θ‖² in the training objective, 1e-3 by default. */
  readonly regularization?: number
  /** θ that was trained on `train` before; by default it is trained here. */
  readonly theta?: ArrayLike<number>
  /** The inverse Fisher A, which stands for the inverse Hessian of the training objective: any form. */
  readonly fisher?: FisherSettings
  /**
   * Most conjugate-gradient steps that take each A∇ℓ towards the inverse of the curvature of all training samples, which is
   * the Hessian of linear models and the Gauss–Newton matrix of networks. 0 takes A∇ℓ as it is, which is the default for
   * networks and for self-influence; elsewhere it is 5. Each step is a pass over the training samples, per test sample.
   */
  readonly refine?: number
  readonly dtype?: DType
  /** Decides the start of a network and the order of samples, 0 by default. */
  readonly seed?: number
  /**
   * Keeps θ, the inverse and what questions of the model have so far in a file (Node, Deno and Bun). With `resume` the call
   * goes on from there, with the same bits.
   */
  readonly checkpoint?: TaskCheckpoint
}

export interface DataValueOptions extends InfluenceControl {
  /** Samples whose mean loss the training samples are valued by. */
  readonly test: SampleSet
}

export interface InfluenceOptions extends DataValueOptions {
  /** How many helpful and how many harmful training samples are listed per test sample, 20 by default. */
  readonly top?: number
}

/** What removing a training sample does. */
export interface InfluenceEffect {
  /** Position of the training sample. */
  readonly row: number
  /** By about how much the loss changes, in the loss's own units (nats for cross-entropy). */
  readonly change: number
}

/** What training samples do to one test sample. */
export interface TestInfluence {
  /** Its loss at θ. */
  readonly loss: number
  /** Samples whose removal raises the loss most, the strongest first. */
  readonly helpful: readonly InfluenceEffect[]
  /** Samples whose removal lowers the loss most, the strongest first. */
  readonly harmful: readonly InfluenceEffect[]
}

/** What the results of all calls have. */
export interface InfluenceOutcome {
  /** `seconds` where the time was over before all samples were judged. */
  readonly status: 'done' | 'seconds'
  /** The largest ‖b − Cu‖ / ‖b‖ of the linear solves, where `refine` computes it. */
  readonly residual?: number
  readonly seconds: number
}

export interface InfluenceResult extends InfluenceOutcome {
  /** The test samples in their order, as many as were judged. */
  readonly tests: readonly TestInfluence[]
  /** By about how much the mean loss of these test samples changes when a training sample is removed, one number each. */
  readonly values: Float64Array
}

export interface DataValueResult extends InfluenceOutcome {
  /** By about how much a loss changes when a training sample is removed, one number each; NaN where it was not judged. */
  readonly values: Float64Array
}

export interface SelfInfluenceResult extends DataValueResult {
  /**
   * Losses of the training samples at θ, NaN where they were not judged. A sample's loss plus its value is about its loss
   * under a model that was trained without it.
   */
  readonly losses: Float64Array
}

export const controlChecks = {
  signal: signalCheck,
  seconds: number(0, Number.POSITIVE_INFINITY),
  communicator: communicatorCheck as Check<Communicator>,
  onProgress: callback,
}

export const modelChecks = {
  ...controlChecks,
  backend: backendCheck,
  model: modelCheck,
  train: sampleSet,
  regularization: number(0),
  theta: numbers,
  fisher: present,
  refine: size(0),
  dtype: dtypeCheck,
  seed: seedCheck,
  checkpoint: taskCheckpointCheck,
}

export const valueChecks = { ...controlChecks, test: sampleSet }
export const testChecks = { ...valueChecks, top: size(1) }
