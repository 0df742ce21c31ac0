import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { Vector } from '../../ts/backend/binding.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import {
  type Preconditioner,
  type System,
  conjugateGradients as solveBy,
} from '../../ts/hypergradient/conjugateGradients.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { solve } from '../../ts/run/solve.ts'
import { close, same } from '../support/close.ts'
import { denseSolve, identity, multiply } from '../support/dense.ts'
import { fixture } from '../support/fixtures.ts'
import { fixtureQuadratic, randomReweighting } from '../support/problems.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('conjugate gradients')
const numbers = fixture('quadratic')
const { H, v, theta_star, grad_f_theta: b, u } = numbers.arrays
const d = b.length

/** (H + damping I) u = ∇_θf at the fixture’s θ*. */
function systemOf(backend: Backend, damping = 0): System {
  const problem = fixtureQuadratic(backend, numbers)
  return {
    problem,
    point: problem.point(problem.vector(theta_star), problem.vector(v)),
    batch: backend.Batch.all(1),
    target: problem.vector(b),
    damping,
  }
}

/** x ← factor · b. */
const times =
  (factor: number): Preconditioner =>
  async (b, x) => {
    x.copyFrom(b)
    x.scale(factor)
  }

function residualOf(x: Float64Array, matrix = H): number {
  const residual = multiply(matrix, x).map((y, i) => b[i] - y)
  return Math.hypot(...residual) / Math.hypot(...b)
}

test('more steps never leave a larger residual; as many as unknowns solve the system', async ({
  backend,
}) => {
  let before = Number.POSITIVE_INFINITY
  for (const steps of [0, 1, 2, 4, 8, 12, 16]) {
    const system = systemOf(backend)
    const direction = system.problem.zeros(d)
    const { residual, products } = await solveBy(system, times(0.05), direction, steps)
    const truth = residualOf(direction.readF64())
    assert.ok(truth <= before, `${truth} after ${steps} steps, ${before} before`)
    assert.ok(Math.abs(residual - truth) < 1e-12)
    assert.ok(products <= steps + 2) // the start and the check of the end are no steps
    before = truth
    if (steps === 16) close(direction.readF64(), u, 1e-9)
  }
  assert.ok(before < 1e-10, `${before}`)
})

test('a good preconditioner needs one step', async ({ backend }) => {
  const system = systemOf(backend)
  const direction = system.problem.zeros(d)
  const exactly: Preconditioner = async (b, x) => x.writeF64(denseSolve(H, b.readF64()).map((y) => 1.5 * y))
  const { residual, fallback } = await solveBy(system, exactly, direction, 1)
  assert.ok(residual < 1e-12, `${residual}`)
  assert.is(fallback, undefined)
})

test('damping is part of the system', async ({ backend }) => {
  const system = systemOf(backend, 0.7)
  const direction = system.problem.zeros(d)
  const { residual } = await solveBy(system, times(0.05), direction, 30)
  const damped = identity(d).map((x, i) => H[i] + 0.7 * x)
  close(direction.readF64(), denseSolve(damped, b), 1e-9)
  assert.ok(residual < 1e-10)
})

test('last iteration’s direction is where it starts, if that is better', async ({ backend }) => {
  const system = systemOf(backend)
  const warm = system.problem.vector(u.map((x) => x * (1 + 1e-6)))
  const { residual, products } = await solveBy(system, times(0.05), warm, 1)
  assert.ok(residual < 2e-6, `${residual}`)
  assert.is(products, 2)
  // A bad one is left for A target.
  const [bad, cold] = [system.problem.vector(u.map((x) => -50 * x)), system.problem.zeros(d)]
  const fromBad = await solveBy(system, times(0.05), bad, 2)
  const fromCold = await solveBy(system, times(0.05), cold, 2)
  assert.is(fromBad.residual, fromCold.residual)
  same(bad.readF64(), cold.readF64())
})

test('without steps last iteration’s direction does not count', async ({ backend }) => {
  const system = systemOf(backend)
  const direction = system.problem.vector(u)
  await solveBy(system, times(0.05), direction, 0)
  close(
    direction.readF64(),
    b.map((x) => 0.05 * x),
    1e-14,
  )
})

test('damped corrections converge where their rate allows', async ({ backend }) => {
  const system = systemOf(backend)
  const direction = system.problem.zeros(d)
  const settings = { steps: 3000, rate: 1 }
  const { residual, fallback } = await solveBy(system, times(0.01), direction, settings)
  assert.ok(residual < 1e-6, `${residual}`)
  assert.is(fallback, undefined)
  close(direction.readF64(), u, 1e-5)
})

