import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { Method } from '../../ts/methods/method.ts'
import { mrbo } from '../../ts/methods/mrbo.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { soba } from '../../ts/methods/soba.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { solve } from '../../ts/run/solve.ts'
import { distance, same } from '../support/close.ts'
import { randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('sharing')

/** A problem whose points carry margins, and a start at which they are not zero. */
function margins(backend: Backend): { problem: Problem; inner: Float64Array; outer: Float64Array } {
  const problem = randomReweighting(backend, { samples: 40, weighting: 'margin' })
  const { innerLength, outerLength } = problem.oracles
  const random = new Random(4)
  return { problem, inner: random.normals(innerLength), outer: random.normals(outerLength) }
}

const methods: Record<string, Method> = {
  nhgd: nhgd({ innerSteps: 5, batchSize: 16, refineSamples: 32 }),
  soba: soba({ batchSize: 16 }),
  mrbo: mrbo({ batchSize: 16 }),
}

for (const [name, method] of Object.entries(methods)) {
  test(`${name}: a problem with margins that is solved twice gives the same bits`, async ({ backend }) => {
    const { problem, inner, outer } = margins(backend)
    const options = { method, outerSteps: 4, seed: 3 }
    const first = await solve(problem, options).result
    const elsewhere = await solve(problem, { ...options, inner, outer }).result
    const again = await solve(problem, options).result
    same(again.outer, first.outer)
    same(again.inner, first.inner)
    assert.ok(distance(elsewhere.outer, first.outer) > 1e-3)
  })

  test(`${name}: two runs that share a problem with margins do not feel each other`, async ({ backend }) => {
    const { problem, inner, outer } = margins(backend)
    const starts = [{}, { inner, outer }]
    const run = (start: object) => solve(problem, { method, outerSteps: 4, seed: 3, ...start })
    const alone = [await run(starts[0]).result, await run(starts[1]).result]
    const runs = starts.map(run)
    const iterators = runs.map((each) => each[Symbol.asyncIterator]())
    for (let k = 0; k <= 4; k++) await Promise.all(iterators.map((iterator) => iterator.next()))
    for (const [i, each] of runs.entries()) same((await each.result).outer, alone[i].outer)
  })
}

test('a point shares its v and signals with the points made of it', ({ backend }) => {
  const { problem, inner, outer } = margins(backend)
  const { oracles } = problem
  assert.is(oracles.signalsLength, 1 + 2 * 40)
  const point = problem.start(0, { outer })
  same(point.signals.readF64(), new Float64Array(81))
  const there = point.at(problem.vector(inner))
  oracles.refresh(there)
  same(there.signals.readF64(), point.signals.readF64())
  same(problem.start(0, { inner, outer }).signals.readF64(), point.signals.readF64())
  point.outer.fill(1)
  same(there.outer.readF64(), point.outer.readF64())
  same(there.inner.readF64(), inner)
})

test.run()
