import { type Matrix, matrix } from '../../../ts/backend/matrix.ts'
import { type Model, multilayerPerceptron, softmaxRegression } from '../../../ts/problems/model.ts'
import type { LabelledSet } from '../../../ts/problems/samples.ts'

export interface Sets {
  readonly train: LabelledSet
  readonly trusted: LabelledSet
}

/** A problem, and the step sizes of its inner loop. */
export interface Cell {
  readonly name: string
  /** Whether conjugate gradients have a hard time. */
  readonly hard: boolean
  readonly model: Model
  readonly sets: Sets
  /** λ of the system (C + λI) u = ∇_θ f; C is the Hessian, for networks the Gauss–Newton matrix. */
  readonly damping: number
  /** Step size of the inner loop for the weights of each feature, and for all other weights. */
  readonly rates: Float64Array
  readonly otherRate: number
}

/** How fast the outer variables move: the root mean square of a step, in logits of the samples' weights.
 * The default optimiser of `solve` takes steps of about 0.1 at first. */
export const speeds = { slow: 0.03, fast: 0.3 } as const

/** The cells for features of mean 0 and variance 1, of which the hard ones are made. */
export function hardCells({ train, trusted }: Sets, classes: number, units: number): Cell[] {
  const columns = (train.features as Matrix).columns
  // Neighbours have very different scales.
  const scales = Float64Array.from({ length: columns }, (_, j) => 10 ** (6 * ((j * golden) % 1) - 3))
  const scale = (x: Float64Array) => {
    for (const [j, s] of scales.entries()) x[j] *= s
  }
  const scaleAndCorrelate = (x: Float64Array) => {
    correlate(x)
    scale(x)
  }
  const cell = (
    name: string,
    model: Model,
    damping: number,
    change: (x: Float64Array) => void,
    rate: (j: number) => number,
    otherRate: number,
  ): Cell => ({
    name,
    hard: change !== nothing,
    model,
    sets: { train: changed(train, change), trusted: changed(trusted, change) },
    damping,
    rates: Float64Array.from({ length: columns }, (_, j) => rate(j)),
    otherRate,
  })
  const nothing = () => {}
  const softmax = softmaxRegression({ classes })
  const perceptron = multilayerPerceptron({ classes, hidden: [units], activation: 'tanh' })
  const linear = (name: string, change: (x: Float64Array) => void, rate: (j: number) => number) =>
    cell(name, softmax, 0, change, rate, 0.3)
  const network = (name: string, change: (x: Float64Array) => void, rate: number) =>
    cell(name, perceptron, 1e-3, change, () => rate, 0.1)
  return [
    linear('softmax, well-conditioned', nothing, () => 0.3),
    linear('softmax, scales from 1e-3 to 1e3', scale, (j) => 0.3 / (scales[j] ** 2 + floor)),
    linear('softmax, correlated features', correlate, () => 0.3 / mixed),
    linear('softmax, both', scaleAndCorrelate, (j) => 0.3 / (mixed * scales[j] ** 2 + floor)),
    network('perceptron, well-conditioned', nothing, 0.1),
    network('perceptron, correlated features', correlate, 0.02),
  ]
}

const golden = (Math.sqrt(5) - 1) / 2
/** Keeps steps along features of a small scale stable, whose curvature is that of the penalty. */
const floor = 1e-3
const correlation = 0.98
/** About the largest eigenvalue of the correlated features' covariance, over that of independent ones. */
const mixed = 20

/** x_j ← ρ x_{j−1} + √(1 − ρ²) x_j: an autoregressive sequence, whose neighbours have correlation ρ. */
function correlate(x: Float64Array): void {
  for (let j = 1; j < x.length; j++) {
    x[j] = correlation * x[j - 1] + Math.sqrt(1 - correlation ** 2) * x[j]
  }
}

function changed(set: LabelledSet, change: (row: Float64Array) => void): LabelledSet {
  const { data, rows, columns } = set.features as Matrix
  const copy = Float64Array.from(data)
  for (let i = 0; i < rows; i++) change(copy.subarray(i * columns, (i + 1) * columns))
  return { ...set, features: matrix(copy, rows, columns) }
}

/** Both sets with features of mean 0 and variance 1 over the training samples. */
export function standardized({ train, trusted }: Sets): Sets {
  const { data, rows, columns } = train.features as Matrix
  const [mean, square] = [new Float64Array(columns), new Float64Array(columns)]
  for (let k = 0; k < data.length; k++) {
    mean[k % columns] += data[k] / rows
    square[k % columns] += data[k] ** 2 / rows
  }
  const change = (x: Float64Array) =>
    x.forEach((value, j) => {
      x[j] = (value - mean[j]) / Math.sqrt(square[j] - mean[j] ** 2)
    })
  return { train: changed(train, change), trusted: changed(trusted, change) }
}
