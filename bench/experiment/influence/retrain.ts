import { type Backend, read } from '../../../ts/backend/backend.ts'
import { Fisher } from '../../../ts/backend/fisher.ts'
import { influence } from '../../../ts/defaults.ts'
import { conjugateGradients } from '../../../ts/hypergradient/conjugateGradients.ts'
import { bilevel } from '../../../ts/problems/bilevel.ts'
import { fixedWeights } from '../../../ts/problems/blocks.ts'
import { type Model, predictor } from '../../../ts/problems/model.ts'
import { subset } from '../../../ts/problems/samples.ts'
import { observeAll } from '../../../ts/tasks/influence/inverse.ts'
import { minimize } from '../../../ts/tasks/influence/train.ts'
import { Trainer } from '../../../ts/tasks/trainer.ts'
import type { Draw } from './draw.ts'

type Numbers = Float32Array | Float64Array

/** How one kind of model is trained, on all rows or on some. */
export interface Learner {
  readonly model: Model
  readonly regularization: number
  train(positions?: Uint32Array): Promise<Numbers>
}

const silent = { tell() {}, signal: undefined }

/** A convex model, to the minimum. */
export function convex(
  backend: Backend,
  { train, test }: Draw,
  model: Model,
  regularization: number,
): Learner {
  let all: Numbers | undefined
  return {
    model,
    regularization,
    async train(positions) {
      const set = positions ? subset(train, positions) : train
      const base = { backend, model, regularization, hyperparameters: {}, validation: test }
      const problem = bilevel({ ...base, train: set })
      const point = problem.start(0, all && { inner: all })
      await minimize(
        problem.paced(async () => {}),
        point,
        0,
        silent,
      )
      const theta = read(point.inner)
      if (!positions) all = theta
      problem.dispose()
      return theta
    },
  }
}

/** A learner whose trainings may stop early, and may have another start and order of samples. */
export interface NetworkLearner extends Learner {
  run(steps: number, seed: number, positions?: Uint32Array): Promise<Numbers>
}

/** A network by SGD, from the start and in the order of a seed. */
export function network(
  backend: Backend,
  { train, test }: Draw,
  model: Extract<Model, { classes: number }>,
  regularization: number,
  seed: number,
  steps: number,
): NetworkLearner {
  const trainer = new Trainer(backend, model.classes, train, regularization, model)
  const { oracles } = bilevel({ backend, model, train, validation: test, hyperparameters: {} })
  const everyone = Uint32Array.from(train.labels.keys())
  let rate: Promise<number> | undefined
  const run = async (steps: number, seed: number, positions?: Uint32Array) => {
    rate ??= trainer.rate(everyone, 0)
    const { batchSize, averaging } = influence.network
    const training = { steps, batchSize, averaging, rate: await rate, seed }
    return trainer.train(training, { positions, start: read(oracles.initial(seed)) })
  }
  return { model, regularization, run, train: (positions) => run(steps, seed, positions) }
}

/** The loss of each test sample. */
export function losses(
  backend: Backend,
  model: Model,
  { test }: Draw,
  theta: ArrayLike<number>,
): Float64Array {
  const inner = new backend.Vector(theta.length, 'f64')
  inner.writeF64(Float64Array.from(theta))
  const p = read(
    predictor(backend, model).probabilities(inner, test.features, backend.Batch.of(test.rows as Uint32Array)),
  )
  const classes = p.length / test.labels.length
  return Float64Array.from(test.labels, (y, j) => -Math.log(Math.max(p[j * classes + y], 1e-300)))
}

/**
 * What the test losses of a convex model change by when each of `rows` is left out: three Newton steps of double precision
 * from θ, which leave a share of about 10⁻⁶. rows × tests.
 */
export async function leaveOneOut(
  backend: Backend,
  draw: Draw,
  { model, regularization }: Learner,
  theta: ArrayLike<number>,
  rows: ArrayLike<number>,
): Promise<Float64Array> {
  const n = draw.train.labels.length
  const without = (row: number) => {
    const weights = fixedWeights(Float64Array.from({ length: n }, (_, i) => (i === row ? 0 : 1)))
    const base = { backend, model, regularization, train: draw.train, validation: draw.test }
    return bilevel({ ...base, hyperparameters: { weights }, dtype: 'f64' })
  }
  const all = without(-1)
  const start = all.start(0, { inner: theta })
  const fisher = new Fisher(backend, all.oracles, start, { ...influence.newton.fisher, damping: 0 })
  await observeAll(
    all.paced(async () => {}),
    start,
    fisher,
    0,
  )
  const batch = backend.Batch.all(n)
  const [target, u] = [all.zeros(theta.length), all.zeros(theta.length)]
  const newton = async (problem: typeof all, steps: number) => {
    const point = problem.start(0, { inner: read(start.inner) })
    for (let step = 0; step < steps; step++) {
      problem.oracles.innerGradient(point, batch, target)
      u.fill(0)
      const system = {
        problem: problem.paced(async () => {}),
        point,
        batch,
        target,
        damping: 0,
        tolerance: 0.01,
      }
      await conjugateGradients(system, (b, x) => fisher.solve(b, x), u, 100)
      point.inner.axpy(-1, u)
    }
    return read(point.inner)
  }
  start.inner.writeF64(Float64Array.from(await newton(all, 5)))
  const before = losses(backend, model, draw, read(start.inner))
  const changes = new Float64Array(rows.length * before.length)
  for (let k = 0; k < rows.length; k++) {
    const after = losses(backend, model, draw, await newton(without(rows[k]), 3))
    changes.set(
      after.map((loss, j) => loss - before[j]),
      k * before.length,
    )
  }
  return changes
}
