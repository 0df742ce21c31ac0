import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { Batch, Point } from '../../ts/backend/binding.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { close } from '../support/close.ts'
import { type RandomProblem, randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('gradients')
const h = 1e-5

/** Problems of every kind, by what is special about them. */
const kinds: Record<string, RandomProblem> = {
  'per-sample weights': {},
  'per-sample weights, no bias': { bias: false },
  'no regularisation': { regularization: 0 },
  'margin weights': { weighting: 'margin' },
  'margin weights with a transition': {
    weighting: 'margin',
    transition: [0.8, 0.15, 0.05, 0.1, 0.7, 0.2, 0.02, 0.28, 0.7],
  },
  anchors: { weighting: 'margin', anchors: 7 },
  'per-sample weights with anchors': { anchors: 39 },
  'a prior': { weighting: 'margin', prior: { mean: [1, 2, 3, 1], precision: [0.1, 0.2, 0, 3] } },
  'fixed weights': { weighting: { fixed: Float64Array.from({ length: 40 }, (_, i) => (i % 4) / 2) } },
  '1 column': { columns: 1 },
  '2 columns, 2 classes': { columns: 2, classes: 2 },
  '3 columns': { columns: 3 },
  '17 columns, 17 classes': { columns: 17, classes: 17 },
  '64 columns, 64 samples': { columns: 64, samples: 64 },
  '65 columns, 65 samples': { columns: 65, samples: 65 },
  '1 sample': { samples: 1, classes: 2 },
  '2 samples': { samples: 2, classes: 2 },
  '3 samples': { samples: 3 },
  'a network': { hidden: [6] },
  'a network of two hidden layers, margin weights with a transition': {
    hidden: [5, 4],
    weighting: 'margin',
    transition: [0.8, 0.15, 0.05, 0.1, 0.7, 0.2, 0.02, 0.28, 0.7],
  },
}

/** A problem at a random point, with margins that are not zero. */
function situation(backend: Backend, options: RandomProblem) {
  const problem = randomReweighting(backend, options)
  const { oracles } = problem
  const random = new Random(9)
  const inner = random.normals(oracles.innerLength, 0.5)
  const outer = random.normals(oracles.outerLength)
  const { signals } = problem.start(0, { inner: random.normals(oracles.innerLength, 0.3), outer })
  const at = (theta: ArrayLike<number>, v: ArrayLike<number>) =>
    new backend.Point(problem.vector(theta), problem.vector(v), signals)
  const batch = backend.Batch.all(oracles.samples)
  return { problem, inner, outer, batch, random, at }
}

function moved(x: Float64Array, by: number, along: Float64Array): Float64Array {
  return x.map((value, i) => value + by * along[i])
}

/** (f(x + h u) − f(x − h u)) / 2h. */
function difference(f: (by: number) => number): number {
  return (f(h) - f(-h)) / (2 * h)
}

function dot(x: ArrayLike<number>, y: ArrayLike<number>): number {
  return Array.from(x).reduce((sum, value, i) => sum + value * y[i], 0)
}

/** ∇_θ g over a batch. */
function gradientAt(problem: Problem, point: Point, batch: Batch): Float64Array {
  const gradient = problem.zeros(point.inner.length)
  problem.oracles.innerGradient(point, batch, gradient)
  return gradient.readF64()
}

for (const [name, options] of Object.entries(kinds)) {
  test(`${name}: ∇_θ g, over all samples and a batch`, ({ backend }) => {
    const { problem, inner, outer, batch, random, at } = situation(backend, options)
    const u = random.normals(inner.length)
    const slope = difference((by) => problem.oracles.innerLoss(at(moved(inner, by, u), outer)))
    close([dot(gradientAt(problem, at(inner, outer), batch), u)], [slope], 1e-7)
    // A step takes the same gradient; the loss that it returns is that of its batch.
    const some = backend.Batch.of(Uint32Array.from({ length: (batch.length + 1) >> 1 }, (_, i) => 2 * i))
    const step = new backend.Step(inner.length, 'f64')
    const loss = (by: number) => problem.oracles.innerStep(at(moved(inner, by, u), outer), some, step)
    const batchSlope = difference(loss)
    loss(0)
    close([dot(step.gradient.readF64(), u)], [batchSlope], 1e-7)
    assert.is(step.batch.length, some.length)
  })

  test(`${name}: ∇_v f and ∇_θ f`, ({ backend }) => {
    const { problem, inner, outer, random, at } = situation(backend, options)
    const [direct, target] = [problem.zeros(outer.length), problem.zeros(inner.length)]
    const { oracles } = problem
    const loss = oracles.outerGradient(at(inner, outer), direct, target)
    close([loss], [oracles.outerLoss(at(inner, outer))], 1e-13)
    const [along, across] = [random.normals(inner.length), random.normals(outer.length)]
    const f = (theta: Float64Array, v: Float64Array) => oracles.outerLoss(at(theta, v))
    close([dot(target.readF64(), along)], [difference((by) => f(moved(inner, by, along), outer))], 1e-7)
    close([dot(direct.readF64(), across)], [difference((by) => f(inner, moved(outer, by, across)))], 1e-7)
  })

  test(`${name}: ∇_v f and ∇_θ f on batches of the outer samples`, ({ backend }) => {
    const { problem, inner, outer, random, at } = situation(backend, options)
    const { oracles } = problem
    const count = oracles.outerSamples
    const positions = Uint32Array.from({ length: count }, (_, i) => i)
    const halves = [positions.filter((i) => i % 3 === 0), positions.filter((i) => i % 3 !== 0)]
    const [along, across] = [random.normals(inner.length), random.normals(outer.length)]
    const [direct, target] = [problem.zeros(outer.length), problem.zeros(inner.length)]
    const f = (theta: Float64Array, v: Float64Array, batch?: Batch) =>
      oracles.outerGradient(at(theta, v), direct, target, batch)
    const sums = { loss: 0, direct: problem.zeros(outer.length), target: problem.zeros(inner.length) }
    for (const half of halves) {
      const batch = backend.Batch.of(half)
      const slopes = [
        difference((by) => f(moved(inner, by, along), outer, batch)),
        difference((by) => f(inner, moved(outer, by, across), batch)),
      ]
      sums.loss += (half.length / count) * f(inner, outer, batch)
      close([dot(target.readF64(), along), dot(direct.readF64(), across)], slopes, 1e-7)
      sums.direct.axpy(half.length / count, direct)
      sums.target.axpy(half.length / count, target)
      assert.is(batch.length, half.length, 'the batch can be used again')
    }
    const loss = f(inner, outer)
    close([sums.loss], [loss], 1e-13)
    close(sums.direct.readF64(), direct.readF64(), 1e-13, '∇_v f')
    close(sums.target.readF64(), target.readF64(), 1e-13, '∇_θ f')
  })

  test(`${name}: Hu and Lᵀu`, ({ backend }) => {
    const { problem, inner, outer, batch, random, at } = situation(backend, options)
    const { oracles } = problem
    const u = random.normals(inner.length)
    const direction = problem.vector(u)
    const product = problem.zeros(inner.length)
    oracles.curvatureProduct(at(inner, outer), batch, direction, product)
    // The Gauss–Newton product of networks is held against a fixture, in crates/problems.
    const hessian = oracles.curvature === 'hessian'
    assert.is(hessian, !options.hidden)
    const [after, before] = [h, -h].map((by) => gradientAt(problem, at(moved(inner, by, u), outer), batch))
    const change = after.map((x, i) => (x - before[i]) / (2 * h))
    if (hessian) close(product.readF64(), change, 1e-6, 'Hu')
    oracles.hessianProduct(at(inner, outer), batch, direction, product)
    close(product.readF64(), change, 1e-6, 'Hu with the true Hessian')
    const cross = problem.zeros(outer.length)
    oracles.crossProduct(at(inner, outer), batch, direction, 1, cross)
    const expected = outer.map((_, j) => {
      const unit = outer.map((_, i) => (i === j ? 1 : 0))
      return difference((by) => dot(gradientAt(problem, at(inner, moved(outer, by, unit)), batch), u))
    })
    close(cross.readF64(), expected, 1e-6, 'Lᵀu')
  })

  test(`${name}: f32 within 1e-4 of f64`, ({ backend }) => {
    const both = (['f32', 'f64'] as const).map((dtype) => {
      const { problem, inner, outer, batch, random, at } = situation(backend, { ...options, dtype })
      const { oracles } = problem
      const u = problem.vector(random.normals(inner.length))
      const [gradient, target, product] = [inner, inner, inner].map((x) => problem.zeros(x.length))
      const [direct, cross] = [problem.zeros(outer.length), problem.zeros(outer.length)]
      const losses = [
        oracles.innerGradient(at(inner, outer), batch, gradient),
        oracles.outerGradient(at(inner, outer), direct, target),
      ]
      oracles.curvatureProduct(at(inner, outer), batch, u, product)
      oracles.crossProduct(at(inner, outer), batch, u, 1, cross)
      const vectors = { gradient, target, product, direct, cross }
      return { losses, ...Object.fromEntries(Object.entries(vectors).map(([key, x]) => [key, x.readF64()])) }
    })
    for (const [key, expected] of Object.entries(both[1])) {
      close((both[0] as Record<string, ArrayLike<number>>)[key], expected, 1e-4, key)
    }
  })
}

test('parts of the sum over samples add up to the whole', ({ backend }) => {
  const { problem, inner, outer, batch, random, at } = situation(backend, { samples: 65, columns: 17 })
  const { oracles } = problem
  const u = problem.vector(random.normals(inner.length))
  const parts = [
    Uint32Array.from({ length: 17 }, (_, i) => i),
    Uint32Array.from({ length: 48 }, (_, i) => i + 17),
  ]
  const [whole, sum, product] = [
    problem.zeros(inner.length),
    problem.zeros(inner.length),
    problem.zeros(inner.length),
  ]
  const [crossWhole, crossSum] = [problem.zeros(outer.length), problem.zeros(outer.length)]
  oracles.curvatureProduct(at(inner, outer), batch, u, whole)
  oracles.crossProduct(at(inner, outer), batch, u, 1, crossWhole)
  for (const part of parts) {
    const share = part.length / 65
    oracles.curvatureProduct(at(inner, outer), backend.Batch.of(part), u, product)
    sum.axpy(share, product)
    oracles.crossProduct(at(inner, outer), backend.Batch.of(part), u, share, crossSum)
  }
  close(sum.readF64(), whole.readF64(), 1e-13)
  close(crossSum.readF64(), crossWhole.readF64(), 1e-13)
})

test('byte features count as their value times the scale', ({ backend }) => {
  const random = new Random(11)
  const bytes = Uint8Array.from({ length: 20 * 6 }, () => random.below(256))
  const labels = random.labels(20, 3)
  const gradients = [bytes, Float64Array.from(bytes, (x) => x / 255)].map((data) => {
    const scale = data === bytes ? 1 / 255 : 1
    const set = { features: { data, rows: 20, columns: 6, scale }, labels }
    const problem = randomReweighting(backend, { train: set, trusted: set })
    const theta = new Random(12).normals(problem.oracles.innerLength)
    return gradientAt(problem, problem.start(0, { inner: theta }), backend.Batch.all(20))
  })
  close(gradients[0], gradients[1], 1e-13)
})

test.run()
