import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { simd } from '../../ts/backend/simd.ts'
import { loadBackend } from '../../ts/index.ts'

const test = suite('load order')

test('threads that are asked for too late are said to be missing', async () => {
  const first = await loadBackend({ backend: 'wasm', relaxed: false })
  assert.equal(first.info().skipped, [])
  const second = await loadBackend({ backend: 'wasm', threads: true })
  assert.is(second.info().threads, 1)
  assert.match(second.info().skipped[0].reason, /loaded already/)
})

test('relaxed SIMD that is asked for too late is said to be missing', async () => {
  const { simd: loaded, skipped } = (await loadBackend({ backend: 'wasm', relaxed: true })).info()
  assert.is(loaded, 'simd128')
  const reason = simd() === 'relaxed' ? 'the module that is loaded has none' : 'this engine has none'
  assert.equal(skipped, [{ backend: 'wasm with relaxed SIMD', reason }])
})

test.run()
