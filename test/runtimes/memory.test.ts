import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, loadBackend, type Problem, solve } from '../../ts/index.ts'
import { randomReweighting } from '../support/problems.ts'

const test = suite('memory of WebAssembly')
const [warmUp, solves] = [10, 200]
const context = {} as { backend: Backend; memory: WebAssembly.Memory }

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

test.before(async () => {
  context.backend = await loadBackend({ backend: 'wasm' })
  const glue = await import(new URL('../../build/wasm/nhgd.js', import.meta.url).href)
  context.memory = (await glue.default()).memory // of the instance that is there already
})

/** Bytes of WebAssembly's memory after the warm-up, and after the rest of the solves. */
async function sizes(problemOf: () => Problem): Promise<[number, number]> {
  let before = 0
  for (let i = 0; i < warmUp + solves; i++) {
    if (i === warmUp) before = context.memory.buffer.byteLength
    // Three at once while it warms up: room for what is not collected yet when the next one starts.
    const runs = Array.from({ length: i < warmUp ? 3 : 1 }, () =>
      solve(problemOf(), { outerSteps: 1, seed: i }),
    )
    for (const { status } of await Promise.all(runs.map((run) => run.result))) assert.is(status, 'outerSteps')
    collect()
    await setTimeout(5) // what was collected is freed
  }
  return [before, context.memory.buffer.byteLength]
}

const shape = { samples: 200, columns: 50 }

test('it does not grow over 200 solves of a problem', async () => {
  const problem = randomReweighting(context.backend, shape)
  const [before, after] = await sizes(() => problem)
  assert.is(after, before)
})

test('it does not grow over 200 problems, one after the other', async () => {
  const [before, after] = await sizes(() => randomReweighting(context.backend, shape))
  assert.is(after, before)
})

test('it grows with what is held', async () => {
  const before = context.memory.buffer.byteLength
  const held = Array.from({ length: 100 }, () => new context.backend.Vector(100_000, 'f64'))
  assert.ok(context.memory.buffer.byteLength > before && held.length === 100)
})

test.run()
