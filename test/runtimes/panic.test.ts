import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backendOf } from '../../ts/backend/backend.ts'
import type { Binding } from '../../ts/backend/binding.ts'
import { type Backend, loadBackend, solve } from '../../ts/index.ts'
import { same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { randomReweighting } from '../support/problems.ts'
import { hasThreads } from './support/run.ts'

const test = suite('panics')

test('an object amid whose call the addon panicked is used no more, and others are', async () => {
  class Vector {
    readonly length: number
    constructor(length: number) {
      this.length = length
    }
    norm() {
      if (this.length > 1) return 1
      throw Object.assign(new Error('internal error in a call'), { code: 'ERR_INTERNAL' })
    }
    free() {}
  }
  const signatures = { Vector: 'length: Whole', 'Vector.norm': '' }
  const binding = { Vector, info: () => '{}', signatures: () => JSON.stringify(signatures) }
  const backend = backendOf(binding as unknown as Binding, 'native')
  const [short, long] = [new backend.Vector(1, 'f64'), new backend.Vector(2, 'f64')]
  assert.throws(() => short.norm(), /internal error in a call/)
  await refuses('ERR_INTERNAL', 'vector', () => short.norm())
  assert.is(long.norm(), 1)
  short.dispose()
})

/** The error of a call that traps: it is led to where there is no memory. */
function trap(backend: Backend): Error & { code?: string } {
  const lost = new backend.Vector(3, 'f64')
  Object.assign(lost, { __wbg_ptr: 2 ** 32 - 64 })
  try {
    lost.fill(1)
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not trap')
}

for (const threads of [false, true]) {
  test(`a panic in WebAssembly${threads ? ' with threads' : ''} ends its objects, and a fresh instance comes with the next load`, async () => {
    if (threads && !hasThreads()) return
    const load = () => loadBackend({ backend: 'wasm', threads: threads || 1 })
    const backend = await load()
    const end = async (backend: Backend) =>
      (await solve(randomReweighting(backend), { outerSteps: 2, seed: 5 }).result).outer
    const before = await end(backend)
    const [vector, problem] = [new backend.Vector(3, 'f64'), randomReweighting(backend)]
    const error = trap(backend)
    assert.is(error.code, 'ERR_INTERNAL', error.message)
    assert.match(error.message, /loadBackend\(\) gives a fresh one/)
    await refuses('ERR_INTERNAL', 'backend', () => vector.norm())
    await refuses('ERR_INTERNAL', 'backend', () => new backend.Vector(3, 'f64'))
    await refuses('ERR_INTERNAL', 'backend', () => solve(problem, { outerSteps: 1 }).result)
    vector.dispose()
    const [fresh, again] = [await load(), await load()]
    same(await end(fresh), before)
    await refuses('ERR_DTYPE', 'x', () => new fresh.Vector(3, 'f64').dot(vector))
    assert.is(new again.Vector(3, 'f64').dot(new fresh.Vector(3, 'f64')), 0)
  })
}

test.run()
