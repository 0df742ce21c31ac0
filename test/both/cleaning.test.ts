import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { Fisher } from '../../ts/backend/fisher.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import type { NhgdOptions } from '../../ts/methods/nhgdOptions.ts'
import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { close } from '../support/close.ts'
import { multiply, multiplyTransposed } from '../support/dense.ts'
import { fixture } from '../support/fixtures.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('cleaning')
const { arrays, scalars } = fixture('softmax_cleaning')
const { X, y, Xval, yval, v, theta_in, theta_star } = arrays
const { n, nv, d: columns, c: classes, lam } = scalars
const parameters = columns * classes
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))

/** The fixture’s problem; `weighting` for one with other weights. */
function problemOf(
  backend: Backend,
  weighting: 'perSample' | { fixed: ArrayLike<number> } = 'perSample',
  dtype: 'f32' | 'f64' = 'f64',
) {
  return reweighting({
    backend,
    model: softmaxRegression({ classes, bias: false }),
    train: { features: matrix(X, n, columns), labels: y },
    trusted: { features: matrix(Xval, nv, columns), labels: yval },
    regularization: lam,
    weighting,
    dtype,
  })
}

test('losses and gradients', ({ backend }) => {
  const problem = problemOf(backend)
  const { oracles } = problem
  const [inner, outer] = [problem.vector(theta_in), problem.vector(v)]
  const [gradient, direct, target] = [problem.zeros(parameters), problem.vector(v), problem.zeros(parameters)]
  const all = backend.Batch.all(n)
  const loss = oracles.innerGradient(problem.point(inner, outer), all, gradient)
  close(gradient.readF64(), arrays.grad_g_in, 1e-10)
  close([loss], [oracles.innerLoss(problem.point(inner, outer))], 1e-13)
  const step = new backend.Step(parameters, 'f64')
  assert.is(oracles.innerStep(problem.point(inner, outer), all, step), loss)
  close(step.gradient.readF64(), arrays.grad_g_in, 1e-10)
  close(step.inner.readF64(), theta_in, 0)
  close([oracles.outerGradient(problem.point(inner, outer), direct, target)], [scalars.f_in], 1e-10)
  close(target.readF64(), arrays.grad_f_in, 1e-10)
  close(direct.readF64(), new Float64Array(n), 0, '∇_v f')
  close([oracles.outerLoss(problem.point(problem.vector(theta_star), outer))], [scalars.phi], 1e-10)
})

test('weights are the logistic function of v', ({ backend }) => {
  const problem = problemOf(backend)
  close(problem.oracles.weights(problem.start(0, { outer: v })).readF64(), v.map(sigmoid), 1e-14)
})

test('Hu and Lᵀu', ({ backend }) => {
  const problem = problemOf(backend)
  const all = backend.Batch.all(n)
  const outer = problem.vector(v)
  const random = new Random(5)
  for (const [theta, hessian] of [
    [theta_in, arrays.hessian_in],
    [theta_star, arrays.hessian_star],
  ]) {
    const u = random.normals(parameters)
    const product = problem.zeros(parameters)
    problem.oracles.curvatureProduct(
      problem.point(problem.vector(theta), outer),
      all,
      problem.vector(u),
      product,
    )
    close(product.readF64(), multiply(hessian, u), 1e-10)
  }
  const u = random.normals(parameters)
  const product = problem.zeros(n)
  problem.oracles.crossProduct(
    problem.point(problem.vector(theta_in), outer),
    all,
    problem.vector(u),
    1,
    product,
  )
  close(product.readF64(), multiplyTransposed(arrays.cross_in, u), 1e-10)
})

test('H⁻¹∇_θf', ({ backend }) => {
  const problem = problemOf(backend)
  const direction = problem.zeros(parameters)
  const [inner, outer, target] = [theta_in, v, arrays.grad_f_in].map((x) => problem.vector(x))
  problem.oracles.exactDirection(problem.point(inner, outer), target, direction, false)
  close(direction.readF64(), arrays.u_in, 1e-10)
})

test('exact, at θ* and elsewhere', async ({ backend }) => {
  const problem = problemOf(backend)
  const method = exact()
  const there = await hypergradient(problem, { inner: theta_in, outer: v, method })
  close(there.hypergradient, arrays.hypergrad_in, 1e-10)
  close([there.outerLoss], [scalars.f_in], 1e-10)
  const star = await hypergradient(problem, { inner: theta_star, outer: v, method })
  close(star.hypergradient, arrays.hypergrad_star, 1e-10)
})

/**
 * Forms whose A is the inverse of what it is compared with: of the Hessian, since Gauss–Newton is the Hessian here, or
 * after corrections that make it so; of the empirical Fisher with √σ.
 */
