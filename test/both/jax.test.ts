import { readdirSync } from 'node:fs'
import { defaultDevice, init, type Array as JaxArray, nn, numpy as np } from '@jax-js/jax'
import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { jaxProblem } from '../../ts/jax/index.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { penalty } from '../../ts/problems/blocks.ts'
import { checkDerivatives } from '../../ts/problems/custom/checkDerivatives.ts'
import { multilayerPerceptron, softmaxRegression } from '../../ts/problems/model.ts'
import type { AnyProblem } from '../../ts/problems/problem.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { solve } from '../../ts/run/solve.ts'
import { close } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('jax')

test.before(async () => {
  await init('wasm')
  defaultDevice('wasm')
})

const random = new Random(7)
const floats = (length: number, scale = 1) => Float32Array.from(random.normals(length, scale))

const [d, p] = [3, 2]
const h = [2, 0.5, 0, 0.5, 1, 0.25, 0, 0.25, 1.5]
const c = [1, 0, -0.5, 2, 0, 1]
const [c0, q, t, mu] = [[0.5, -1, 0.25], [1, 0, 0, 0, 2, 0, 0, 0, 1], [1, 0.5, -1], 0.1]

/** g = ½ θᵀHθ − θᵀ(Cv + c₀), f = ½ (θ − t)ᵀQ(θ − t) + ½ μ‖v‖². */
function quadraticInJax(backend: Backend): Promise<AnyProblem> {
  const [H, C, Q] = [
    np.array(Float32Array.from(h)).reshape([d, d]),
    np.array(Float32Array.from(c)).reshape([d, p]),
    np.array(Float32Array.from(q)).reshape([d, d]),
  ]
  const [offset, target] = [np.array(Float32Array.from(c0)), np.array(Float32Array.from(t))]
  return jaxProblem<JaxArray, JaxArray>({
    backend,
    inner: {
      start: new Array(d).fill(0),
      loss(v, theta, batch) {
        batch.dispose()
        const pull = np.dot(C.ref, v).add(offset.ref)
        return np.dot(theta.ref, np.dot(H.ref, theta.ref)).mul(0.5).sub(np.dot(theta, pull))
      },
    },
    outer: {
      start: np.zeros([p]),
      loss(v, theta, batch) {
        batch.dispose()
        const off = theta.sub(target.ref)
        return np.dot(off.ref, np.dot(Q.ref, off)).add(np.dot(v.ref, v).mul(mu)).mul(0.5)
      },
    },
  })
}

test('the quadratic', async ({ backend }) => {
  const own = await quadraticInJax(backend)
  const known = quadratic({ backend, h, c, c0, q, t, mu, dtype: 'f32' })
  const at = { inner: [0.4, -0.2, 0.7], outer: [1.5, -0.5] }
  for (const method of [exact(), conjugateGradients()]) {
    const expected = await hypergradient(known, { ...at, method })
    const found = await hypergradient(own, { ...at, method })
    close(found.hypergradient, expected.hypergradient, 1e-5)
  }
  const { verdict, wrong } = await checkDerivatives(own, { at })
  assert.equal(wrong, [], verdict)
  const { differences, outerLoss } = await solve(own, { method: exact(), outerSteps: 3 }).result
  assert.equal(differences, {}, 'all derivatives are those of jax-js')
  assert.ok(Number.isFinite(outerLoss))
})

const [n, m, columns, classes] = [40, 20, 5, 3]
const lambda = 0.01
const drawn = (rows: number) => ({ x: floats(rows * columns), y: random.labels(rows, classes) })
const [train, valid] = [drawn(n), drawn(m)]
const arrays = ({ x, y }: typeof train) => ({
  x: np.array(x).reshape([y.length, columns]),
  y: nn.oneHot(np.array(Int32Array.from(y)), classes),
})
const entropy = (scores: JaxArray, hits: JaxArray) => nn.logSoftmax(scores, 1).mul(hits).sum(1).neg()

type Layer = { weights: JaxArray; bias: JaxArray }

