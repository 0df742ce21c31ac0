import * as assert from 'uvu/assert'
import { type Backend, vector } from '../../ts/backend/backend.ts'
import { NhgdError } from '../../ts/backend/errors.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import {
  auc,
  bilevel,
  cleanLabels,
  exact,
  hypergradient,
  linearRegression,
  marginWeights,
  penalty,
  quadratic,
  reweighting,
  sampleWeights,
  softmaxRegression,
  solve,
} from '../../ts/index.ts'
import * as kernels from '../../ts/kernels.ts'
import { gaussians } from '../support/gaussians.ts'
import { randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('numbers that are not finite')

type Call = (backend: Backend, array: never) => unknown

const random = new Random(1)
const [n, d] = [8, 3]
const data = random.normals(n * d)
const labels = random.labels(n, 2)
const set = { features: matrix(data, n, d), labels }
const weigh = (backend: Backend, options: object) =>
  reweighting({
    backend,
    model: softmaxRegression({ classes: 2 }),
    train: set,
    trusted: set,
    ...options,
  } as Parameters<typeof reweighting>[0]).oracles
const regress = (
  backend: Backend,
  targets: Float64Array,
  hyperparameters: object = { s: penalty({ per: 'feature' }) },
) => {
  const one = { features: matrix(data, n, d), targets }
  const options = { backend, model: linearRegression(), train: one, validation: one, hyperparameters }
  return bilevel(options as Parameters<typeof bilevel>[0]).oracles
}
const quadraticOf = (backend: Backend, options: object) =>
  quadratic({
    backend,
    h: [2, 1, 1, 2],
    c: [1, 0],
    c0: [0, 1],
    q: [1, 0, 0, 1],
    t: [1, 1],
    mu: 1,
    ...options,
  }).oracles
const operand = (x: Float64Array) => x.slice()
const square = Float64Array.of(4, 1, 1, 3)
const two = Float64Array.of(1, 2)
const { truth: _, ...dirty } = gaussians({ samples: 60, trusted: 20, classes: 2 })
const clean = (backend: Backend, options: object) =>
  cleanLabels({ backend, ...dirty, outerSteps: 1, ...options })

/** Array arguments: entries that are taken, and the call that takes them. */
const calls: Record<string, [entries: Float64Array | Float32Array, call: Call]> = {
  'features in f64': [
    data,
    (b, x: Float64Array) => weigh(b, { train: { ...set, features: matrix(x, n, d) } }),
  ],
  'features in f32': [
    Float32Array.from(data),
    (b, x: Float32Array) => weigh(b, { trusted: { ...set, features: matrix(x, n, d) } }),
  ],
  targets: [random.normals(n), (b, x: Float64Array) => regress(b, x)],
  'fixed weights': [
    new Float64Array(n).fill(1),
    (b, x: Float64Array) => weigh(b, { weighting: { fixed: x } }),
  ],
  'the mean of a prior': [
    new Float64Array(n),
    (b, mean: Float64Array) => weigh(b, { prior: { mean, precision: new Float64Array(n) } }),
  ],
  'the precision of a prior': [
    new Float64Array(n).fill(1),
    (b, precision: Float64Array) => weigh(b, { prior: { mean: new Float64Array(n), precision } }),
  ],
  'a transition': [
    Float64Array.of(0.8, 0.2, 0.3, 0.7),
    (b, transition: Float64Array) => weigh(b, { weighting: 'margin', transition }),
  ],
  'the transition of a block': [
    Float64Array.of(0.8, 0.2, 0.3, 0.7),
    (b, transition: Float64Array) =>
      bilevel({
        backend: b,
        model: softmaxRegression({ classes: 2 }),
        train: set,
        validation: set,
        hyperparameters: { w: marginWeights({ transition }) },
      }).oracles,
  ],
  'the prior of a block': [
    new Float64Array(n),
    (b, mean: Float64Array) =>
      bilevel({
        backend: b,
        model: softmaxRegression({ classes: 2 }),
        train: set,
        validation: set,
        hyperparameters: { w: sampleWeights({ prior: { mean, precision: new Float64Array(n) } }) },
      }).oracles,
  ],
  H: [Float64Array.of(2, 1, 1, 2), (b, h: Float64Array) => quadraticOf(b, { h })],
  C: [Float64Array.of(1, 0), (b, c: Float64Array) => quadraticOf(b, { c })],
  'c₀': [Float64Array.of(1, 0), (b, c0: Float64Array) => quadraticOf(b, { c0 })],
  Q: [Float64Array.of(1, 0, 0, 1), (b, q: Float64Array) => quadraticOf(b, { q })],
  t: [Float64Array.of(1, 0), (b, t: Float64Array) => quadraticOf(b, { t })],
  'θ of a run': [
    new Float64Array(18),
    (b, inner: Float64Array) => solve(randomReweighting(b), { method: exact(), inner, outerSteps: 1 }).result,
  ],
  'v of a run': [
    new Float64Array(40),
    (b, outer: Float64Array) => solve(randomReweighting(b), { method: exact(), outer, outerSteps: 1 }).result,
  ],
  'θ of a hypergradient': [
    new Float64Array(18),
    (b, inner: Float64Array) =>
      hypergradient(randomReweighting(b), { inner, outer: new Float64Array(40), method: exact() }),
  ],
  'v of a hypergradient': [
    new Float64Array(40),
    (b, outer: Float64Array) =>
      hypergradient(randomReweighting(b), { inner: new Float64Array(18), outer, method: exact() }),
  ],
  'entries of a vector': [data, (b, x: Float64Array) => vector(b, x, 'f32')],
  'entries in f32': [Float32Array.from(data), (b, x: Float32Array) => new b.Vector(n * d, 'f64').writeF32(x)],
  'entries of a transition': [
    Float64Array.of(0.8, 0.2, 0.3, 0.7),
    (b, x: Float64Array) => new b.Transition(x, 2),
  ],
  'weights of an inverse': [
    two,
    (b, x: Float64Array) => new b.InverseUpdate(2, 1, 'f64', 1).updateMany(vector(b, square, 'f64'), 1, x),
  ],
  'A of a product': [
    square,
    (b, x: Float64Array) => kernels.gemm(b, { m: 2, n: 2, k: 2 }, x, square, operand(square)),
  ],
  'B of a product': [
    square,
    (b, x: Float64Array) => kernels.gemm(b, { m: 2, n: 2, k: 2 }, square, x, operand(square)),
  ],
  'C of a product': [
    square,
    (b, x: Float64Array) => kernels.gemm(b, { m: 2, n: 2, k: 2, beta: 1 }, square, square, x),
  ],
  'A of a rank-k update': [
    square,
    (b, x: Float64Array) => kernels.syrk(b, { n: 2, k: 2 }, x, operand(square)),
  ],
  'x of a product': [two, (b, x: Float64Array) => kernels.symv(b, { n: 2 }, square, x, operand(two))],
  'A of a solve': [square, (b, x: Float64Array) => kernels.choleskySolve(b, { n: 2, k: 1 }, x, operand(two))],
  'B of a solve': [two, (b, x: Float64Array) => kernels.choleskySolve(b, { n: 2, k: 1 }, square, x)],
  'A of an inverse': [
    square,
    (b, x: Float64Array) => kernels.choleskyInverse(b, { n: 2 }, x, operand(square)),
  ],
  'A of eigenvalues': [
    square,
    (b, x: Float64Array) => kernels.symmetricEigen(b, { n: 2 }, x, operand(two), operand(square)),
  ],
  'X of a Gram matrix': [
    square,
    (b, x: Float64Array) => kernels.perSampleGram(b, { m: 2, n: 2, k: 2 }, x, square, operand(square)),
  ],
  'eigenvalues of a Kronecker product': [
    two,
    (b, values: Float64Array) => {
      const factor = { values: two, vectors: square }
      kernels.kroneckerSolve(b, { n: 2, k: 2, damping: 1 }, { ...factor, values }, factor, operand(square))
    },
  ],
  'b of conjugate gradients': [
    two,
    (b, x: Float64Array) =>
      kernels.conjugateGradients(b, { n: 2, tolerance: 0, steps: 2 }, square, x, operand(two)),
  ],
  'features that are cleaned': [
    dirty.features.data as Float64Array,
    (b, x: Float64Array) => clean(b, { features: { ...dirty.features, data: x } }),
  ],
}

/** Where a number is put: everywhere in short arrays. */
const places = (length: number) =>
  length <= 24 ? [...Array(length).keys()] : [0, 1, length >> 1, length - 2, length - 1]

test('they are refused at every place of every array, which changes nothing', async ({ backend }) => {
  let count = 0
  for (const [name, [entries, call]] of Object.entries(calls)) {
    await call(backend, entries.slice() as never) // as they are they are taken
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const at of places(entries.length)) {
        const changed = entries.slice()
        changed[at] = bad
        const before = changed.slice()
        let error: unknown
        try {
          await call(backend, changed as never)
        } catch (thrown) {
          error = thrown
        }
        assert.instance(error, NhgdError, `${name}: ${bad} at ${at}: ${error}`)
        const { code, message } = error as NhgdError
        assert.ok(code === 'ERR_NOT_FINITE' || code === 'ERR_RANGE', `${name}: ${code} ${message}`)
        assert.ok(
          changed.every((x, i) => Object.is(x, before[i])),
          name,
        )
        count++
      }
    }
  }
  assert.ok(count > 700, `${count}`)
})

test('what holds numbers stays as it was', async ({ backend }) => {
  for (const dtype of ['f32', 'f64'] as const) {
    const x = vector(backend, [1, 2, 3], dtype)
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const at of [0, 1, 2]) {
        const entries = [4, 5, 6]
        entries[at] = bad
        assert.throws(() => x.writeF64(Float64Array.from(entries)), /expected finite numbers/)
        assert.throws(() => x.writeF32(Float32Array.from(entries)), /expected finite numbers/)
        assert.equal(Array.from(x.readF64()), [1, 2, 3])
      }
    }
  }
  assert.throws(() => auc([1, Number.NaN], [0, 1]), /scores\[1\]/)
})

test.run()
