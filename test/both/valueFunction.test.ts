import * as assert from 'uvu/assert'
import type { Point, Vector } from '../../ts/backend/binding.ts'
import { optimizer } from '../../ts/hypergradient/optimizer.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { close } from '../support/close.ts'
import { randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('value function')
const h = 1e-4

/** θ*(v) with the margins held, by full gradients with momentum until they vanish. */
function innermost(problem: Problem, outer: ArrayLike<number>, signals?: Vector): Point {
  const { backend, oracles } = problem
  const start = problem.start(0, { outer })
  const { inner } = start
  const point = signals ? new backend.Point(inner, start.outer, signals) : start
  const batch = backend.Batch.all(oracles.samples)
  const gradient = problem.zeros(inner.length)
  const stepper = optimizer(backend, { kind: 'momentum', rate: 0.5 })
  let size = Number.POSITIVE_INFINITY
  for (let t = 0; t < 5000 && size > 1e-13; t++) {
    oracles.innerGradient(point, batch, gradient)
    stepper.step(inner, gradient)
    size = Math.sqrt(gradient.dot(gradient))
  }
  assert.ok(size <= 1e-13, `‖∇_θ g‖ is ${size}`)
  return point
}

/** ∇Φ by central differences of Φ(v) = f(v, θ*(v)), every inner problem solved anew. */
function byDifferences(problem: Problem, outer: Float64Array, signals?: Vector): Float64Array {
  const phi = (v: Float64Array) => problem.oracles.outerLoss(innermost(problem, v, signals))
  return outer.map((_, j) => {
    const moved = (by: number) => outer.map((x, i) => (i === j ? x + by : x))
    return (phi(moved(h)) - phi(moved(-h))) / (2 * h)
  })
}

const few = { samples: 12, columns: 3, classes: 3 }

test('per-sample weights', async ({ backend }) => {
  const problem = randomReweighting(backend, few)
  const outer = new Random(1).normals(12)
  const inner = innermost(problem, outer).inner.readF64()
  const expected = byDifferences(problem, outer)
  const samples = {
    form: 'samples',
    statistic: 'expected',
    samples: 12,
    damping: 0,
    tolerance: 1e-13,
  } as const
  const all = { innerSteps: 1, batchSize: 12, refineSamples: 12, refineDamping: 0 }
  for (const method of [
    exact(),
    nhgd({ ...all, fisher: samples, refine: 0 }),
    nhgd({ ...all, fisher: { form: 'kronecker', statistic: 'expected' }, refine: 40 }),
  ]) {
    const estimate = await hypergradient(problem, { inner, outer, method })
    close(estimate.hypergradient, expected, 1e-6, method.name)
  }
})

test('margin weights with anchors and a prior, the margins held', async ({ backend }) => {
  const prior = { mean: [1, 0, 1, 1], precision: [0.1, 0.2, 0.1, 0.3] }
  const problem = randomReweighting(backend, { ...few, weighting: 'margin', anchors: 4, prior })
  const { oracles } = problem
  const random = new Random(2)
  const theta = random.normals(oracles.innerLength)
  const outer = random.normals(4)
  const { signals } = problem.start(0, { inner: theta, outer })
  const expected = byDifferences(problem, outer, signals)
  // `hypergradient` would renew the margins: its formula, with the oracles.
  const point = innermost(problem, outer, signals)
  const [direct, target] = [problem.zeros(4), problem.zeros(theta.length)]
  const direction = problem.zeros(theta.length)
  oracles.outerGradient(point, direct, target)
  oracles.exactDirection(point, target, direction, false)
  oracles.crossProduct(point, backend.Batch.all(oracles.samples), direction, -1, direct)
  close(direct.readF64(), expected, 1e-6)
})

test('inner steps that stop early leave a hypergradient that is off', async ({ backend }) => {
  const problem = randomReweighting(backend, few)
  const outer = new Random(1).normals(12)
  const { inner } = problem.start()
  const estimate = await hypergradient(problem, { inner: inner.readF64(), outer, method: exact() })
  const expected = byDifferences(problem, outer)
  const off = Math.max(...expected.map((x, j) => Math.abs(x - estimate.hypergradient[j])))
  assert.ok(off > 0.1 * Math.max(...expected.map(Math.abs)), `off by ${off}`)
})

test.run()
