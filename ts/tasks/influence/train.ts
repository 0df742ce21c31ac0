import type { Backend } from '../../backend/backend.ts'
import type { Features, Point } from '../../backend/binding.ts'
import { Fisher } from '../../backend/fisher.ts'
import * as defaults from '../../defaults.ts'
import { conjugateGradients } from '../../hypergradient/conjugateGradients.ts'
import type { Model } from '../../problems/model.ts'
import type { AnyProblem } from '../../problems/problem.ts'
import { countOf, type SampleSet } from '../../problems/samples.ts'
import { Trainer } from '../trainer.ts'
import type { Control } from './control.ts'
import { observeAll } from './inverse.ts'

const { newton, network } = defaults.influence

/**
 * Moves θ to the minimum of a convex g by Newton steps: conjugate gradients with the Kronecker factors of some samples, and
 * a line search that keeps g from rising.
 */
export async function minimize(
  problem: AnyProblem,
  point: Point,
  seed: number,
  control: Pick<Control, 'tell'>,
): Promise<void> {
  const { backend, oracles } = problem
  const all = backend.Batch.all(oracles.samples)
  const [gradient, u, before] = [0, 1, 2].map(() => problem.zeros(oracles.innerLength))
  const regularizer = await oracles.regularizer(point)
  const { innerLength, layers, bytes, dtype } = oracles
  const shape = { innerLength, layers, bytes, dtype, regularizer: () => regularizer }
  let value = await oracles.innerGradient(point, all, gradient)
  const enough = newton.tolerance[dtype] * gradient.norm()
  const rounding = dtype === 'f32' ? 2 ** -20 : 2 ** -49
  for (let step = 0; step < newton.steps && gradient.norm() > enough; step++) {
    control.tell('train', step, newton.steps)
    const fisher = new Fisher(backend, shape, point, { ...newton.fisher, concurrent: false })
    await observeAll(problem, point, fisher, seed, undefined, newton.samples)
    const system = { problem, point, batch: all, target: gradient, damping: 0, tolerance: newton.residual }
    u.fill(0)
    await conjugateGradients(system, (b, x) => fisher.solve(b, x), u, newton.products)
    fisher.dispose()
    before.copyFrom(point.inner)
    let next = Number.POSITIVE_INFINITY
    for (let rate = 1; rate > 1e-3 && !(next <= value + rounding * Math.abs(value)); rate /= 2) {
      point.inner.copyFrom(before)
      point.inner.axpy(-rate, u)
      next = await oracles.innerLoss(point)
    }
    if (!(next <= value + rounding * Math.abs(value))) {
      point.inner.copyFrom(before)
      return
    }
    value = await oracles.innerGradient(point, all, gradient)
  }
}

/** θ of a network by SGD with momentum, from a start. */
export async function trainNetwork(
  backend: Backend,
  model: Extract<Model, { classes: number }>,
  set: SampleSet & { readonly features: Features },
  regularization: number,
  start: ArrayLike<number>,
  seed: number,
  control: Pick<Control, 'signal' | 'tell'>,
): Promise<Float32Array | Float64Array> {
  control.tell('train', 0, network.steps)
  const trainer = new Trainer(backend, model.classes, set, regularization, model)
  const all = Uint32Array.from({ length: countOf(set) }, (_, i) => i)
  const rate = await trainer.rate(all, seed)
  const theta = await trainer.train({ ...network, rate, seed, signal: control.signal }, { start })
  control.signal?.throwIfAborted()
  return theta
}
