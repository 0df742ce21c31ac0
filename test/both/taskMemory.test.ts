import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { Handle } from '../../ts/backend/binding.ts'
import { isDisposed } from '../../ts/backend/handles.ts'
import { scoped } from '../../ts/backend/scope.ts'
import { type Classifier, cleanLabels, distill, tuneRegularization } from '../../ts/index.ts'
import { gaussians } from '../support/gaussians.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('memory of tasks')

type Class = { prototype: object } & (new (...args: unknown[]) => Handle)

/** A backend that keeps what is made on it, but for batches and samplers, which hold next to nothing. */
function counting(backend: Backend): { counted: Backend; left: () => string[]; count: () => number } {
  const made: [string, Handle][] = []
  const keep = (name: string, handle: Handle) => {
    made.push([name, handle])
    return handle
  }
  const members = Object.entries(backend).map(([name, member]) => {
    if (!/^[A-Z]/.test(name) || ['Batch', 'Sampler'].includes(name)) return [name, member]
    const original = member as Class
    function stand(...args: unknown[]) {
      return keep(name, new original(...args))
    }
    stand.prototype = original.prototype
    const statics = Object.entries(original as unknown as Record<string, (...args: unknown[]) => Handle>)
    for (const [key, make] of statics)
      Object.assign(stand, { [key]: (...args: unknown[]) => keep(name, make(...args)) })
    return [name, stand]
  })
  const left = () => made.filter(([, handle]) => !isDisposed(handle)).map(([name]) => name)
  return { counted: Object.fromEntries(members), left, count: () => made.length }
}

const { features, labels, truth } = gaussians({ samples: 90, trusted: 0, noise: 0.2 })
const rows = Array.from({ length: 30 }, (_, i) => 3 * i)
const checked = { rows, labels: rows.map((row) => truth[row]) }
const trusted = Array.from({ length: 18 }, (_, i) => 5 * i + 1)
const targets = Float64Array.from(truth)

type Task = (backend: Backend, more: { signal?: AbortSignal; onProgress?: () => void }) => Promise<unknown>
const tasks: Record<string, Task> = {
  'cleanLabels with checked rows': (backend, more) =>
    cleanLabels({ backend, features, labels, checked, outerSteps: 1, ...more }),
  'cleanLabels with trusted rows': (backend, more) =>
    cleanLabels({ backend, features, labels, trusted, outerSteps: 2, ...more }),
  'cleanLabels without either': (backend, more) => cleanLabels({ backend, features, labels, ...more }),
  'tuneRegularization of targets': (backend, more) =>
    tuneRegularization({ backend, features, targets, folds: 3, ...more }),
  'tuneRegularization of classes': (backend, more) =>
    tuneRegularization({ backend, features, labels, folds: 3, ...more }),
  distill: (backend, more) => distill({ backend, features, labels, outerSteps: 2, trainings: 1, ...more }),
}

for (const [name, task] of Object.entries(tasks)) {
  test(`${name} leaves no handle when it ends`, async ({ backend }) => {
    const { counted, left, count } = counting(backend)
    const { model } = (await task(counted, {})) as { model: Classifier }
    assert.ok(count() > 3, `${count()} handles`)
    assert.equal(left(), [])
    // What it gave can still be used.
    assert.is((model.predict as Classifier['predict'])?.call(model, features).length, features.rows)
    assert.equal(left(), [])
  })

  test(`${name} leaves no handle when it fails or aborts`, async ({ backend }) => {
    const own = new Error('of the caller’s')
    let calls = 0
    for (let at = 1; at < 3; at++) {
      const { counted, left, count } = counting(backend)
      const onProgress = () => {
        if (++calls === at) throw own
      }
      await task(counted, { onProgress }).catch((error) => assert.is(error, own))
      assert.ok(count() > 0)
      assert.equal(left(), [], `after ${at}`)
      const controller = new AbortController()
      const aborting = counting(backend)
      setImmediate(() => controller.abort(own))
      await task(aborting.counted, { signal: controller.signal }).catch((error) => assert.is(error, own))
      assert.equal(aborting.left(), [], 'aborted')
    }
  })
}

test('what the methods of a scope’s objects make belongs to the scope, and what was given does not', async ({
  backend,
}) => {
  const given = new backend.Vector(4, 'f64')
  const [made, later] = await scoped(backend, async (own) => {
    const point = new own.Point(given, new own.Vector(1, 'f64'), new own.Vector(0, 'f64'))
    return [[point, point.at(given)], () => new own.Vector(2, 'f64')] as const
  })
  assert.ok(made.every(isDisposed))
  assert.not(isDisposed(given))
  assert.not(isDisposed(later()))
  await scoped(backend, async (own) => {
    for (let i = 0; i < 2000; i++) new own.Vector(10, 'f64')
  })
})

test.run()