test('corrections that diverge are stopped, reported, and not taken', async ({ backend }) => {
  const system = systemOf(backend)
  const [refined, start] = [system.problem.zeros(d), system.problem.zeros(d)]
  const { fallback, residual, products } = await solveBy(system, times(0.01), refined, {
    steps: 500,
    rate: 1e4,
  })
  assert.is(fallback, 'no progress')
  assert.ok(products < 10, `${products} products`)
  await solveBy(system, times(0.01), start, 0)
  close([residual], [residualOf(start.readF64())], 1e-14)
  same(refined.readF64(), start.readF64())
  assert.ok(refined.dot(refined) > 0)
})

/** A problem whose curvature is what `product` says. */
function curved({ problem, ...rest }: System, product: (u: Vector, out: Vector) => void): System {
  const oracles = {
    curvatureProduct: (_p: unknown, _b: unknown, u: Vector, x: Vector) => product(u, x),
  }
  const zeros = (length: number) => problem.zeros(length)
  return { ...rest, problem: { oracles, zeros } as unknown as Problem }
}

test('negative curvature ends the steps and is reported', async ({ backend }) => {
  const system = curved(systemOf(backend), (u, out) => {
    out.copyFrom(u)
    out.scale(-1)
  })
  const direction = systemOf(backend).problem.zeros(d)
  const { fallback, residual, stopped } = await solveBy(system, times(0.5), direction, 5)
  assert.equal([fallback, stopped], ['negative curvature', 'negative curvature'])
  // C = −I: the residual of x = b/2 is 3b/2.
  close([residual], [1.5], 1e-14)
  close(
    direction.readF64(),
    b.map((x) => x / 2),
    1e-14,
  )
})

test('a right-hand side of zero gives the direction zero', async ({ backend }) => {
  const system = { ...systemOf(backend), target: systemOf(backend).problem.zeros(d) }
  const direction = system.problem.vector(u)
  const { residual, products } = await solveBy(system, times(1), direction, 5)
  assert.equal([residual, products], [0, 0])
  same(direction.readF64(), new Float64Array(d))
})

/** Hypergradients of g = s · (½ θᵀHθ − θᵀ(Cv + c₀)) and f = o · ½‖θ − t‖² at θ*, which are o · −0.5102. */
function scaled(backend: Backend, dtype: 'f32' | 'f64', inner: number, outer: number): Problem {
  const times = (...entries: number[]) => entries.map((x) => x * inner)
  const [h, c, c0] = [times(2, 0.5, 0.5, 1), times(1, 0.5), times(0, 1)]
  return quadratic({ backend, dtype, h, c, c0, q: [outer, 0, 0, outer], t: [1, 1], mu: 0 })
}
const scaledAt = { inner: [-2 / 7, 8 / 7], outer: [0] }
const scaledTruth = -25 / 49

test('neither large nor small curvature, nor large or small f, costs digits', async ({ backend }) => {
  const window = nhgd({ fisher: { form: 'window', length: 64, damping: 1e-3 }, refine: 4, refineDamping: 0 })
  const cases = {
    f32: [
      [1, 1],
      [1e5, 1],
      [1e8, 1],
      [1e-8, 1],
      [1, 1e-24],
      [1, 1e20],
    ],
    f64: [
      [1, 1],
      [1e20, 1],
      [1e-20, 1],
      [1, 1e-200],
      [1, 1e200],
    ],
  } as const
  for (const dtype of ['f32', 'f64'] as const) {
    for (const [inner, outer] of cases[dtype]) {
      for (const method of [conjugateGradients({ tolerance: 0 }), window, exact()]) {
        const problem = scaled(backend, dtype, inner, outer)
        const { hypergradient: got, residual = Number.NaN } = await hypergradient(problem, {
          ...scaledAt,
          method,
        })
        const what = `${dtype} ${method.name}, g times ${inner}, f times ${outer}, residual ${residual}`
        close([got[0] / outer], [scaledTruth], dtype === 'f32' ? 1e-5 : 1e-12, what)
        assert.ok(residual < (dtype === 'f32' ? 1e-5 : 1e-12), what)
      }
    }
  }
})

