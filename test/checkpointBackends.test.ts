import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadBackend } from '../ts/backend/load.ts'
import type { SolveOptions } from '../ts/run/options.ts'
import { resume, save, solve } from '../ts/run/solve.ts'
import { close, distance } from './support/close.ts'
import { everyProblem, methodFor } from './support/everyProblem.ts'
import { methods } from './support/methods.ts'
import { randomReweighting } from './support/problems.ts'

const test = suite('checkpoint between backends')
const names = ['native', 'wasm'] as const

for (const [name, method] of Object.entries(methods)) {
  test(`${name}: a run that is saved on one backend goes on on the other, to rounding`, async () => {
    const backends = await Promise.all(names.map((backend) => loadBackend({ backend })))
    const options = (outerSteps: number): SolveOptions => ({
      method: method(),
      outerOptimizer: { kind: 'sgd', rate: 0.5 },
      seed: 5,
      outerSteps,
    })
    const problems = backends.map((backend) => randomReweighting(backend, { samples: 30, columns: 3 }))
    for (const [from, to] of [problems, problems.toReversed()]) {
      const run = solve(from, options(2))
      const before = await run.result
      const whole = await solve(from, options(4)).result
      const resumed = await resume(to, await save(run), options(4)).result
      close(resumed.outer, whole.outer, 1e-9, 'v')
      close(resumed.inner, whole.inner, 1e-9, 'θ')
      assert.ok(distance(before.outer, whole.outer) > 1e-6)
    }
  })
}

for (const [name, problem] of Object.entries(everyProblem)) {
  test(`${name}: what is saved on one backend goes on on the other, to rounding`, async () => {
    const options = (outerSteps: number): SolveOptions => ({ method: methodFor(name), seed: 5, outerSteps })
    const backends = await Promise.all(names.map((backend) => loadBackend({ backend })))
    const problems = backends.map((backend) => problem(backend))
    for (const [from, to] of [problems, problems.toReversed()]) {
      const run = solve(from, options(1))
      await run.result
      const [whole, elsewhere] = [await solve(from, options(2)).result, await solve(to, options(2)).result]
      const resumed = await resume(to, await save(run), options(2)).result
      // Least squares that are badly conditioned carry the rounding of the backends far.
      const apart = (part: 'inner' | 'outer') => Math.max(1e-9, 10 * distance(elsewhere[part], whole[part]))
      close(resumed.outer, whole.outer, apart('outer'), 'v')
      close(resumed.inner, whole.inner, apart('inner'), 'θ')
    }
  })
}

test.run()
