import * as assert from 'uvu/assert'
import { upload } from '../../ts/backend/backend.ts'
import { Fisher } from '../../ts/backend/fisher.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { save, solve } from '../../ts/run/solve.ts'
import { same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { objectsOf } from '../support/objects.ts'
import { randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('dispose')

test('every object is disposed of once, and whatever uses it then is refused by name', async ({
  backend,
}) => {
  const objects = objectsOf(backend)
  const classes = Object.entries(backend).filter(([, value]) => 'prototype' in (value as object))
  assert.equal(
    Object.keys(objects).sort(),
    classes
      .map(([name]) => name)
      .filter((name) => /^[A-Z]/.test(name))
      .sort(),
  )
  for (const [name, [object, use]] of Object.entries(objects)) {
    const called = name[0].toLowerCase() + name.slice(1)
    object.dispose()
    object.dispose()
    object[Symbol.dispose]()
    const { prototype } = backend[name as 'Vector'] as { prototype: object }
    const members = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(
      ([member]) => !/^(constructor|dispose|__)/.test(member),
    )
    for (const [member, { get, value }] of members) {
      const call = (get ?? value) as (this: object, ...args: unknown[]) => unknown
      await refuses('ERR_DISPOSED', called, async () => await call.call(object, undefined as never)).catch(
        (error) => assert.unreachable(`${name}.${member}: ${error.message}`),
      )
    }
    if (use) await refuses('ERR_DISPOSED', '', () => use(object as never))
  }
})

test('what is no object of the class is refused by every method, dispose among them', async ({ backend }) => {
  for (const name of Object.keys(objectsOf(backend))) {
    const { prototype } = backend[name as 'Vector'] as { prototype: object }
    for (const [member, { get, value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (/^(constructor|__)/.test(member)) continue
      const call = (get ?? value) as (this: unknown) => unknown
      for (const other of [undefined, {}, [], backend.Transition]) {
        await refuses('ERR_DTYPE', name.slice(1), async () => await call.call(other))
      }
    }
  }
})

test('a vector is freed for all who share it', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const point = problem.start()
  point.inner.dispose()
  await refuses('ERR_DISPOSED', 'vector', () => point.inner.readF64())
  await refuses('ERR_DISPOSED', 'inner', () => problem.oracles.innerLoss(point))
  assert.ok(point.outer.isFinite())
})

test('what an object is made of may be disposed of before it', ({ backend }) => {
  const random = new Random(2)
  const features = upload(backend, matrix(random.normals(20 * 3), 20, 3))
  const set = { features, labels: random.labels(20, 3) }
  const problem = randomReweighting(backend, { train: set, trusted: set })
  const point = problem.start()
  const loss = problem.oracles.innerLoss(point)
  features.dispose()
  assert.is(problem.oracles.innerLoss(point), loss)
})

test('a problem and a Fisher', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const point = problem.start()
  const d = problem.oracles.innerLength
  const fisher = new Fisher(backend, problem.oracles, point, { form: 'window', damping: 1 })
  const step = new backend.Step(d, 'f64')
  problem.oracles.innerStepFor(point, backend.Batch.all(20), step, fisher.handle, 1)
  await fisher.observe(step)
  const [u, b] = [problem.zeros(d), problem.vector(new Random(1).normals(d))]
  const under = fisher.solve(b, u)
  fisher.dispose() // the solve that is under way ends
  const { damping } = await under
  assert.ok(damping > 0 && u.norm() > 0)
  fisher[Symbol.dispose]()
  await refuses('ERR_DISPOSED', 'fisher', () => fisher.solve(b, u))
  await refuses('ERR_DISPOSED', 'fisher', () =>
    problem.oracles.observe(point, backend.Batch.all(20), step, fisher.handle, 1),
  )
  problem.dispose()
  problem[Symbol.dispose]()
  await refuses('ERR_DISPOSED', 'problem', () => problem.start())
  await refuses('ERR_DISPOSED', 'problem', () => solve(problem, { outerSteps: 1 }).result)
  randomReweighting(backend).dispose() // one that was never used
})

test('a run frees what it holds and keeps its result', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const expected = await solve(problem, { method: exact(), outerSteps: 2 }).result
  const run = solve(problem, { method: exact(), outerSteps: 2 })
  const points: { norm(): number }[] = []
  for await (const { point, estimate } of run) points.push(point.inner, point.outer, estimate.hypergradient)
  await Promise.all([run.dispose(), run.dispose()])
  await run[Symbol.asyncDispose]()
  same((await run.result).outer, expected.outer)
  for (const x of points) await refuses('ERR_DISPOSED', 'vector', () => x.norm())
  await refuses('ERR_DISPOSED', 'run', () => save(run))
  // One that is under way ends, and one that did not begin never does.
  const short = solve(problem, { outerSteps: 50 })
  const { result } = short
  await short.dispose()
  assert.is((await result).status, 'stopped')
  const none = solve(problem)
  await none.dispose()
  await refuses('ERR_DISPOSED', 'run', () => none.result)
  same((await solve(problem, { method: exact(), outerSteps: 2 }).result).outer, expected.outer)
})

test('a hypergradient leaves the problem as it was', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const { innerLength, outerLength } = problem.oracles
  const at = { inner: new Float64Array(innerLength), outer: new Float64Array(outerLength) }
  const [first, again] = [
    await hypergradient(problem, { ...at, method: nhgd() }),
    await hypergradient(problem, { ...at, method: nhgd() }),
  ]
  same(again.hypergradient, first.hypergradient)
})

test('memory is given back: more than there are addresses, one after the other', ({ backend }) => {
  // 80 GB in all; WebAssembly addresses four.
  for (let i = 0; i < 500; i++) {
    const x = new backend.Vector(2e7, 'f64')
    assert.is(x.length, 2e7)
    x.dispose()
  }
})

test.run()
