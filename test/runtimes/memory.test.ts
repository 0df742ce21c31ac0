import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { liveIn, runtimes } from '../../bench/soak/memory.ts'
import { type Backend, backendOf } from '../../ts/backend/backend.ts'
import { besidePackage } from '../../ts/backend/beside.ts'
import { contents, type Glue } from '../../ts/backend/wasmSource.ts'
import { randomReweighting } from '../support/problems.ts'
import { growth } from './support/growth.ts'

const test = suite('memory of WebAssembly')
const context = {} as { backend: Backend; memory: WebAssembly.Memory }

test.before(async () => {
  const { instance } = await import(new URL('../../build/wasm/nhgd.js', import.meta.url).href)
  const glue: Glue = instance()
  context.memory = (await glue.default({ module_or_path: await contents(besidePackage()) })).memory
  context.backend = backendOf(glue, 'wasm')
})

const shape = { samples: 200, columns: 50 }

test('it does not grow over 200 solves of a problem', async () => {
  const problem = randomReweighting(context.backend, shape)
  const [before, after] = await growth(context.memory, () => problem)
  assert.is(after, before)
})

test('it does not grow over 200 problems, one after the other', async () => {
  const [before, after] = await growth(context.memory, () => randomReweighting(context.backend, shape))
  assert.is(after, before)
})

test('the samples of a problem are freed with it, without a collection', () => {
  const made = () => {
    const problem = randomReweighting(context.backend, { samples: 4000, columns: 50 })
    assert.is(problem.oracles.samples, 4000)
    problem.dispose()
  }
  made()
  const before = context.memory.buffer.byteLength
  for (let i = 0; i < 20; i++) made()
  assert.is(context.memory.buffer.byteLength, before)
})

for (const runtime of Object.keys(runtimes)) {
  for (const backend of ['native', 'wasm']) {
    test(`40 problems that are made, run and freed take less than 256 MB in ${runtime}, ${backend}`, async () => {
      const { lives, mostMb } = await liveIn(runtime, backend, 0, 40)
      assert.is(lives, 40)
      assert.ok(mostMb < 256, `${mostMb} MB`)
    })
  }
}

test('it grows with what is held', async () => {
  const before = context.memory.buffer.byteLength
  const held = Array.from({ length: 100 }, () => new context.backend.Vector(100_000, 'f64'))
  assert.ok(context.memory.buffer.byteLength > before && held.length === 100)
})

test.run()
