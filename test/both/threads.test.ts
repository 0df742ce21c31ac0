import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { solve } from '../../ts/run/solve.ts'
import { same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { randomReweighting } from '../support/problems.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('threads')

test('a backend has as many threads as are asked for, or fewer where there are no helpers', async ({
  backend,
}) => {
  const isNative = backend.info().backend === 'native'
  for (const threads of [1, 2, 3]) {
    const other = await loadBackend({ threads })
    assert.is(other.info().threads, isNative ? threads : 1)
  }
  assert.is((await loadBackend()).info().threads, backend.info().threads, 'one load does not change the next')
})

test('the bits are the same with any number of threads', async () => {
  // Passes of more than one chunk, which threads share.
  const run = async (backend: Backend, hidden?: number[]) => {
    const problem = randomReweighting(backend, { samples: 3000, weighting: 'margin', hidden })
    const method = nhgd({ innerSteps: 4, batchSize: 2500, refineSamples: 2500, observe: { every: 2 } })
    return solve(problem, { method, outerSteps: 3, seed: 2 }).result
  }
  for (const hidden of [undefined, [7]]) {
    const [one, three] = await Promise.all(
      [1, 3].map(async (threads) => run(await loadBackend({ threads }), hidden)),
    )
    same(one.outer, three.outer)
    same(one.inner, three.inner)
  }
})

test('what is no number of threads is refused', async () => {
  for (const threads of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60, {}]) {
    await refuses('ERR_BACKEND', 'threads', () => loadBackend({ threads: threads as never }))
  }
})

test.run()
