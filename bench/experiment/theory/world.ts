import type { Backend } from '../../../ts/backend/backend.ts'
import type { Point } from '../../../ts/backend/binding.ts'
import { type Matrix, matrix } from '../../../ts/backend/matrix.ts'
import { bilevel } from '../../../ts/problems/bilevel.ts'
import { type Block, fixedWeights, penalty } from '../../../ts/problems/blocks.ts'
import { softmaxRegression } from '../../../ts/problems/model.ts'
import type { Problem } from '../../../ts/problems/problem.ts'
import type { LabelledSet } from '../../../ts/problems/samples.ts'
import { Random } from '../../harness/random.ts'

/** Sizes of a world of softmax regression without bias. */
export interface WorldSizes {
  readonly features: number
  readonly classes: number
  /** Different rows of features. */
  readonly pool: number
  /** Where the learned strengths of the penalty start, 1e-2 by default. */
  readonly strength?: number
  /** Factor of a fixed ‖θ‖² beside it, 0 by default. */
  readonly regularization?: number
}

/**
 * A population that is known: rows of a pool, all as likely, and for each row the probabilities of its labels. These are
 * those of a softmax regression, mixed with the uniform distribution where a share of the labels is wrong.
 */
export class World {
  readonly #backend: Backend
  readonly #sizes: WorldSizes
  readonly #x: Float64Array
  /** Probabilities of the labels of each row. */
  readonly #law: Float64Array
  readonly #validation: LabelledSet

  constructor(backend: Backend, sizes: WorldSizes, wrong: number, seed: number) {
    const random = new Random(seed)
    const { features, classes, pool } = sizes
    this.#backend = backend
    this.#sizes = sizes
    this.#x = random.normals(pool * features)
    const size = 1 / Math.sqrt(features)
    const truth = random.normals(features * classes).map((t) => 2 * size * t)
    this.#law = this.#probabilities(truth).map((p) => (1 - wrong) * p + wrong / classes)
    // f asks for another model than the truth: at the truth its gradient would be 0.
    const other = truth.map((t, i) => t + size * Math.cos(i))
    const rows = Uint32Array.from({ length: pool }, (_, i) => i)
    this.#validation = this.#set(rows, this.#labels(rows, this.#probabilities(other), random))
  }

  /** n samples; `blocks` are those of v that depend on the samples, by their features. */
  draw(n: number, random: Random, blocks: (features: Matrix) => Record<string, Block> = () => ({})): Problem {
    const rows = random.whole(n, this.#sizes.pool)
    const train = this.#set(rows, this.#labels(rows, this.#law, random))
    return this.#problem(train, blocks(train.features))
  }

  /** The population itself: each row with each label, weighted by its probability. */
  population(): Problem {
    const { classes, pool } = this.#sizes
    const rows = Uint32Array.from({ length: pool * classes }, (_, i) => Math.floor(i / classes))
    const labels = Int32Array.from(rows, (_, i) => i % classes)
    const weights = fixedWeights(this.#law.map((p) => p * classes))
    return this.#problem(this.#set(rows, labels), { weights })
  }

  #problem(train: LabelledSet, blocks: Record<string, Block>): Problem {
    const strengths = penalty({ per: 'feature', start: this.#sizes.strength ?? 1e-2 })
    return bilevel({
      backend: this.#backend,
      model: softmaxRegression({ classes: this.#sizes.classes, bias: false }),
      train,
      validation: this.#validation,
      hyperparameters: { ...blocks, strengths },
      regularization: this.#sizes.regularization ?? 0,
      dtype: 'f64',
    })
  }

  #set(rows: Uint32Array, labels: Int32Array): LabelledSet & { features: Matrix } {
    const { features } = this.#sizes
    const x = new Float64Array(rows.length * features)
    for (const [i, row] of rows.entries()) {
      x.set(this.#x.subarray(row * features, (row + 1) * features), i * features)
    }
    return { features: matrix(x, rows.length, features), labels }
  }

  #labels(rows: Uint32Array, law: Float64Array, random: Random): Int32Array {
    const { classes } = this.#sizes
    const chances = random.shares(rows.length)
    return Int32Array.from(rows, (row, i) => {
      let left = chances[i]
      for (let c = 0; c < classes - 1; c++) {
        left -= law[row * classes + c]
        if (left < 0) return c
      }
      return classes - 1
    })
  }

  /** Of each row of the pool under the parameters θ. */
  #probabilities(theta: ArrayLike<number>): Float64Array {
    const { features, classes, pool } = this.#sizes
    const out = new Float64Array(pool * classes)
    for (let i = 0; i < pool; i++) {
      const row = out.subarray(i * classes, (i + 1) * classes)
      for (let j = 0; j < features; j++) {
        for (let c = 0; c < classes; c++) row[c] += this.#x[i * features + j] * theta[j * classes + c]
      }
      const all = row.reduce((sum, z) => sum + Math.exp(z), 0)
      row.forEach((z, c) => {
        row[c] = Math.exp(z) / all
      })
    }
    return out
  }
}

/** θ ← argmin of g at the point's v, by Newton's method. */
export function minimize(problem: Problem, point: Point): void {
  const { oracles, backend } = problem
  const [gradient, direction] = [point.inner, point.inner].map(({ length }) => problem.zeros(length))
  for (let i = 0; i < 50; i++) {
    oracles.innerGradient(point, backend.Batch.all(oracles.samples), gradient)
    if (gradient.norm() < 1e-11) return
    oracles.exactDirection(point, gradient, direction, true)
    point.inner.axpy(-1, direction)
  }
  throw new Error('Newton’s method did not converge')
}

/** ∇Φ at the point's v, for θ = θ*(v), with the true Hessian. */
export function exactHypergradient(problem: Problem, point: Point) {
  const { oracles, backend } = problem
  const [direct, target, u] = [point.outer, point.inner, point.inner].map(({ length }) =>
    problem.zeros(length),
  )
  oracles.refresh(point)
  oracles.outerGradient(point, direct, target)
  oracles.exactDirection(point, target, u, true)
  oracles.crossProduct(point, backend.Batch.all(oracles.samples), u, -1, direct)
  return direct
}

/** The first `count` features of each sample, as signals. */
export function firstFeatures({ data, rows, columns }: Matrix, count: number): Matrix {
  const x = Float64Array.from({ length: rows * count }, (_, k) => {
    return data[Math.floor(k / count) * columns + (k % count)]
  })
  return matrix(x, rows, count)
}
