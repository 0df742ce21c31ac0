import * as assert from 'uvu/assert'
import { amigo } from '../../ts/methods/amigo.ts'
import { checkHypergradient } from '../../ts/methods/checkHypergradient.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import type { Method } from '../../ts/methods/method.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { oneStep } from '../../ts/methods/oneStep.ts'
import { soba } from '../../ts/methods/soba.ts'
import { close } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { fixture } from '../support/fixtures.ts'
import { fixtureQuadratic, randomReweighting } from '../support/problems.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('check')
const quadratic = fixture('quadratic')

test('differences of the value function are its derivative', async ({ backend }) => {
  const { v, hypergrad } = quadratic.arrays
  const problem = fixtureQuadratic(backend, quadratic)
  const result = await checkHypergradient(problem, { method: exact(), at: { outer: v }, directions: 12 })
  // Along directions of ±1, twelve of them, a derivative is a sum of the hypergradient's entries with signs.
  const sums = [0]
  for (const h of hypergrad) sums.push(...sums.splice(0).flatMap((sum) => [sum + h, sum - h]))
  for (const difference of result.differences) {
    const nearest = sums.reduce((a, b) => (Math.abs(b - difference) < Math.abs(a - difference) ? b : a))
    close([difference], [nearest], 1e-6)
  }
  assert.match(result.verdict, /agrees/)
})

const good: Record<string, Method> = {
  exact: exact(),
  nhgd: nhgd({ refine: 60, refineDamping: 0 }),
  'conjugate gradients': conjugateGradients({ steps: 60, tolerance: 1e-8 }),
  amigo: amigo({ rate: 1, steps: 100 }),
}
for (const [name, method] of Object.entries(good)) {
  test(`${name} passes`, async ({ backend }) => {
    const problem = randomReweighting(backend)
    const result = await checkHypergradient(problem, { method })
    assert.ok(result.worst < 1e-5, result.verdict)
    assert.ok(result.cosine > 0.999999 && Math.abs(result.ratio - 1) < 1e-4, result.verdict)
    assert.match(result.verdict, /agrees/)
  })
}

test('margins, which are held while the value function is differentiated, pass too', async ({ backend }) => {
  const problem = randomReweighting(backend, { weighting: 'margin', samples: 60 })
  const outer = Float64Array.from({ length: problem.oracles.outerLength }, (_, i) => 0.3 - 0.2 * (i % 3))
  const { worst, verdict } = await checkHypergradient(problem, { method: exact(), at: { outer } })
  assert.ok(worst < 1e-5, verdict)
})

test('a method that is not exact is told so', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const result = await checkHypergradient(problem, { method: oneStep({ scale: 1e-3 }) })
  assert.ok(result.worst > 0.1 && result.ratio < 0.5, result.verdict)
  assert.not.match(result.verdict, /agrees|near/)
})

test('a wrong sign is told so', async ({ backend }) => {
  const right = exact()
  const wrong: Method = {
    ...right,
    async step(problem, point, state) {
      const estimate = await right.step(problem, point, state)
      estimate.hypergradient.scale(-1)
      return estimate
    },
  }
  const { verdict } = await checkHypergradient(randomReweighting(backend), { method: wrong })
  assert.match(verdict, /uphill/)
})

test('methods that start warm get as many estimates as are asked for', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const after = (iterations: number) => checkHypergradient(problem, { method: soba({ rate: 1 }), iterations })
  const [few, many] = [await after(5), await after(2000)]
  assert.ok(many.worst < 1e-4 && few.worst > 10 * many.worst, `${few.verdict} ${many.verdict}`)
})

test('single precision and senseless numbers are refused', async ({ backend }) => {
  const method = exact()
  await refuses('ERR_DTYPE', 'problem', () =>
    checkHypergradient(randomReweighting(backend, { dtype: 'f32' }), { method }),
  )
  await refuses('ERR_RANGE', 'directions', () =>
    checkHypergradient(randomReweighting(backend), { method, directions: 0 }),
  )
})

test.run()
