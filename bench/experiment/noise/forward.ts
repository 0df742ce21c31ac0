import type { Matrix } from '../../../ts/backend/matrix.ts'
import { Random } from '../../harness/random.ts'

/** A data set of which some rows were checked. */
export interface ForwardData {
  readonly matrix: Matrix
  readonly classes: number
  readonly given: ArrayLike<number>
  readonly known: ArrayLike<number>
  readonly truth: ArrayLike<number>
}

export interface ForwardTraining {
  readonly steps: number
  readonly rate: number
  readonly batchSize: number
  /** Factor of ‖θ‖². */
  readonly regularization: number
  readonly seed: number
}

/** P(given y | true k), classes × classes, counted on the checked rows, with some confidence in right labels. */
export function transition({ classes, given, known, truth }: Omit<ForwardData, 'matrix'>): Float64Array {
  const counts = Float64Array.from(
    { length: classes * classes },
    (_, k) => 0.3 + (k % (classes + 1) === 0 ? 2 : 0),
  )
  for (let j = 0; j < known.length; j++) counts[truth[j] * classes + given[known[j]]]++
  return counts.map((count, k) => {
    const row = k - (k % classes)
    return count / counts.subarray(row, row + classes).reduce((sum, x) => sum + x, 0)
  })
}

/**
 * Forward correction (Patrini et al. 2017, eq. 8): softmax regression whose probabilities, multiplied by the transition, are
 * those of the given labels; the checked rows have their true ones. SGD with momentum 0.9 from θ = 0, the last half of the
 * steps averaged. Returns θ, (columns + 1) × classes, and the posterior of the true class of each row, rows × classes.
 */
export function forwardCorrection(data: ForwardData, training: ForwardTraining) {
  const { matrix, classes, given, known, truth } = data
  const { data: x, rows: n, columns, scale = 1 } = matrix
  const { steps, rate, batchSize, regularization, seed } = training
  const noise = transition(data)
  const trueOf = new Map(Array.from(known, (row, j) => [row, truth[j]]))
  const size = (columns + 1) * classes
  const [theta, velocity, average] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)]
  const p = new Float64Array(classes)
  const predict = (model: Float64Array, row: number) => {
    p.set(model.subarray(columns * classes))
    for (let j = 0; j < columns; j++) {
      const value = x[row * columns + j] * scale
      if (value !== 0) for (let c = 0; c < classes; c++) p[c] += value * model[j * classes + c]
    }
    const most = Math.max(...p)
    let total = 0
    for (let c = 0; c < classes; c++) total += p[c] = Math.exp(p[c] - most)
    for (let c = 0; c < classes; c++) p[c] /= total
  }
  /** P(true c | features, given label), or the class itself where it is known. */
  const posterior = (row: number): number[] => {
    const known = trueOf.get(row)
    const joint = Array.from(p, (p, c) =>
      known === undefined ? p * noise[c * classes + given[row]] : c === known ? 1 : 0,
    )
    const total = joint.reduce((sum, x) => sum + x, 0)
    return joint.map((x) => x / total)
  }
  const random = new Random(seed)
  for (let step = 0; step < steps; step++) {
    const gradient = theta.map((t) => 2 * regularization * t)
    for (const row of random.whole(batchSize, n)) {
      predict(theta, row)
      const target = posterior(row)
      const error = Array.from(p, (p, c) => (p - target[c]) / batchSize)
      for (let j = 0; j < columns; j++) {
        const value = x[row * columns + j] * scale
        if (value !== 0) for (let c = 0; c < classes; c++) gradient[j * classes + c] += value * error[c]
      }
      for (let c = 0; c < classes; c++) gradient[columns * classes + c] += error[c]
    }
    const half = Math.floor(steps / 2)
    for (let k = 0; k < size; k++) {
      velocity[k] = 0.9 * velocity[k] + gradient[k]
      theta[k] -= rate * velocity[k]
      if (step >= half) average[k] += theta[k] / (steps - half)
    }
  }
  const posteriors = new Float64Array(n * classes)
  for (let row = 0; row < n; row++) {
    predict(average, row)
    posteriors.set(posterior(row), row * classes)
  }
  return { theta: average, posteriors }
}
