import vm from 'node:vm'
import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { Vector } from '../../ts/backend/binding.ts'
import type { ErrorCode } from '../../ts/backend/errors.ts'
import { type Matrix, matrix } from '../../ts/backend/matrix.ts'
import { toFeatures } from '../../ts/data/index.ts'
import { gemm, symmetricEigen, symv } from '../../ts/kernels.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('arguments')
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

/** A backend and a vector of three ones, as a caller without types sees them. */
// biome-ignore lint/suspicious/noExplicitAny: that is what such a caller has
type Untyped = any
const wrong: Record<string, [ErrorCode, string, (backend: Untyped, x: Untyped) => unknown]> = {
  'null for a number': ['ERR_RANGE', 'alpha', (_, x) => x.scale(null)],
  'nothing for a number': ['ERR_RANGE', 'value', (_, x) => x.fill()],
  'true for a number': ['ERR_RANGE', 'value', (_, x) => x.fill(true)],
  'a number that is NaN': ['ERR_NOT_FINITE', 'value', (_, x) => x.fill(nan)],
  'text for a length': ['ERR_RANGE', 'length', (backend) => new backend.Vector('3', 'f64')],
  'nothing for a length': ['ERR_RANGE', 'length', (backend) => new backend.Vector()],
  'a negative length': ['ERR_RANGE', 'length', (backend) => new backend.Vector(-1, 'f64')],
  'a fractional length': ['ERR_RANGE', 'length', (backend) => new backend.Vector(1.5, 'f64')],
  'a length past 2⁵³': ['ERR_RANGE', 'length', (backend) => new backend.Vector(2 ** 53, 'f64')],
  'a length that no memory has': ['ERR_MEMORY', 'length', (backend) => new backend.Vector(2 ** 50, 'f64')],
  'a step that no memory has': ['ERR_MEMORY', 'length', (backend) => new backend.Step(2 ** 50, 'f32')],
  'an inverse that no memory has': [
    'ERR_MEMORY',
    'd',
    (backend) => new backend.InverseUpdate(2 ** 40, 1, 'f64', 1),
  ],
  'a number for text': ['ERR_RANGE', 'dtype', (backend) => new backend.Vector(3, 64)],
  'an object for text': ['ERR_RANGE', 'settings', (backend) => new backend.Optimizer({ kind: 'sgd' })],
  'null for a vector': ['ERR_DTYPE', 'x', (_, x) => x.dot(null)],
  'a batch for a vector': ['ERR_DTYPE', 'x', (backend, x) => x.dot(backend.Batch.all(3))],
  'an array for a typed array': ['ERR_DTYPE', 'positions', (backend) => backend.Batch.of([0, 1])],
  'another typed array': ['ERR_DTYPE', 'source', (_, x) => x.writeF64(new Float32Array(3))],
  'a view that is no array': ['ERR_DTYPE', 'source', (_, x) => x.writeF64(new DataView(new ArrayBuffer(24)))],
  'a class without a constructor': ['ERR_DTYPE', 'Batch', (backend) => new backend.Batch()],
  'a negative count': ['ERR_RANGE', 'samples', (backend) => backend.Batch.all(-1)],
  'a seed that is NaN': ['ERR_RANGE', 'seed', (backend) => new backend.Sampler(nan, 5)],
  'a fractional seed': ['ERR_RANGE', 'seed', (backend) => new backend.Sampler(0.5, 5)],
  'a seed past 2⁵³': ['ERR_RANGE', 'seed', (backend) => new backend.Sampler(2 ** 60, 5)],
}

for (const [name, [code, argument, call]] of Object.entries(wrong)) {
  test(`${name} is refused by the argument’s name`, async ({ backend }) => {
    const x = new backend.Vector(3, 'f64')
    x.fill(1)
    await refuses(code, argument, () => call(backend, x))
    same(x.readF64(), [1, 1, 1])
  })
}

