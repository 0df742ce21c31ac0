import * as assert from 'uvu/assert'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import type { NhgdOptions } from '../../ts/methods/nhgdOptions.ts'
import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { solve } from '../../ts/run/solve.ts'
import { close } from '../support/close.ts'
import { denseSolve, identity, multiply, multiplyTransposed } from '../support/dense.ts'
import { fixture } from '../support/fixtures.ts'
import { fixtureQuadratic } from '../support/problems.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('quadratic')
const numbers = fixture('quadratic')
const { H, C, c0, Q, t, v, theta_star, theta_in, u } = numbers.arrays
const atStar = { inner: theta_star, outer: v, expected: numbers.arrays.hypergrad }
const atGiven = { inner: theta_in, outer: v, expected: numbers.arrays.hypergrad_at_theta_in }

/** The rows that the Fisher is given are a square root of H: F is H after one look at them. */
const allRows = { rows: 'perSample', smoothing: 'average' } as const
const exactForms: Record<string, NhgdOptions> = {
  dense: { fisher: { form: 'dense', damping: 1e-13, tolerance: 1e-14, ...allRows } },
  window: { fisher: { form: 'window', length: 12, damping: 1e-8, ...allRows }, refine: 4 },
  'window, refined': { fisher: { form: 'window', length: 12, damping: 0.1, ...allRows }, refine: 24 },
  'diagonal, refined': { fisher: { form: 'diagonal', damping: 0.1, ...allRows }, refine: 40 },
}

test('exact gives the fixture’s hypergradient, at θ* and elsewhere', async ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  for (const { expected, ...at } of [atStar, atGiven]) {
    const { hypergradient: got, residual } = await hypergradient(problem, { ...at, method: exact() })
    close(got, expected, 1e-10)
    assert.ok(Number(residual) < 1e-14, `residual ${residual}`)
  }
})

for (const [name, options] of Object.entries(exactForms)) {
  test(`nhgd with ${name} gives it too`, async ({ backend }) => {
    const problem = fixtureQuadratic(backend, numbers)
    const method = nhgd({ refine: 0, innerSteps: 1, refineSamples: 1, refineDamping: 0, ...options })
    for (const { expected, ...at } of [atStar, atGiven]) {
      const estimate = await hypergradient(problem, { ...at, method })
      close(estimate.hypergradient, expected, 1e-10)
      const known = estimate.residual !== undefined
      assert.is(known, options.refine !== undefined)
      assert.is(estimate.operator, known ? 'hessian' : 'none')
      assert.ok((estimate.residual ?? 0) < 1e-10, `residual ${estimate.residual}`)
    }
  })
}

test('exact keeps its digits in f32 at a condition of 4e5', async ({ backend }) => {
  const n = 20
  const w = Float64Array.from({ length: n }, (_, i) => Math.sin(3 * i + 1))
  const norm = Math.hypot(...w)
  // I − 2wwᵀ/‖w‖² on either side of eigenvalues from 1 to 1/4e5.
  const reflect = (i: number, j: number) => (i === j ? 1 : 0) - (2 * w[i] * w[j]) / norm ** 2
  const h = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < n; k++) h[i * n + j] += reflect(i, k) * reflect(j, k) * 4e5 ** (-k / (n - 1))
    }
  }
  const rounded = h.map(Math.fround)
  const t = Float64Array.from({ length: n }, (_, i) => Math.fround(Math.cos(5 * i)))
  const zeros = new Float64Array(n)
  const options = { backend, dtype: 'f32', c: identity(n), c0: zeros, q: identity(n), mu: 0 } as const
  const problem = quadratic({ ...options, h: rounded, t })
  const at = { inner: zeros, outer: zeros, method: exact() }
  const { hypergradient: got, residual = Number.NaN } = await hypergradient(problem, at)
  // θ = 0: ∇_θ f = −t, and Lᵀu = −u.
  close(
    got,
    denseSolve(
      rounded,
      t.map((x) => -x),
    ),
    1e-6,
  )
  const left = multiply(rounded, Float64Array.from(got)).map((x, i) => -t[i] - x)
  const truth = Math.hypot(...left) / Math.hypot(...t)
  assert.ok(
    residual < 0.1 && residual > truth / 30 && residual < 30 * truth,
    `${residual} told, ${truth} true`,
  )
})

