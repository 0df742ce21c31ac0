import vm from 'node:vm'
import * as assert from 'uvu/assert'
import { type Backend, upload, vector } from '../../ts/backend/backend.ts'
import { NhgdError } from '../../ts/backend/errors.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { readCsv, readNpy, standardize, writeNpy } from '../../ts/data/index.ts'
import * as library from '../../ts/index.ts'
import * as jax from '../../ts/jax/index.ts'
import * as kernels from '../../ts/kernels.ts'
import { same } from '../support/close.ts'
import { getters, junk, own, refusesJunk, throwing } from '../support/junk.ts'
import { randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('boundary')
const {
  exact,
  fixedWeights,
  hypergradient,
  nhgd,
  quadratic,
  reweighting,
  resume,
  save,
  softmaxRegression,
  solve,
} = library

type Typed = Uint8Array | Uint32Array | Float32Array | Float64Array
type Make = new (buffer: ArrayBufferLike, offset?: number, length?: number) => Typed
const makeOf = (array: Typed) => array.constructor as unknown as Make

/** Writes entries to an array that lies in `buffer` from entry `at` on. */
function placed(
  entries: Typed,
  buffer: ArrayBufferLike,
  at = 0,
  length: number | undefined = entries.length,
) {
  const array = new (makeOf(entries))(buffer, at * entries.BYTES_PER_ELEMENT, length)
  array.set(entries)
  return array
}
const resizable = { maxByteLength: 1 << 20 }
const Resizable = ArrayBuffer as new (bytes: number, options: object) => ArrayBuffer
const Growable = SharedArrayBuffer as new (bytes: number, options: object) => SharedArrayBuffer

/** Arrays with the same entries in memory of another kind. */
const memories: Record<string, (entries: Typed) => Typed> = {
  'a subarray at an odd offset': (x) => placed(x, new ArrayBuffer(x.byteLength + 9 * x.BYTES_PER_ELEMENT), 3),
  'a buffer that may grow': (x) => placed(x, new Resizable(x.byteLength, resizable)),
  'the whole of a buffer that grew': (x) => {
    const buffer = new Resizable(0, resizable)
    const array = new (makeOf(x))(buffer)
    ;(buffer as { resize?(bytes: number): void }).resize?.(x.byteLength)
    array.set(x)
    return array
  },
  'shared memory': (x) => placed(x, new SharedArrayBuffer(x.byteLength)),
  'shared memory that may grow': (x) => placed(x, new Growable(x.byteLength, resizable)),
  'another realm': (x) => {
    const far = vm.runInNewContext(`new ${x[Symbol.toStringTag]}(${x.length})`)
    far.set(x)
    return far
  },
  'the buffer that took over': (x) => {
    const { buffer } = placed(x, new ArrayBuffer(x.byteLength))
    return new (makeOf(x))(structuredClone(buffer, { transfer: [buffer as ArrayBuffer] }))
  },
}

/** Arrays whose memory is gone. */
const gone: Record<string, (entries: Typed) => Typed> = {
  'a detached buffer': (x) => {
    const array = x.slice()
    structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] })
    return array
  },
  'a buffer that has shrunk': (x) => {
    const buffer = new Resizable(x.byteLength, resizable)
    const array = placed(x, buffer)
    ;(buffer as { resize?(bytes: number): void }).resize?.(x.BYTES_PER_ELEMENT)
    return array
  },
}

type Use = (backend: Backend, array: never) => unknown
const labels = Uint32Array.of(0, 1, 2, 1, 0, 2)
const data = new Random(1).normals(12)
const loss = (backend: Backend, features: library.Matrix, given: ArrayLike<number> = labels) => {
  const set = { features, labels: given }
  const model = softmaxRegression({ classes: 3 })
  const { oracles } = reweighting({ backend, model, train: set, trusted: set, dtype: 'f64' })
  const theta = vector(backend, new Random(2).normals(9), 'f64')
  const none = new backend.Vector(0, 'f64')
  return oracles.innerLoss(new backend.Point(theta, new backend.Vector(6, 'f64'), none))
}
const small = (backend: Backend, h: ArrayLike<number> = [2, 1, 1, 2]) =>
  quadratic({ backend, h, c: [1, 0], c0: [0, 1], q: [1, 0, 0, 1], t: [1, 1], mu: 0.1 })
const end = async (run: library.Solve) => Array.from((await run.result).outer)
let saved: Uint8Array = new Uint8Array()

