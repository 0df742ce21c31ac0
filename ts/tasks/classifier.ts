import { type Backend, read, upload } from '../backend/backend.ts'
import type { DType, Features, Point } from '../backend/binding.ts'
import { NhgdError } from '../backend/errors.ts'
import { type Matrix, matrix } from '../backend/matrix.ts'
import { readNpz, writeNpz } from '../data/npz.ts'
import { Breather } from '../hypergradient/clock.ts'
import { optimizer } from '../hypergradient/optimizer.ts'
import { softmaxRegression } from '../problems/model.ts'
import type { Problem } from '../problems/problem.ts'
import { type LabelledSet, reweighting } from '../problems/reweighting.ts'
import { mostLikely } from './metrics.ts'

/** How a classifier is trained: SGD with momentum 0.9. */
export interface Training {
  readonly steps: number
  readonly rate: number
  readonly batchSize: number
  readonly regularization: number
  readonly seed: number
  /** Share of the steps, the last ones, whose θ is averaged; 0 takes the last. */
  readonly averaging?: number
  readonly signal?: AbortSignal
}

/** A trained softmax regression. */
export class Classifier {
  readonly classes: number
  readonly columns: number
  readonly theta: Float32Array | Float64Array
  readonly #problem: Problem

  /** `theta` is (columns + 1) × classes, row-major, the bias last. */
  constructor(backend: Backend, classes: number, columns: number, theta: Float32Array | Float64Array) {
    this.classes = classes
    this.columns = columns
    this.theta = theta
    // Prediction is an oracle of a problem; one sample makes one.
    const sample = { features: matrix(new Uint8Array(columns), 1, columns), labels: [0] }
    const dtype: DType = theta instanceof Float32Array ? 'f32' : 'f64'
    this.#problem = reweighting({
      backend,
      dtype,
      model: softmaxRegression({ classes }),
      train: sample,
      trusted: sample,
      weighting: { fixed: [1] },
    })
  }

  /** Class probabilities, rows × classes. `ERR_SHAPE` where the columns aren't the training set's. */
  probabilities(features: Matrix | Features, rows?: Uint32Array): Float32Array | Float64Array {
    const { backend, oracles } = this.#problem
    const uploaded = 'data' in features ? upload(backend, features) : features
    const which = rows ? backend.Batch.of(rows) : backend.Batch.all(uploaded.rows)
    return read(oracles.probabilities(this.#problem.vector(this.theta), uploaded, which))
  }

  /** The most likely class of each row. */
  predict(features: Matrix | Features, rows?: Uint32Array): Int32Array {
    const p = this.probabilities(features, rows)
    return Int32Array.from({ length: p.length / this.classes }, (_, i) => mostLikely(p, this.classes, i))
  }

  /** The same classifier for features that lack the `factor` which this one's were multiplied by. */
  forScale(factor: number): Classifier {
    if (factor === 1) return this
    const bias = this.columns * this.classes
    const theta = this.theta.map((w, i) => (i < bias ? w * factor : w))
    return new Classifier(this.#problem.backend, this.classes, this.columns, theta)
  }

  /** The model as an NPZ file: `theta`, (columns + 1) × classes. */
  save(): Uint8Array {
    return writeNpz({ theta: { data: this.theta, shape: [this.columns + 1, this.classes] } })
  }

  /** Reads what {@link Classifier.save} wrote (`ERR_CHECKPOINT` where it isn't that). */
  static load(backend: Backend, bytes: Uint8Array): Classifier {
    const theta = readNpz(bytes).theta
    if (
      theta?.shape.length !== 2 ||
      !(theta.data instanceof Float32Array || theta.data instanceof Float64Array)
    ) {
      throw new NhgdError(
        'ERR_CHECKPOINT',
        '"theta" expected a float matrix, (columns + 1) × classes, got none',
      )
    }
    const [inputs, classes] = theta.shape
    return new Classifier(backend, classes, inputs - 1, theta.data)
  }
}

/** Plain training: minimises the mean loss over `set` from θ = 0, all weights one, unless told otherwise. */
export async function train(
  backend: Backend,
  classes: number,
  set: LabelledSet & { readonly features: Features },
  training: Training,
  from: { readonly weights?: Float64Array; readonly start?: ArrayLike<number> } = {},
): Promise<Classifier> {
  const problem = reweighting({
    backend,
    model: softmaxRegression({ classes }),
    train: set,
    trusted: set,
    weighting: { fixed: from.weights ?? new Float64Array(set.labels.length).fill(1) },
    regularization: training.regularization,
  })
  const point = problem.start(0, { inner: from.start })
  await descend(problem, point, training)
  return new Classifier(backend, classes, set.features.columns, read(point.inner))
}

/** SGD with momentum on g(v, ·), in place. */
export async function descend(problem: Problem, point: Point, training: Training): Promise<void> {
  const { backend, dtype, oracles } = problem
  const { inner } = point
  const { steps, rate, batchSize, seed, averaging = 0, signal } = training
  const sampler = new backend.Sampler(seed, oracles.samples)
  const stepper = optimizer(backend, { kind: 'momentum', rate })
  const slot = new backend.Step(inner.length, dtype)
  const averaged = Math.ceil(averaging * steps)
  const average = problem.zeros(inner.length)
  const breather = new Breather()
  for (let t = 0; t < steps && !signal?.aborted; t++) {
    oracles.innerStep(point, sampler.take(batchSize), slot)
    stepper.step(inner, slot.gradient)
    if (t >= steps - averaged) average.axpy(1 / averaged, inner)
    await breather.due()
  }
  if (averaged > 0 && !signal?.aborted) inner.copyFrom(average)
}

/**
 * A step size for SGD with momentum 0.9 that needs no tuning: half of 1/λ with the largest eigenvalue λ of the Hessian
 * at `point`, by power iteration.
 */
export function innerRate(problem: Problem, point: Point, seed: number): number {
  const { backend, oracles } = problem
  const batch = new backend.Sampler(seed, oracles.samples).take(2048)
  const product = problem.zeros(point.inner.length)
  // Any start that is no eigenvector serves: cosines at an irrational step are one.
  const u = problem.vector(
    Float64Array.from({ length: point.inner.length }, (_, i) => Math.cos(1 + i * Math.SQRT2)),
  )
  let eigenvalue = 0
  for (let i = 0; i < 30; i++) {
    u.scale(1 / Math.sqrt(u.dot(u)))
    oracles.curvatureProduct(point, batch, u, product)
    eigenvalue = u.dot(product)
    u.copyFrom(product)
  }
  return 0.5 / eigenvalue
}