/** Σ σ(v_i) ℓ_i / |batch| + λ‖θ‖² with θ as a tree, and the mean of ℓ. */
function reweightingInJax(backend: Backend): Promise<AnyProblem> {
  const [mine, others] = [arrays(train), arrays(valid)]
  const scores = (x: JaxArray, { weights, bias }: Layer) => np.dot(x, weights).add(bias)
  return jaxProblem<Layer, JaxArray>({
    backend,
    inner: {
      start: { weights: np.zeros([columns, classes]), bias: np.zeros([classes]) },
      samples: n,
      loss(v, { weights, bias }, batch) {
        const x = mine.x.ref.slice(batch.ref)
        const y = mine.y.ref.slice(batch.ref)
        const size = np.square(weights.ref).sum().add(np.square(bias.ref).sum())
        const losses = entropy(scores(x, { weights, bias }), y)
        return nn.sigmoid(v).slice(batch).mul(losses).mean().add(size.mul(lambda))
      },
      regularizer: 2 * lambda,
    },
    outer: {
      start: new Float32Array(n),
      loss(v, theta, batch) {
        v.dispose()
        batch.dispose()
        return entropy(scores(others.x.ref, theta), others.y.ref).mean()
      },
    },
  })
}

const start = (length: number) => ({ inner: floats(length, 0.3), outer: floats(n) })

test('softmax reweighting has the hypergradient of the built-in problem', async ({ backend }) => {
  const own = await reweightingInJax(backend)
  const built = reweighting({
    backend,
    model: softmaxRegression({ classes }),
    train: { features: matrix(train.x, n, columns), labels: train.y },
    trusted: { features: matrix(valid.x, m, columns), labels: valid.y },
    regularization: lambda,
  })
  const at = start((columns + 1) * classes)
  for (const method of [exact(), conjugateGradients({ steps: 40 })]) {
    const expected = await hypergradient(built, { ...at, method })
    const found = await hypergradient(own, { ...at, method })
    close(found.hypergradient, expected.hypergradient, 1e-4)
  }
  const method = conjugateGradients({ innerSteps: 30, batchSize: 16, steps: 20 })
  const [expected, found] = [
    await solve(built, { method, outerSteps: 3, ...at }).result,
    await solve(own, { method, outerSteps: 3, ...at }).result,
  ]
  close(found.outer, expected.outer, 1e-3)
  assert.equal(found.differences, {})
})

test('a small network', async ({ backend }) => {
  const hidden = 4
  const built = bilevel({
    backend,
    model: multilayerPerceptron({ classes, hidden: [hidden], activation: 'tanh' }),
    train: { features: matrix(train.x, n, columns), labels: train.y },
    validation: { features: matrix(valid.x, m, columns), labels: valid.y },
    hyperparameters: { strength: penalty({ per: 'all', bias: true }) },
  })
  const [mine, others] = [arrays(train), arrays(valid)]
  const network = (x: JaxArray, [first, second]: Layer[]) =>
    np.dot(np.tanh(np.dot(x, first.weights).add(first.bias)), second.weights).add(second.bias)
  const own = await jaxProblem<Layer[], JaxArray>({
    backend,
    inner: {
      start: [
        { weights: np.zeros([columns, hidden]), bias: np.zeros([hidden]) },
        { weights: np.zeros([hidden, classes]), bias: np.zeros([classes]) },
      ],
      samples: n,
      loss(v, theta, batch) {
        const squares = theta.flatMap(({ weights, bias }) =>
          [weights.ref, bias.ref].map((x) => np.square(x).sum()),
        )
        const size = squares.reduce((sum, square) => sum.add(square))
        const [x, y] = [mine.x.ref.slice(batch.ref), mine.y.ref.slice(batch)]
        return entropy(network(x, theta), y).mean().add(np.exp(v).sum().mul(size).mul(0.5))
      },
    },
    outer: {
      start: [0],
      loss(v, theta, batch) {
        v.dispose()
        batch.dispose()
        return entropy(network(others.x.ref, theta), others.y.ref).mean()
      },
    },
  })
  const length = built.oracles.innerLength
  assert.is(own.oracles.innerLength, length)
  const [theta, outer, u] = [floats(length, 0.5), Float32Array.of(-1), floats(length)]
  const all = backend.Batch.all(n)
  const some = backend.Batch.of(Uint32Array.of(3, 0, 7))
  for (const batch of [all, some]) {
    const of = async (problem: AnyProblem) => {
      const point = problem.point(problem.vector(theta), problem.vector(outer))
      const [gradient, target, hessian] = [
        problem.zeros(length),
        problem.zeros(length),
        problem.zeros(length),
      ]
      const [direct, cross] = [problem.zeros(1), problem.zeros(1)]
      const loss = await problem.oracles.innerGradient(point, batch, gradient)
      const f = await problem.oracles.outerGradient(point, direct, target)
      await problem.oracles.hessianProduct(point, batch, problem.vector(u), hessian)
      await problem.oracles.crossProduct(point, batch, problem.vector(u), 1, cross)
      return [[loss, f], ...[gradient, target, hessian, cross, direct].map((x) => Array.from(x.readF32()))]
    }
    const [expected, found] = [await of(built), await of(own)]
    for (const [i, values] of expected.entries()) close(found[i], values, 1e-4, `${i}`)
  }
  const run = await solve(own, { method: nhgd({ innerSteps: 5, batchSize: 8 }), outerSteps: 4 }).result
  assert.equal(run.differences, {})
})

