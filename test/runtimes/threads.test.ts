import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, backendOf } from '../../ts/backend/backend.ts'
import { threadedBesidePackage } from '../../ts/backend/beside.ts'
import { Fisher } from '../../ts/backend/fisher.ts'
import { loadThreaded, type ThreadedGlue } from '../../ts/backend/threads.ts'
import { solve } from '../../ts/index.ts'
import { same } from '../support/close.ts'
import { randomReweighting } from '../support/problems.ts'
import { growth } from './support/growth.ts'
import { hasThreads } from './support/run.ts'

const test = suite('WebAssembly with threads')
const shape = { samples: 2000, columns: 50 }

/** What a helper calls when it traps. */
type Glue = ThreadedGlue & { giveUp(): void }
const context = {} as { backend: Backend; glue: Glue; memory: WebAssembly.Memory }

test.before(async () => {
  if (!hasThreads()) return
  const { binding, memory } = await loadThreaded(() => threadedBesidePackage())
  context.glue = binding as Glue
  context.memory = memory
  context.backend = backendOf(binding, 'wasm')
})

test('it needs no more memory after 200 solves, whoever did them', async () => {
  if (!hasThreads()) return
  const problem = randomReweighting(context.backend, shape)
  const [before, after] = await growth(context.memory, () => problem)
  assert.is(after, before)
})

test('nothing waits for helpers that broke down, and later work does without them', async () => {
  if (!hasThreads()) return
  const { backend, glue } = context
  const problem = randomReweighting(backend, shape)
  const end = async () => (await solve(problem, { outerSteps: 3, seed: 5 }).result).outer
  const before = await end()
  const point = problem.start()
  const { inner } = point
  const { oracles } = problem
  const fisher = new Fisher(backend, oracles, point, { form: 'window', concurrent: true })
  const step = new backend.Step(inner.length, problem.dtype)
  oracles.innerStepFor(point, backend.Batch.all(2000), step, fisher.handle, 1)
  await fisher.observe(step)
  glue.giveUp()
  for (let i = 0; i < 100; i++) await fisher.observe(step) // more than have a place
  const error = await fisher.solve(step.gradient, inner).catch((error) => error)
  assert.is(error.code, 'ERR_INTERNAL', error.message)
  same(await end(), before)
})

test.run()
