import type { Backend } from '../../ts/backend/backend.ts'
import type { DType } from '../../ts/backend/binding.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { multilayerPerceptron, softmaxRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { type ReweightingOptions, reweighting } from '../../ts/problems/reweighting.ts'
import type { Fixture } from './fixtures.ts'
import { Random } from './random.ts'

export interface RandomProblem extends Partial<Omit<ReweightingOptions, 'backend' | 'model'>> {
  readonly samples?: number
  readonly columns?: number
  readonly classes?: number
  readonly bias?: boolean
  /** Units of each hidden layer of a network with tanh; a softmax regression where absent. */
  readonly hidden?: readonly number[]
  readonly seed?: number
}

/** Reweighting of random samples. */
export function randomReweighting(backend: Backend, options: RandomProblem = {}): Problem {
  const { samples = 40, columns = 5, classes = 3, bias = true, hidden, seed = 1, ...rest } = options
  const random = new Random(seed)
  const set = (count: number) => ({
    features: matrix(random.normals(count * columns), count, columns),
    labels: random.labels(count, classes),
  })
  return reweighting({
    backend,
    model: hidden
      ? multilayerPerceptron({ classes, hidden, activation: 'tanh' })
      : softmaxRegression({ classes, bias }),
    train: set(samples),
    trusted: set(Math.max(2, samples >> 1)),
    regularization: 0.02,
    dtype: 'f64',
    ...rest,
  })
}

/** The quadratic problem of the fixture. */
export function fixtureQuadratic(
  backend: Backend,
  { arrays, scalars }: Fixture,
  dtype: DType = 'f64',
): Problem {
  const { H, C, c0, Q, t } = arrays
  return quadratic({ backend, h: H, c: C, c0, q: Q, t, mu: scalars.mu, dtype })
}
