import * as assert from 'uvu/assert'
import { read, vector } from '../../ts/backend/backend.ts'
import type { DType } from '../../ts/backend/binding.ts'
import { close, same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('vectors')
const dtypes: readonly DType[] = ['f32', 'f64']
const lengths = [0, 1, 2, 3, 17, 64, 65, 1000]

test('what is written is read, rounded to the vector’s type', ({ backend }) => {
  for (const length of lengths) {
    const entries = new Random(length).normals(length)
    const [single, double] = [vector(backend, entries, 'f32'), vector(backend, entries, 'f64')]
    same(double.readF64(), entries)
    same(single.readF32(), Float32Array.from(entries))
    same(single.readF64(), Float64Array.from(Float32Array.from(entries)))
    same(double.readF32(), Float32Array.from(entries))
    assert.instance(read(single), Float32Array)
    assert.instance(read(double), Float64Array)
    assert.is(double.length, length)
    assert.equal([single.dtype, double.dtype], dtypes)
    double.writeF32(Float32Array.from(entries))
    same(double.readF64(), Float64Array.from(Float32Array.from(entries)))
  }
})

test('reading copies', ({ backend }) => {
  const x = vector(backend, [1, 2, 3], 'f64')
  x.readF64()[0] = 9
  same(x.readF64(), [1, 2, 3])
})

test('reading into an array fills it, or changes nothing', async ({ backend }) => {
  const entries = Float64Array.of(0.1, -2, 3e-5)
  for (const dtype of ['f32', 'f64'] as const) {
    const x = new backend.Vector(3, dtype)
    x.writeF64(entries)
    const [doubles, singles] = [new Float64Array(5).fill(7), new Float32Array(3)]
    x.readIntoF64(doubles.subarray(1, 4))
    assert.equal(Array.from(doubles), [7, ...x.readF64(), 7])
    x.readIntoF32(singles)
    assert.equal(singles, x.readF32())
    for (const length of [2, 4]) {
      const target = new Float64Array(length).fill(7)
      await refuses('ERR_SHAPE', 'target', () => x.readIntoF64(target))
      assert.ok(target.every((value) => value === 7))
    }
    await refuses('ERR_DTYPE', 'target', () => x.readIntoF64(singles as never))
    // A copy would be filled in its place.
    const shared = new Float64Array(new SharedArrayBuffer(24))
    await refuses('ERR_RANGE', 'target', () => x.readIntoF64(shared))
  }
})

test('arithmetic', ({ backend }) => {
  for (const dtype of dtypes) {
    for (const length of lengths) {
      const random = new Random(length + 1)
      const rounded = (x: Float64Array) => (dtype === 'f32' ? Float64Array.from(Float32Array.from(x)) : x)
      const [a, b] = [rounded(random.normals(length)), rounded(random.normals(length))]
      const [x, y] = [vector(backend, a, dtype), vector(backend, b, dtype)]
      const tolerance = dtype === 'f32' ? 1e-5 : 1e-13
      const square = a.reduce((sum, value) => sum + value * value, 0)
      close([x.dot(x)], [square], tolerance)
      const product = a.reduce((sum, value, i) => sum + value * b[i], 0)
      close([x.dot(y) + 100], [product + 100], tolerance)
      x.axpy(-2, y)
      close(
        read(x),
        a.map((value, i) => value - 2 * b[i]),
        tolerance,
      )
      x.scale(0.5)
      close(
        read(x),
        a.map((value, i) => value / 2 - b[i]),
        tolerance,
      )
      x.copyFrom(y)
      same(read(x), read(y))
      x.clamp(-0.5, 0.25)
      close(
        read(x),
        b.map((value) => Math.min(0.25, Math.max(-0.5, value))),
        tolerance,
      )
      x.fill(3)
      same(read(x), new Float64Array(length).fill(3))
      same(read(y), b)
    }
  }
})

test('isFinite tells overflow', ({ backend }) => {
  for (const dtype of dtypes) {
    const x = vector(backend, [1, -2, 3e38], dtype)
    assert.is(x.isFinite(), true)
    x.scale(1e300)
    x.scale(1e300)
    assert.is(x.isFinite(), false)
    x.fill(0)
    assert.is(x.isFinite(), true)
  }
})

test('wrong arguments are refused and change nothing', async ({ backend }) => {
  const x = vector(backend, [1, 2, 3], 'f64')
  await refuses('ERR_SHAPE', 'source', () => x.writeF64(new Float64Array(2)))
  await refuses('ERR_NOT_FINITE', 'source', () => x.writeF64(Float64Array.of(1, Number.NaN, 3)))
  await refuses('ERR_NOT_FINITE', 'source', () => x.writeF32(Float32Array.of(1, 2, Number.POSITIVE_INFINITY)))
  await refuses('ERR_SHAPE', 'x', () => x.axpy(1, vector(backend, [1, 2], 'f64')))
  await refuses('ERR_DTYPE', 'x', () => x.dot(vector(backend, [1, 2, 3], 'f32')))
  await refuses('ERR_DTYPE', 'x', () => x.copyFrom(vector(backend, [1, 2, 3], 'f32')))
  await refuses('ERR_RANGE', 'low', () => x.clamp(1, 0))
  await refuses('ERR_RANGE', 'low', () => x.clamp(Number.NaN, 0))
  await refuses('ERR_DTYPE', 'dtype', () => new backend.Vector(3, 'f16' as DType))
  same(x.readF64(), [1, 2, 3])
})

test('scalars that the type cannot hold are refused and change nothing', async ({ backend }) => {
  for (const dtype of dtypes) {
    const x = vector(backend, [1, -2, 3], dtype)
    const y = vector(backend, [1, 1, 1], dtype)
    const beyond = dtype === 'f32' ? [1e300, -1e39] : []
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, ...beyond]) {
      await refuses('ERR_NOT_FINITE', 'value', () => x.fill(bad))
      await refuses('ERR_NOT_FINITE', 'alpha', () => x.axpy(bad, y))
      if (!beyond.includes(bad)) await refuses('ERR_NOT_FINITE', 'alpha', () => x.scale(bad))
      if (Number.isFinite(bad))
        await refuses('ERR_NOT_FINITE', 'source', () => x.writeF64(Float64Array.of(1, bad, 1)))
    }
    await refuses('ERR_NOT_FINITE', 'low', () => x.clamp(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY))
    await refuses('ERR_NOT_FINITE', 'high', () => x.clamp(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY))
    same(x.readF64(), [1, -2, 3])
    x.clamp(Number.NEGATIVE_INFINITY, 2)
    same(x.readF64(), [1, -2, 2])
    x.clamp(-1, Number.POSITIVE_INFINITY)
    same(x.readF64(), [1, -1, 2])
  }
})