test('counts do not wrap at 2³²', async ({ backend }) => {
  assert.is(backend.Batch.all(2 ** 31 + 1).length, 2 ** 31 + 1)
  await refuses('ERR_RANGE', 'samples', () => new backend.Sampler(0, 2 ** 32 + 1))
  const sampler = new backend.Sampler(0, 5)
  assert.is(sampler.take(2 ** 32 + 1).length, 5)
  const one = new Float64Array([1])
  await refuses('ERR_SHAPE', 'a', () => gemm(backend, { m: 2 ** 32, n: 1, k: 1 }, one, one, one))
  await refuses('ERR_SHAPE', 'a', () => gemm(backend, { m: 2 ** 32, n: 2 ** 32, k: 2 ** 32 }, one, one, one))
})

test('−0 is the seed 0', ({ backend }) => {
  const draws = [0, -0].map((seed) => new backend.Sampler(seed, 100).take(9).positions)
  assert.equal(draws[0], draws[1])
})

test('memory that is refused leaves the backend usable', async ({ backend }) => {
  for (let i = 0; i < 3; i++) {
    await refuses('ERR_MEMORY', 'length', () => new backend.Vector(2 ** 49, 'f64'))
    same(new backend.Vector(2, 'f64').readF64(), [0, 0])
  }
})

test('numbers that f32 does not hold are refused by name and change nothing', async ({ backend }) => {
  const x = new backend.Vector(2, 'f32')
  x.fill(3)
  await refuses('ERR_NOT_FINITE', 'source', () => x.writeF64(Float64Array.of(1, 1e300)))
  await refuses('ERR_NOT_FINITE', 'outer', () => x.writeF64(Float64Array.of(1, -1e39), 'outer'))
  same(x.readF64(), [3, 3])
})

test('the handle of another backend is refused', async ({ backend }) => {
  const stranger = Object.create({ constructor: class Vector {} }) as Vector
  await refuses('ERR_DTYPE', 'x', () => new backend.Vector(3, 'f64').dot(stranger))
})

/** Typed arrays that another realm made, as in Jest, workers and frames. */
const far = (code: string) => vm.runInNewContext(code)

test('typed arrays of another realm are as good as one’s own', ({ backend }) => {
  const c = new Float64Array(1)
  gemm(backend, { m: 1, n: 1, k: 1 }, far('Float64Array.of(2)'), Float64Array.of(3), c)
  same(c, [6])
  const x = new backend.Vector(2, 'f32')
  x.writeF32(far('Float32Array.of(1, 2)'))
  same(x.readF64(), [1, 2])
  assert.is(backend.Batch.of(far('Uint32Array.of(4, 5, 6)')).length, 3)
  const { features } = toFeatures({ data: far('new Uint8Array(8)'), shape: [2, 2, 2] })
  assert.is(features.scale, 1 / 255)
  const floats = toFeatures({ data: far('Float32Array.of(1, 2)'), shape: [2, 1] }).features.data
  assert.is(floats[Symbol.toStringTag], 'Float32Array')
  assert.is(outputs(backend, matrix(far('Float64Array.of(1, 2, 3)'), 3, 1)), 2)
})

function outputs(backend: Backend, features: Matrix): number {
  const set = { features, labels: [0, 1, 0] }
  return (
    reweighting({ backend, model: softmaxRegression({ classes: 2 }), train: set, trusted: set }).oracles
      .innerLength / 2
  )
}

test('what a pure output holds is not read', async ({ backend }) => {
  const c = Float64Array.of(nan)
  gemm(backend, { m: 1, n: 1, k: 1 }, Float64Array.of(2), Float64Array.of(3), c)
  same(c, [6])
  const y = Float64Array.of(infinity, nan)
  symv(backend, { n: 2 }, Float64Array.of(1, 0, 0, 1), Float64Array.of(4, 5), y)
  same(y, [4, 5])
  const [values, vectors] = [new Float64Array(1).fill(nan), new Float64Array(1).fill(nan)]
  symmetricEigen(backend, { n: 1 }, Float64Array.of(7), values, vectors)
  same([...values, vectors[0] ** 2], [7, 1])
  await refuses('ERR_NOT_FINITE', 'c', () =>
    gemm(backend, { m: 1, n: 1, k: 1, beta: 1 }, c, c, Float64Array.of(nan)),
  )
  const overflown = new backend.Vector(1, 'f64')
  overflown.fill(1e300)
  overflown.scale(1e300)
  gemm(backend, { m: 1, n: 1, k: 1 }, Float64Array.of(2), Float64Array.of(3), overflown)
  same(overflown.readF64(), [6])
})

test.run()