/** References to memory that jax-js holds: each of its allocations, and each further one. */
async function references(): Promise<() => number> {
  const folder = new URL('../../node_modules/@jax-js/jax/dist/', import.meta.url)
  const chunk = readdirSync(folder).find((name) => /^backend-.*\.js$/.test(name))
  const module: Record<string, unknown> = await import(new URL(`${chunk}`, folder).href)
  const getBackend = Object.values(module).find(
    (value) => typeof value === 'function' && value.name === 'getBackend',
  ) as (device: string) => Record<'malloc' | 'incRef' | 'decRef', (...args: unknown[]) => unknown>
  const memory = getBackend('wasm')
  let count = 0
  for (const [name, change] of [
    ['malloc', 1],
    ['incRef', 1],
    ['decRef', -1],
  ] as const) {
    const original = memory[name].bind(memory)
    memory[name] = (...args) => {
      count += change
      return original(...args)
    }
  }
  return () => count
}

test('no array is left after 1000 steps', async ({ backend }) => {
  const count = await references()
  const problem = await reweightingInJax(backend)
  const method = nhgd({ innerSteps: 250, batchSize: 8, refine: 3 })
  const run = (outerSteps: number) => solve(problem, { method, outerSteps, seed: 1 }).result
  await run(1)
  const before = count()
  assert.ok(before > 0)
  await run(4)
  assert.is(count(), before)
})

test('what jax-js can not compile runs as it is', async ({ backend }) => {
  // The gradient of a gather alone is a scatter of constants, which jax-js 0.1 does not compile.
  const problem = await jaxProblem<JaxArray, JaxArray>({
    backend,
    inner: {
      start: [0, 0],
      loss(v, theta, batch) {
        batch.dispose()
        return np.square(theta.sub(v)).sum()
      },
    },
    outer: {
      start: [1, 2],
      loss(v, theta, batch) {
        batch.dispose()
        v.dispose()
        return theta.slice(np.array(Int32Array.of(1, 1))).sum()
      },
    },
  })
  const { hypergradient: found } = await hypergradient(problem, {
    inner: [0, 0],
    outer: [0, 0],
    method: exact(),
  })
  close(found, [0, 2], 1e-6)
})

test('bad functions and starts', async ({ backend }) => {
  const good = (v: JaxArray, theta: JaxArray, batch: JaxArray) => {
    batch.dispose()
    return np.square(theta.sub(v)).sum()
  }
  const make = (inner: object = {}, outer: object = {}) =>
    jaxProblem({
      backend,
      inner: { start: [1, 2], loss: good, ...inner } as never,
      outer: { start: [0, 0], loss: good, ...outer } as never,
    })
  await make()
  const vector = (v: JaxArray, theta: JaxArray, batch: JaxArray) => {
    batch.dispose()
    return theta.sub(v)
  }
  await refuses('ERR_CALLBACK', 'inner.loss', () => make({ loss: vector }))
  await refuses('ERR_CALLBACK', 'outer.loss', () => make({}, { loss: vector }))
  await refuses('ERR_CALLBACK', 'outer.loss', () => make({}, { loss: () => 1 }))
  const throwing = () => {
    throw new TypeError('no')
  }
  await refuses('ERR_CALLBACK', 'inner.loss', () => make({ loss: throwing }))
  const freed = (_v: JaxArray, theta: JaxArray) => theta.mul(theta).sum()
  await refuses('ERR_CALLBACK', 'inner.loss', () => make({ loss: freed }))
  await refuses('ERR_SHAPE', 'inner.start', () => make({ start: [] }))
  await refuses('ERR_DTYPE', 'inner.start', () => make({ start: np.zeros([2], { dtype: np.int32 }) }))
  await refuses('ERR_DTYPE', 'outer.start', () => make({}, { start: 'x' }))
  await refuses('ERR_RANGE', 'outer.start', () => make({}, { start: [1, '2'] }))
  await refuses('ERR_RANGE', 'samples', () => make({ samples: 0 }))
  await refuses('ERR_RANGE', 'inner', () => make({ size: 2 }))
  await refuses('ERR_RANGE', 'options', () => jaxProblem({ backend, f: good } as never))
})

test.run()