/** What takes arrays, with entries that it takes. */
const uses: Record<string, [entries: Typed, use: Use]> = {
  'Vector.writeF64': [
    data,
    (backend, x: Float64Array) => {
      const v = new backend.Vector(12, 'f64')
      v.writeF64(x)
      return v.readF64()
    },
  ],
  'Vector.writeF32': [
    Float32Array.from(data),
    (backend, x: Float32Array) => {
      const v = new backend.Vector(12, 'f32')
      v.writeF32(x)
      return v.readF32()
    },
  ],
  'features of bytes': [
    Uint8Array.from(data, (x) => 9 + x),
    (backend, x: Uint8Array) => loss(backend, matrix(x, 6, 2, 0.1)),
  ],
  'features in f32': [Float32Array.from(data), (backend, x: Float32Array) => loss(backend, matrix(x, 6, 2))],
  'features in f64': [data, (backend, x: Float64Array) => loss(backend, matrix(x, 6, 2))],
  'uploaded features': [
    data,
    (backend, x: Float64Array) =>
      loss(backend, upload(backend, matrix(x, 6, 2)) as unknown as library.Matrix),
  ],
  labels: [labels, (backend, x: Uint32Array) => loss(backend, matrix(data, 6, 2), x)],
  'Batch.of': [labels, (backend, x: Uint32Array) => backend.Batch.of(x).positions],
  'Sampler.restore': [
    new Uint8Array(4 * 16),
    (backend, x: Uint8Array) => {
      const from = new backend.Sampler(3, 7).save()
      const sampler = new backend.Sampler(4, 7)
      const bytes = x as Uint8Array
      bytes.set(from)
      sampler.restore(bytes)
      return sampler.take(5).positions
    },
  ],
  'H of a quadratic problem': [
    Float64Array.of(2, 1, 1, 2),
    (backend, x: Float64Array) => end(solve(small(backend, x), { method: exact(), outerSteps: 2 })),
  ],
  'where a run starts': [
    Float64Array.of(0.5),
    (backend, outer: Float64Array) => end(solve(small(backend), { method: exact(), outer, outerSteps: 2 })),
  ],
  'where a hypergradient is taken': [
    Float64Array.of(0.5, -1),
    async (backend, inner: Float64Array) =>
      (await hypergradient(small(backend), { inner, outer: [1], method: exact() })).hypergradient,
  ],
  'fixed weights': [
    Float64Array.of(1, 2, 3, 4, 5, 6),
    (_, x: Float64Array) => Array.from(fixedWeights(x).fixed as Float64Array),
  ],
  'a kernel’s input': [
    data,
    (backend, x: Float64Array) => {
      const c = new Float64Array(9)
      kernels.gemm(backend, { m: 3, n: 3, k: 4 }, x, data, c)
      return c
    },
  ],
  'a kernel’s output': [
    new Float64Array(9),
    (backend, c: Float64Array) => {
      kernels.gemm(backend, { m: 3, n: 3, k: 4 }, data, data, c)
      return Array.from(c)
    },
  ],
  'an NPY file': [
    writeNpy({ data, shape: [3, 4] }),
    (_, x: Uint8Array) => Array.from(readNpy(x).data as Float64Array),
  ],
  'a CSV file': [new TextEncoder().encode('a,b\n1,2\n3,4\n'), (_, x: Uint8Array) => readCsv(x).features.data],
  'a saved run': [
    saved,
    (backend, x: Uint8Array) => end(resume(small(backend), x, { method: exact(), outerSteps: 4 })),
  ],
  standardize: [data, (_, x: Float64Array) => standardize(matrix(x, 6, 2)).features.data],
}

test.before(async ({ backend }) => {
  const run = solve(small(backend), { method: exact(), outerSteps: 2 })
  await run.result
  saved = await save(run)
  uses['a saved run'][0] = saved
  uses['Sampler.restore'][0] = new Uint8Array(new backend.Sampler(3, 7).save().length)
})

test('memory of every kind holds the same numbers', async ({ backend }) => {
  let count = 0
  for (const [name, [entries, use]] of Object.entries(uses)) {
    const expected = await use(backend, entries.slice() as never)
    for (const [kind, move] of Object.entries(memories)) {
      assert.equal(await use(backend, move(entries) as never), expected, `${name} in ${kind}`)
      count++
    }
  }
  assert.ok(count > 100, `${count}`)
})

test('memory that is gone is a typed error', async ({ backend }) => {
  for (const [name, [entries, use]] of Object.entries(uses)) {
    for (const [kind, move] of Object.entries(gone)) {
      if (name === 'Sampler.restore') continue // its array is written first
      const array = move(entries)
      if (array.length === entries.length) continue // an engine without buffers that shrink
      let error: unknown
      try {
        await use(backend, array as never)
      } catch (thrown) {
        error = thrown
      }
      assert.instance(error, NhgdError, `${name} in ${kind}: ${error}`)
    }
  }
})

test('arguments that are one array, or overlap, are as good as copies', ({ backend }) => {
  const a = Float64Array.of(1, 2, 3, 4)
  kernels.gemm(backend, { m: 2, n: 2, k: 2 }, a, a, a)
  same(a, [7, 10, 15, 22])
  const buffer = Float64Array.of(1, 2, 3, 4, 5, 6)
  kernels.gemm(
    backend,
    { m: 2, n: 2, k: 2 },
    buffer.subarray(0, 4),
    buffer.subarray(1, 5),
    buffer.subarray(2, 6),
  )
  same(buffer, [1, 2, 10, 13, 22, 29])
})

test('what makes no sense is a typed error of every public function, or the caller’s own', async ({
  backend,
}) => {
  const functions = { ...library, ...kernels, ...jax }
  const given = { ...junk, detached: gone['a detached buffer'](data), backend }
  const count = await refusesJunk(functions, given, { toMatrix: 1 }, [['backend', 'backend']])
  assert.ok(count > 10_000, `${count}`)
})

test('options that throw leave a problem usable', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const { innerLength, outerLength } = problem.oracles
  const at = { inner: new Float64Array(innerLength), outer: new Float64Array(outerLength), method: nhgd() }
  const before = (await hypergradient(problem, at)).hypergradient
  for (const options of [
    throwing,
    getters,
    { ...at, inner: throwing },
    { ...at, method: getters },
  ] as never[]) {
    for (const act of [() => hypergradient(problem, options), () => solve(problem, options).result]) {
      try {
        await act()
        assert.unreachable()
      } catch (error) {
        assert.ok(error === own || error instanceof NhgdError, `${error}`)
      }
    }
  }
  same((await hypergradient(problem, at)).hypergradient, before)
})

test.run()