test('norms of huge and tiny vectors are those of their entries, scaled', ({ backend }) => {
  for (const [dtype, units] of [
    ['f32', [1e-36, 1e-24, 1, 1e20, 1e37]],
    ['f64', [1e-300, 1e-200, 1, 1e200, 1e300]],
  ] as const) {
    for (const unit of units) {
      const x = vector(backend, [3 * unit, 0, -4 * unit], dtype)
      close([x.norm() / unit], [5], dtype === 'f32' ? 1e-6 : 1e-15)
      x.scale(1 / unit)
      close([x.norm()], [5], dtype === 'f32' ? 1e-6 : 1e-15)
    }
    assert.is(vector(backend, [], dtype).norm(), 0)
  }
  // Factors of single-precision vectors may lie outside of its range.
  const x = vector(backend, [1e-30, -2e-30], 'f32')
  x.scale(1e60)
  close(x.readF64(), [1e30, -2e30], 1e-6)
})

test('a vector that is its own argument is refused where it would be written', async ({ backend }) => {
  const x = vector(backend, [1, 2, 3], 'f64')
  await refuses('ERR_RANGE', 'x', () => x.axpy(1, x))
  const sgd = new backend.Optimizer('{"kind":"sgd"}')
  await refuses('ERR_RANGE', 'gradient', () => sgd.step(x, x, 0.1))
  same(x.readF64(), [1, 2, 3])
})

test.run()
