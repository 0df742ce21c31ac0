import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, upload, vector } from '../ts/backend/backend.ts'
import type { Handle, Oracles } from '../ts/backend/binding.ts'
import { Fisher, type FisherSettings } from '../ts/backend/fisher.ts'
import { loadBackend } from '../ts/backend/load.ts'
import { matrix } from '../ts/backend/matrix.ts'
import { fisherBytes } from '../ts/backend/memory.ts'
import { softmaxRegression } from '../ts/problems/model.ts'
import { reweighting } from '../ts/problems/reweighting.ts'
import { refuses } from './support/errors.ts'
import { randomReweighting } from './support/problems.ts'

const test = suite('memory')

/** A backend that says which it is; whatever else it is asked for counts as an attempt to allocate. */
function pretended(backend: 'native' | 'wasm') {
  const asked: string[] = []
  const proxy = new Proxy({} as Backend, {
    get(_, name) {
      if (name === 'info') return () => ({ backend })
      asked.push(String(name))
      throw new Error('allocates')
    },
  })
  return { backend: proxy, asked }
}

/** Bytes that claim to be `rows` × 784 and hold nothing. */
function claimed(rows: number) {
  const data = Object.defineProperty(new Uint8Array(0), 'byteLength', { value: rows * 784 })
  return { features: { data, rows, columns: 784 }, labels: { length: rows } }
}

test('a problem beyond 4 GiB is refused on WebAssembly before anything is uploaded', async () => {
  const { backend, asked } = pretended('wasm')
  const options = { model: softmaxRegression({ classes: 10 }), trusted: claimed(10) }
  const large = reweighting({ backend, ...options, train: claimed(6e6) })
  // Bytes, a u32 label, and four f32 a sample.
  assert.is(large.memory(), 6e6 * (784 + 4 + 16) + 10 * (784 + 4))
  await refuses('ERR_MEMORY', 'problem', () => large.oracles)
  assert.equal(asked, [])
  for (const small of [
    reweighting({ backend, ...options, train: claimed(5e6) }),
    reweighting({ backend: pretended('native').backend, ...options, train: claimed(6e6) }),
  ]) {
    assert.throws(() => small.oracles, 'allocates')
  }
})

test('a Fisher beyond 4 GiB is refused on WebAssembly, and one beyond the machine’s memory everywhere', async () => {
  const { backend, asked } = pretended('wasm')
  const oracles = (innerLength: number) =>
    ({ innerLength, dtype: 'f32', bytes: 0, layers: [] as number[] }) as unknown as Oracles
  const make = (form: 'dense' | 'window' | 'sketch', d: number) =>
    new Fisher(backend, oracles(d), undefined as never, {
      form,
      ...{ dense: {}, window: { length: 1024 }, sketch: { rank: 1024 } }[form],
    })
  await refuses('ERR_MEMORY', 'fisher', () => make('dense', 40_000))
  await refuses('ERR_MEMORY', 'fisher', () => make('window', 2e6))
  await refuses('ERR_MEMORY', 'fisher', () => make('sketch', 1e6))
  assert.equal(asked, [])
  assert.throws(() => make('dense', 7850), 'allocates')
  const native = pretended('native')
  const tooMuch = () => new Fisher(native.backend, oracles(1e7), undefined as never, { form: 'dense' })
  await refuses('ERR_MEMORY', 'fisher', tooMuch)
  assert.equal(native.asked, [])
  const shape = { innerLength: 100, dtype: 'f64', layers: [] } as const
  assert.is(fisherBytes({ form: 'window', length: 10 }, shape), 8 * (1000 + 200 + 1000))
})

test('the factors of layers count', async () => {
  const { backend, asked } = pretended('wasm')
  const make = (settings: FisherSettings, layers: number[]) => {
    const oracles = {
      innerLength: layers[0] * layers[1],
      dtype: 'f32',
      bytes: 0,
      layers,
    } as unknown as Oracles
    return new Fisher(backend, oracles, undefined as never, settings)
  }
  await refuses('ERR_MEMORY', 'fisher', () => make({ form: 'kronecker' }, [20_000, 10]))
  await refuses('ERR_MEMORY', 'fisher', () => make({ form: 'eigenkronecker' }, [20_000, 10]))
  await refuses('ERR_MEMORY', 'fisher', () => make({ form: 'samples', samples: 1e6 }, [785, 10]))
  assert.equal(asked, [])
  assert.throws(() => make({ form: 'kronecker' }, [785, 10]), 'allocates')
  const layers = { innerLength: 12 + 15, dtype: 'f64', layers: [4, 3, 3, 5] } as const
  assert.is(fisherBytes({ form: 'kronecker' }, layers), 8 * 3 * (16 + 9 + 9 + 25))
  assert.is(
    fisherBytes({ form: 'samples', samples: 2, statistic: 'expected' }, layers),
    8 * (2 * 2 * (7 + 5 * 8) + 12),
  )
})

/** How many of 60 objects V8 collects by itself while they are made, each of 16 MB or more. */
async function collected(make: () => Handle, disposeOf: boolean): Promise<number> {
  let count = 0
  const registry = new FinalizationRegistry(() => count++)
  for (let i = 0; i < 60; i++) {
    const object = make()
    registry.register(object, undefined)
    if (disposeOf) object.dispose()
    await new Promise((resolve) => setTimeout(resolve, 2)) // finalisers run
  }
  return count
}

test('V8 collects native handles by what they hold, and knows what was disposed of', async () => {
  const backend = await loadBackend({ backend: 'native' })
  const features = matrix(new Uint8Array(1.6e7), 1.6e4, 1000)
  const [small, labels] = [matrix(new Uint8Array(8e6), 8000, 1000), new Uint32Array(8000)]
  const problem = randomReweighting(backend)
  const makers: Record<string, () => Handle> = {
    Vector: () => new backend.Vector(2e6, 'f64'),
    Step: () => new backend.Step(2e6, 'f32'),
    Features: () => upload(backend, features),
    Fisher: () => {
      const d = 1200
      const oracles = { bytes: 0, dtype: 'f64', innerLength: d, layers: new Uint32Array(0) } as const
      const regularizer = () => vector(backend, [1], 'f64')
      return new Fisher(backend, { ...oracles, regularizer }, problem.start(), { form: 'dense' }).handle
    },
    InverseUpdate: () => new backend.InverseUpdate(2000, 1, 'f64', 1),
    Problem: () => {
      const set = { features: small, labels }
      return reweighting({ backend, model: softmaxRegression({ classes: 2 }), train: set, trusted: set })
        .oracles
    },
  }
  for (const [name, make] of Object.entries(makers)) {
    const garbage = await collected(make, false)
    assert.ok(garbage > 20, `${name}: ${garbage} of 60`)
    const disposed = await collected(make, true)
    assert.ok(disposed < garbage / 2, `${name}: ${disposed}, and ${garbage} that were not disposed of`)
  }
})

test.run()
