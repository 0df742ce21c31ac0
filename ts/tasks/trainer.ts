import { type Backend, read, taken } from '../backend/backend.ts'
import type { Features, Vector } from '../backend/binding.ts'
import { Breather } from '../hypergradient/clock.ts'
import { innerEnd, innerLoop, innerState } from '../hypergradient/innerLoop.ts'
import { type Model, predictor, softmaxRegression } from '../problems/model.ts'
import type { AnyProblem } from '../problems/problem.ts'
import { reweighting } from '../problems/reweighting.ts'
import { countOf, type LabelledSet, type SampleSet } from '../problems/samples.ts'
import { Classifier } from './classifier.ts'
import { curvatureRate } from './rate.ts'

/** How a model is trained: SGD with momentum 0.9. */
export interface Training {
  readonly steps: number
  readonly rate: number
  readonly batchSize: number
  readonly seed: number
  /** Share of the steps, the last ones, whose θ is averaged; 0 takes the last θ. */
  readonly averaging?: number
  readonly signal?: AbortSignal
}

/** Which samples a training takes, their weights, and where it starts. */
export interface TrainingSet {
  /** Positions of the samples; all of them where absent. */
  readonly positions?: Uint32Array
  /** A logit per position; the weight of the sample is its σ. All weights are 1 where absent. */
  readonly logits?: ArrayLike<number>
  /** θ to start from; the model's own start where absent, which for softmax regression is 0. */
  readonly start?: ArrayLike<number>
}

/** θ of a model; of softmax regression (columns + 1) × classes, row-major, the bias last. */
export type Theta = Float32Array | Float64Array

/** A logit whose weight is 1 in both scalar types. */
export const certain = 40

/**
 * Trains models of one kind on subsets of one data set, each with its own weights. All trainings share one native
 * problem, which holds a logit per sample and the data once.
 */
export class Trainer {
  readonly backend: Backend
  readonly classes: number
  readonly features: Features
  readonly model: Model
  readonly #problem: AnyProblem
  readonly #samples: number

  /** `regularization` is the factor of ‖θ‖². */
  constructor(
    backend: Backend,
    classes: number,
    set: SampleSet & { readonly features: Features },
    regularization: number,
    model: Model = softmaxRegression({ classes }),
  ) {
    this.backend = backend
    this.classes = classes
    this.features = set.features
    this.model = model
    this.#samples = countOf(set)
    const breather = new Breather()
    const problem = reweighting({ backend, model, train: set, trusted: set, regularization })
    this.#problem = problem.paced(() => breather.due())
  }

  /** Minimises the weighted mean loss over the set by SGD. */
  async train(training: Training, { positions, logits, start }: TrainingSet = {}): Promise<Theta> {
    const { steps: innerSteps, rate, batchSize, seed, averaging = 0, signal } = training
    const innerOptimizer = { kind: 'momentum', rate } as const
    const settings = { innerSteps, batchSize, averaging, innerOptimizer }
    const problem = this.#problem
    const point = problem.start(0, { inner: start, outer: this.#outer(positions, logits) })
    const sampler = { take: this.#draws(seed, positions) }
    const state = { ...innerState(problem, seed, settings, 1), sampler }
    for await (const _ of innerLoop(problem, point, state, settings)) {
      if (signal?.aborted) return read(point.inner)
    }
    return read(innerEnd(point, state, settings).inner)
  }

  /** Class probabilities of rows of the features, rows × classes. They stay in the backend. */
  predict(theta: ArrayLike<number>, rows: Uint32Array): Vector {
    const model = predictor(this.backend, this.model)
    return model.probabilities(this.#problem.vector(theta), this.features, this.backend.Batch.of(rows))
  }

  /** A copy of {@link Trainer.predict}. */
  probabilities(theta: ArrayLike<number>, rows: Uint32Array): Theta {
    return taken(this.predict(theta, rows))
  }

  /** θ as a model of its own. */
  classifier(theta: Theta): Classifier {
    return new Classifier(this.backend, this.classes, this.features.columns, theta, this.model)
  }

  /** {@link curvatureRate} at the model's start with all weights 1. */
  async rate(positions: Uint32Array, seed: number): Promise<number> {
    const point = this.#problem.start(0, { outer: this.#outer() })
    return curvatureRate(this.#problem, point, this.#draws(seed, positions)(2048))
  }

  /** v, with the weight 1 for every sample whose logit is not given. */
  #outer(positions?: Uint32Array, logits?: ArrayLike<number>): Float64Array {
    const outer = new Float64Array(this.#samples).fill(certain)
    if (positions && logits) for (const [i, at] of positions.entries()) outer[at] = logits[i]
    else if (logits) outer.set(logits)
    return outer
  }

  /** Batches of the listed positions: a sampler draws places in the list. */
  #draws(seed: number, positions?: Uint32Array) {
    const { Sampler, Batch } = this.backend
    const sampler = new Sampler(seed, positions?.length ?? this.#samples)
    return (size: number) => {
      const batch = sampler.take(size)
      if (!positions) return batch
      const places = batch.positions
      for (let i = 0; i < places.length; i++) places[i] = positions[places[i]]
      return Batch.of(places)
    }
  }
}

/** Trains on a whole set with all weights 1, from θ = 0. */
export async function train(
  backend: Backend,
  classes: number,
  set: LabelledSet & { readonly features: Features },
  { regularization, ...training }: Training & { readonly regularization: number },
): Promise<Classifier> {
  const trainer = new Trainer(backend, classes, set, regularization)
  return trainer.classifier(await trainer.train(training))
}