test('the residual in f32 is that of the direction where rounding decides', async ({ backend }) => {
  // Hilbert’s matrix of order 8: condition 1e10.
  const n = 8
  const h = Array.from({ length: n * n }, (_, i) => Math.fround(1 / (1 + (i % n) + Math.floor(i / n))))
  const zeros = new Array(n).fill(0)
  const options = { backend, h: h.map((x, i) => (i % (n + 1) ? x : x + 1e-5)), c: zeros, c0: zeros, mu: 0 }
  const problem = quadratic({ ...options, dtype: 'f32', q: identity(n), t: zeros })
  const target = Float64Array.from({ length: n }, (_, i) => (i % 2 ? -1 : 1))
  for (const start of [0, 1e6]) {
    for (const steps of [3, 8, 30]) {
      const system = {
        problem,
        point: problem.start(),
        batch: backend.Batch.all(1),
        target: problem.vector(target),
        damping: 0,
      }
      const direction = problem.vector(target.map((x) => start * x))
      const { residual } = await solveBy(system, times(1), direction, steps)
      const rest = multiply(options.h.map(Math.fround), direction.readF64()).map((x, i) => target[i] - x)
      const truth = Math.hypot(...rest) / Math.hypot(...target)
      assert.ok(
        residual < 2 * truth && truth < 2 * residual,
        `${residual} told, ${truth} true, ${steps} steps`,
      )
      assert.ok(truth <= 1, `${truth} after ${steps} steps: 0 is better`)
    }
  }
})

test('0 is never better than where the steps end', async ({ backend }) => {
  const n = 120
  const bytes = Uint8Array.from({ length: n * 40 }, (_, i) => ((i * 2654435761) >>> 16) % 256)
  const train = { features: matrix(bytes, n, 40), labels: Array.from({ length: n }, (_, i) => i % 3) }
  const trusted = { ...train, labels: train.labels.map((y, i) => (i % 4 ? y : (y + 1) % 3)) }
  const model = softmaxRegression({ classes: 3 })
  const problem = reweighting({ backend, model, train, trusted, dtype: 'f64' })
  const at = { inner: new Float64Array(123), outer: new Float64Array(n) }
  for (const steps of [1, 2, 5, 10, 20]) {
    for (const method of [
      conjugateGradients({ steps, tolerance: 0 }),
      nhgd({ innerSteps: 1, refine: steps, fisher: { form: 'window', damping: 1e-3 } }),
    ]) {
      const { residual = Number.NaN } = await hypergradient(problem, { ...at, method })
      assert.ok(residual <= 1, `${method.name}, ${steps} steps: ${residual}`)
    }
  }
})

test('a residual below the smallest square is no negative curvature', async ({ backend }) => {
  const n = 120
  const x = matrix(
    Float32Array.from({ length: n * 4 }, (_, i) => Math.sin(12.9898 * (i + 1))),
    n,
    4,
  )
  const train = { features: x, labels: Array.from({ length: n }, (_, i) => i % 3) }
  const model = softmaxRegression({ classes: 3 })
  // The Hessian is 2e6 I but for 1e-7 of it.
  const trusted = { ...train, labels: train.labels.map((y, i) => (i % 4 ? y : (y + 1) % 3)) }
  const problem = reweighting({ backend, model, train, trusted, regularization: 1e6 })
  const at = { inner: new Float64Array(15), outer: new Float64Array(n) }
  const method = nhgd({ refine: 50, refineDamping: 0 })
  const { residual = Number.NaN, fallbacks } = await hypergradient(problem, { ...at, method })
  assert.ok(residual < 1e-6, `${residual}`)
  assert.equal(fallbacks, {})
})

test('why the steps stopped is told', async ({ backend }) => {
  const stopped = async (steps: number, tolerance: number) => {
    const system = { ...systemOf(backend), tolerance }
    return (await solveBy(system, times(0.05), system.problem.zeros(d), steps)).stopped
  }
  assert.is(await stopped(1, 0), 'steps')
  assert.is(await stopped(30, 1e-6), 'tolerance')
  assert.is(await stopped(200, 0), 'no progress')
})

test('a run warm-starts: residuals fall from one outer iteration to the next', async ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  const method = nhgd({
    fisher: { form: 'diagonal', damping: 1 },
    refine: 3,
    innerSteps: 1,
    innerOptimizer: { kind: 'sgd', rate: 0 },
  })
  const residuals: number[] = []
  await solve(problem, {
    method,
    outerSteps: 12,
    outerOptimizer: { kind: 'sgd', rate: 0 },
    inner: theta_star,
    onStep({ residual = Number.NaN }) {
      residuals.push(residual)
    },
  }).result
  assert.ok(residuals[11] < residuals[0] / 20, residuals.join(' '))
})

test('fallbacks are in the estimate and in the result', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const fisher = { form: 'diagonal', damping: 1 } as const
  const method = nhgd({ fisher, refine: { steps: 5, rate: 1e6 }, innerSteps: 2 })
  const at = { inner: new Float64Array(problem.oracles.innerLength), outer: new Float64Array(40), method }
  const estimate = await hypergradient(problem, at)
  assert.equal(estimate.fallbacks, { 'no progress': 1 })
  assert.ok(estimate.hypergradient.some((x) => x !== 0))
  const { fallbacks } = await solve(problem, { method, outerSteps: 3 }).result
  assert.equal(fallbacks, { 'no progress': 3 })
})

test.run()
