import * as assert from 'uvu/assert'
import type { Vector } from '../../ts/backend/binding.ts'
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
import { Random } from '../support/random.ts'
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

/** A method whose hypergradients are changed. */
function changed(method: Method, change: (hypergradient: Vector) => void): Method {
  return {
    ...method,
    async step(problem, point, state) {
      const estimate = await method.step(problem, point, state)
      change(estimate.hypergradient)
      return estimate
    },
  }
}

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

test('the verdict tells that a method is not exact', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const result = await checkHypergradient(problem, { method: oneStep({ scale: 1e-3 }) })
  assert.ok(result.worst > 0.1 && result.ratio < 0.5, result.verdict)
  assert.not.match(result.verdict, /agrees|near/)
})

test('the verdict tells a wrong sign', async ({ backend }) => {
  const wrong = changed(exact(), (hypergradient) => hypergradient.scale(-1))
  const { verdict } = await checkHypergradient(randomReweighting(backend), { method: wrong })
  assert.match(verdict, /uphill/)
})

test('exact passes where weights are nearly 0 or 1, and the derivatives tiny', async ({ backend }) => {
  const problem = randomReweighting(backend)
  for (const v of [8, 12, 14, 15, 16, -14, -15, -16]) {
    const at = { outer: new Float64Array(40).fill(v) }
    const { verdict } = await checkHypergradient(problem, { method: exact(), at, directions: 3 })
    assert.match(verdict, /agrees/, `v = ${v}`)
  }
  const at = { outer: new Float64Array(40).fill(40) }
  const { verdict } = await checkHypergradient(problem, { method: exact(), at, directions: 3 })
  assert.match(verdict, /No verdict: the differences .+ drown/)
})

test('the verdict tells a hypergradient of zeros', async ({ backend }) => {
  const zeros = changed(exact(), (hypergradient) => hypergradient.fill(0))
  const { verdict, cosine, ratio } = await checkHypergradient(randomReweighting(backend), { method: zeros })
  assert.match(verdict, /is zero where the value function is not flat/)
  assert.equal([cosine, ratio], [0, 0])
})

test('on a network the verdict tells the Gauss–Newton matrix from too few steps', async ({ backend }) => {
  const problem = randomReweighting(backend, { hidden: [3], samples: 30, regularization: 0.05 })
  const random = new Random(5)
  const at = { inner: random.normals(problem.oracles.innerLength), outer: new Float64Array(30) }
  const solved = await checkHypergradient(problem, { method: exact(), at })
  assert.match(solved.verdict, /the Gauss–Newton matrix leaves out/)
  const hessian = await checkHypergradient(problem, { method: exact({ operator: 'hessian' }), at })
  assert.match(hessian.verdict, /agrees/)
  const few = await checkHypergradient(problem, { method: oneStep({ scale: 1e-3 }), at })
  assert.not.match(few.verdict, /Gauss–Newton/)
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
