import * as assert from 'uvu/assert'
import { type Case, controlError, cases as named } from '../../bench/experiment/pde/cases.ts'
import { runCase } from '../../bench/experiment/pde/run.ts'
import type { Backend } from '../../ts/backend/backend.ts'
import {
  boundaryControl,
  coefficientIdentification,
  heatControl,
  type PdeConstrainedOptions,
  sourceControl,
} from '../../ts/problems/pdeConstrained.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { refuses } from '../support/errors.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('pdeConstrained')
const quick = named(true)
const small = { hidden: [16, 16], points: 12 }

/** Problems in small, and the largest error of the control. */
const bars: Record<string, [number, (backend: Backend) => Problem]> = {
  boundary: [0.01, (backend) => boundaryControl({ backend, hidden: [10], points: 16 })],
  'source, square': [0.05, (backend) => sourceControl({ backend, ...small })],
  'source, lShape': [0.05, (backend) => sourceControl({ backend, ...small, domain: 'lShape' })],
  coefficient: [0.01, (backend) => coefficientIdentification({ backend, hidden: [12], points: 24 })],
  heat: [0.05, (backend) => heatControl({ backend, ...small })],
}

for (const one of quick) {
  test(`${one.name}: nhgd ends near the control of the adjoint solver`, async ({ backend }) => {
    const [bar, problem] = bars[one.name]
    const best = one.adjoint(true)
    // The grid's own error has to be far below the bar.
    assert.ok(controlError(one.basis, one.adjoint(false), best) < 0.5 * bar)
    const { error } = await runCase(backend, { ...one, problem } as Case, best, 'nhgd', 0, true)
    assert.ok(error < bar, `${error} of the control`)
  })
}

test('refuses what makes no sense', async ({ backend }) => {
  const problems = [boundaryControl, sourceControl, coefficientIdentification, heatControl]
  for (const make of problems) {
    await refuses('ERR_RANGE', 'points', () => make({ backend, points: 1 }))
    await refuses('ERR_RANGE', 'options', () => make({ backend, hiden: [3] } as PdeConstrainedOptions))
  }
  await refuses('ERR_RANGE', 'domain', () => sourceControl({ backend, domain: 'disc' as 'square' }))
  await refuses('ERR_RANGE', 'noise', () => coefficientIdentification({ backend, noise: -1 }))
})

test.run()
