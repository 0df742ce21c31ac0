import { Matrix, solve } from 'ml-matrix'
import { type Backend, read, taken } from '../../../ts/backend/backend.ts'
import { bilevel } from '../../../ts/problems/bilevel.ts'
import { type Model, predictor } from '../../../ts/problems/model.ts'
import { Random } from '../../harness/random.ts'
import type { Draw, Uploaded } from './draw.ts'
import type { NetworkLearner } from './retrain.ts'

type Numbers = Float32Array | Float64Array

/** ∇ℓ of each sample of a set, one after the other. */
function gradients(backend: Backend, model: Model, set: Uploaded, theta: Numbers): Float32Array {
  const problem = bilevel({ backend, model, train: set, validation: set, hyperparameters: {} })
  const point = problem.start(0, { inner: theta })
  const [direct, target] = [problem.zeros(0), problem.zeros(theta.length)]
  const all = new Float32Array(set.labels.length * theta.length)
  for (let j = 0; j < set.labels.length; j++) {
    problem.oracles.outerGradient(point, direct, target, backend.Batch.of(Uint32Array.of(j)))
    all.set(read(target), j * theta.length)
  }
  return all
}

/** ⟨∇ℓ_i, u_j⟩ of the samples of a set and of directions one after the other, samples × directions. */
function products(
  backend: Backend,
  model: Model,
  set: Uploaded,
  theta: Numbers,
  directions: Float32Array,
): Numbers {
  const problem = bilevel({ backend, model, train: set, validation: set, hyperparameters: {} })
  const all = backend.Batch.all(set.labels.length)
  const point = problem.start(0, { inner: theta })
  return taken(problem.oracles.sensitivities(point, all, problem.vector(directions)))
}

/** TracIn (Pruthi et al. 2020): products of gradients, summed over checkpoints of one training with one rate. */
export function tracIn(
  backend: Backend,
  model: Model,
  { train, test }: Draw,
  checkpoints: readonly Numbers[],
) {
  const sum = new Float64Array(train.labels.length * test.labels.length)
  for (const theta of checkpoints) {
    const own = products(backend, model, train, theta, gradients(backend, model, test, theta))
    for (let at = 0; at < sum.length; at++) sum[at] += own[at]
  }
  return sum
}

/** Probability of each sample's label. */
function confidence(backend: Backend, model: Model, set: Uploaded, theta: Numbers): Float64Array {
  const inner = new backend.Vector(theta.length, 'f64')
  inner.writeF64(Float64Array.from(theta))
  const p = read(
    predictor(backend, model).probabilities(inner, set.features, backend.Batch.of(set.rows as Uint32Array)),
  )
  const classes = p.length / set.labels.length
  return Float64Array.from(set.labels, (y, i) => p[i * classes + y])
}

/**
 * TRAK (Park et al. 2023, equation 17): gradients of the log-odds of the label, which are −∇ℓ/(1 − p), in `projections`
 * random directions, their inverse second moments, and the weights 1 − p; means over models.
 */
export function trak(
  backend: Backend,
  model: Model,
  { train, test }: Draw,
  thetas: readonly Numbers[],
  projections: number,
  seed: number,
) {
  const [n, m, k] = [train.labels.length, test.labels.length, projections]
  const kernels = Matrix.zeros(n, m)
  const weights = new Float64Array(n)
  thetas.forEach((theta, t) => {
    const directions = new Random(seed + t).floats(k * theta.length, Math.sqrt(3 / k))
    const features = (set: Uploaded) => {
      const p = confidence(backend, model, set, theta)
      const projected = products(backend, model, set, theta, directions)
      return Matrix.from1DArray(
        p.length,
        k,
        Array.from(projected, (x, at) => -x / Math.max(1e-6, 1 - p[Math.floor(at / k)])),
      )
    }
    const [phi, psi] = [features(train), features(test)]
    const moments = phi.transpose().mmul(phi)
    const ridge = (1e-6 * moments.trace()) / k
    kernels.add(phi.mmul(solve(Matrix.add(moments, Matrix.eye(k, k, ridge)), psi.transpose())))
    confidence(backend, model, train, theta).forEach((p, i) => {
      weights[i] += 1 - p
    })
  })
  return Float64Array.from({ length: n * m }, (_, at) => {
    const i = Math.floor(at / m)
    return kernels.get(i, at % m) * weights[i]
  })
}

/** What a rival is given. */
export interface Given {
  readonly backend: Backend
  readonly model: Model
  readonly draw: Draw
  readonly learner: NetworkLearner
  readonly theta: Numbers
  readonly steps: number
  readonly seed: number
}

/** θ of so many trainings, the given one first. */
async function models({ learner, theta, steps, seed }: Given, count: number): Promise<Numbers[]> {
  const all = [theta]
  while (all.length < count) all.push(await learner.run(steps, seed + 100 * all.length))
  return all
}

/** Rivals by name; each gives samples × tests. */
export const rival: Readonly<Record<string, (given: Given) => Promise<Float64Array>>> = {
  'products of gradients': async ({ backend, model, draw, theta }) => tracIn(backend, model, draw, [theta]),
  async 'TracIn, 5 checkpoints'({ backend, model, draw, learner, theta, steps, seed }) {
    const checkpoints = [theta]
    for (let k = 1; k < 5; k++) checkpoints.push(await learner.run(Math.ceil((k * steps) / 5), seed))
    return tracIn(backend, model, draw, checkpoints)
  },
  'TRAK, 1 model': async (given) => trakOf(given, 1),
  'TRAK, 5 models': async (given) => trakOf(given, 5),
}

async function trakOf(given: Given, count: number): Promise<Float64Array> {
  const { backend, model, draw, seed } = given
  return trak(
    backend,
    model,
    draw,
    await models(given, count),
    Math.min(512, draw.train.labels.length >> 1),
    seed,
  )
}