test('a given point is left where it is', async ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  const inner = Float64Array.from(theta_in)
  const outer = Float64Array.from(v)
  await hypergradient(problem, { inner, outer, method: exact() })
  assert.equal(inner, theta_in)
  assert.equal(outer, v)
})

test('f and its gradients', ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  const [inner, outer] = [problem.vector(theta_star), problem.vector(v)]
  const [direct, target] = [problem.zeros(5), problem.zeros(12)]
  const loss = problem.oracles.outerGradient(problem.point(inner, outer), direct, target)
  close([loss], [numbers.scalars.phi], 1e-12)
  close([problem.oracles.outerLoss(problem.point(inner, outer))], [numbers.scalars.phi], 1e-12)
  close(target.readF64(), numbers.arrays.grad_f_theta, 1e-11)
  close(
    direct.readF64(),
    v.map((x) => numbers.scalars.mu * x),
    1e-14,
  )
})

test('H⁻¹∇_θf, Hu and Lᵀu', ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  const [inner, outer] = [problem.vector(theta_star), problem.vector(v)]
  const [target, direction] = [problem.vector(numbers.arrays.grad_f_theta), problem.zeros(12)]
  problem.oracles.exactDirection(problem.point(inner, outer), target, direction, false)
  close(direction.readF64(), u, 1e-10)
  const [batch, product, cross] = [backend.Batch.all(1), problem.zeros(12), problem.vector(v)]
  problem.oracles.curvatureProduct(problem.point(inner, outer), batch, direction, product)
  close(product.readF64(), multiply(H, u), 1e-11)
  // Lᵀ is −Cᵀ, and the product is added to what is there.
  problem.oracles.crossProduct(problem.point(inner, outer), batch, direction, 2, cross)
  const expected = multiplyTransposed(C, u).map((x, j) => v[j] - 2 * x)
  close(cross.readF64(), expected, 1e-11)
})

test('solve finds the minimum of Φ, which is that of a linear system', async ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  // Φ is quadratic: ∇Φ(v) = ∇Φ(0) + Kv, K column by column from the closed form.
  const gradient = (v: ArrayLike<number>) => {
    const theta = denseSolve(
      H,
      c0.map((x, i) => x + multiply(C, v)[i]),
    )
    const offset = multiply(
      Q,
      theta.map((x, i) => x - t[i]),
    )
    return multiplyTransposed(C, denseSolve(H, offset)).map((x, j) => numbers.scalars.mu * v[j] + x)
  }
  const zero = gradient(new Float64Array(5))
  const k = new Float64Array(25)
  for (let j = 0; j < 5; j++) {
    const unit = Float64Array.from({ length: 5 }, (_, i) => (i === j ? 1 : 0))
    gradient(unit).forEach((x, i) => {
      k[i * 5 + j] = x - zero[i]
    })
  }
  const best = denseSolve(
    k,
    zero.map((x) => -x),
  )
  const { outer, status, inner } = await solve(problem, {
    method: exact({ innerSteps: 30, innerOptimizer: { kind: 'momentum', rate: 0.02 } }),
    outerOptimizer: { kind: 'momentum', rate: 0.025, momentum: 0.8 },
    outerSteps: 1000,
    tolerance: 1e-8,
  }).result
  assert.is(status, 'converged')
  close(outer, best, 1e-6)
  close(
    inner,
    denseSolve(
      H,
      c0.map((x, i) => x + multiply(C, best)[i]),
    ),
    1e-6,
  )
})

test('methods with a Fisher take one that needs no layers', async ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  for (const method of [nhgd(), preconditionedConjugateGradients()]) {
    const { outerLoss } = await solve(problem, { method, outerSteps: 1 }).result
    assert.ok((await solve(problem, { method, outerSteps: 20 }).result).outerLoss < outerLoss)
  }
})

test('f32 stays within 1e-4', async ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers, 'f32')
  const { expected, ...at } = atGiven
  const { hypergradient: got } = await hypergradient(problem, { ...at, method: exact() })
  assert.instance(got, Float32Array)
  close(got, expected, 1e-4)
})

test.run()