const rows = { rows: 'perSample', statistic: 'expected', smoothing: 'average', damping: 0 } as const
const length = n * classes
const hessian = arrays.hypergrad_in
const empirical = arrays.hypergrad_in_efim_sqrt
const forms: Record<string, [NhgdOptions, Float64Array]> = {
  'dense, expected': [{ fisher: { form: 'dense', tolerance: 1e-14, ...rows } }, hessian],
  'window, expected': [{ fisher: { form: 'window', length, ...rows } }, hessian],
  'samples, expected': [
    { fisher: { form: 'samples', statistic: 'expected', samples: n, damping: 0, tolerance: 1e-14 } },
    hessian,
  ],
  'kronecker, refined': [{ fisher: { form: 'kronecker', statistic: 'expected' }, refine: 80 }, hessian],
  'eigenkronecker, refined': [
    { fisher: { form: 'eigenkronecker', statistic: 'expected' }, refine: 80 },
    hessian,
  ],
  'sketch, refined': [{ fisher: { form: 'sketch', rank: 20, damping: 0.01 }, refine: 120 }, hessian],
  'dense, empirical': [
    { fisher: { form: 'dense', tolerance: 1e-14, ...rows, statistic: 'empirical' } },
    empirical,
  ],
  'window, empirical': [{ fisher: { form: 'window', length, ...rows, statistic: 'empirical' } }, empirical],
  'samples, empirical': [
    { fisher: { form: 'samples', statistic: 'empirical', samples: n, damping: 0 } },
    empirical,
  ],
}

for (const [name, [options, expected]] of Object.entries(forms)) {
  test(`nhgd: ${name}`, async ({ backend }) => {
    const method = nhgd({
      refine: 0,
      innerSteps: 1,
      batchSize: n,
      refineSamples: n,
      refineDamping: 0,
      cross: 'all',
      ...options,
    })
    const at = { inner: theta_in, outer: v, method }
    const estimate = await hypergradient(problemOf(backend), at)
    close(estimate.hypergradient, expected, 1e-10)
    if (options.refine === undefined) assert.is(estimate.residual, undefined)
    else assert.ok((estimate.residual ?? 1) < 1e-9, `residual ${estimate.residual}`)
  })
}

test('samples that are taken afresh give the Hessian as well', async ({ backend }) => {
  const fisher = { form: 'samples', statistic: 'expected', samples: n, damping: 0, tolerance: 1e-14 } as const
  const method = preconditionedConjugateGradients({
    fisher: { ...fisher, refreshEvery: 1 },
    refine: 0,
    innerSteps: 1,
    batchSize: n,
    cross: 'all',
  })
  const estimate = await hypergradient(problemOf(backend), { inner: theta_in, outer: v, method })
  close(estimate.hypergradient, hessian, 1e-10)
})

test('the trajectory’s and a sampled cross product over all samples are the full one', async ({
  backend,
}) => {
  const fisher = { form: 'samples', statistic: 'expected', samples: n, damping: 0, tolerance: 1e-14 } as const
  for (const cross of ['trajectory', { samples: n }] as const) {
    const method = nhgd({ fisher, refine: 0, innerSteps: 1, batchSize: n, cross })
    const estimate = await hypergradient(problemOf(backend), { inner: theta_in, outer: v, method })
    close(estimate.hypergradient, hessian, 1e-10)
  }
})

test('weights that enter squared give the fixture’s raw empirical Fisher', async ({ backend }) => {
  // The Fisher of per-sample gradients σ∇CE is that of a problem whose weights are σ².
  const squared = problemOf(backend, { fixed: v.map((z) => sigmoid(z) ** 2) })
  const { inner, outer } = { inner: squared.vector(theta_in), outer: squared.zeros(0) }
  const settings = { form: 'samples', statistic: 'empirical', samples: n, damping: 0 } as const
  const fisher = new Fisher(backend, squared.oracles, squared.point(inner, outer), settings)
  const step = new backend.Step(parameters, 'f64')
  squared.oracles.observe(squared.point(inner, outer), backend.Batch.all(n), step, fisher.handle, 0)
  await fisher.observe(step)
  const direction = squared.zeros(parameters)
  await fisher.solve(squared.vector(arrays.grad_f_in), direction)
  const problem = problemOf(backend)
  const product = problem.zeros(n)
  problem.oracles.crossProduct(
    problem.point(inner, problem.vector(v)),
    backend.Batch.all(n),
    direction,
    -1,
    product,
  )
  close(product.readF64(), arrays.hypergrad_in_efim_raw, 1e-10)
})

test('f32 stays within 1e-4', async ({ backend }) => {
  const problem = problemOf(backend, 'perSample', 'f32')
  const fisher = { form: 'samples', statistic: 'expected', samples: n, damping: 0 } as const
  for (const method of [
    exact(),
    nhgd({ fisher, innerSteps: 1, batchSize: n, refineSamples: n, refineDamping: 0 }),
  ]) {
    const estimate = await hypergradient(problem, { inner: theta_in, outer: v, method })
    assert.instance(estimate.hypergradient, Float32Array)
    close(estimate.hypergradient, arrays.hypergrad_in, 1e-4)
  }
})

test.run()
