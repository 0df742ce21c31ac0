import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadBackend } from '../../ts/index.ts'

const test = suite('load order')

test('threads that are asked for too late are said to be missing', async () => {
  const first = await loadBackend({ backend: 'wasm' })
  assert.equal(first.info().skipped, [])
  const second = await loadBackend({ backend: 'wasm', threads: true })
  assert.is(second.info().threads, 1)
  assert.match(second.info().skipped[0].reason, /loaded already/)
})

test.run()
