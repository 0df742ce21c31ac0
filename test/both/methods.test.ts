import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { read } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { amigo } from '../../ts/methods/amigo.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { f2sa } from '../../ts/methods/f2sa.ts'
import { kfacImplicit } from '../../ts/methods/kfacImplicit.ts'
import { maSoba } from '../../ts/methods/maSoba.ts'
import type { Estimate, Method } from '../../ts/methods/method.ts'
import { mrbo } from '../../ts/methods/mrbo.ts'
import { neumann } from '../../ts/methods/neumann.ts'
import { nystrom } from '../../ts/methods/nystrom.ts'
import { oneStep } from '../../ts/methods/oneStep.ts'
import { qnbo } from '../../ts/methods/qnbo.ts'
import { saba } from '../../ts/methods/saba.ts'
import { sama } from '../../ts/methods/sama.ts'
import { soba } from '../../ts/methods/soba.ts'
import { unrolled } from '../../ts/methods/unrolled.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { quadratic as linear } from '../../ts/problems/quadratic.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { solve } from '../../ts/run/solve.ts'
import { close, distance, same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { fixture } from '../support/fixtures.ts'
import { fixtureQuadratic, randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('methods')
const quadratic = fixture('quadratic')
const cleaning = fixture('softmax_cleaning')

/** Outer iterations at a v that stays: where the estimates go. */
async function settle(
  problem: Problem,
  method: Method,
  outer: ArrayLike<number>,
  iterations: number,
  inner: ArrayLike<number> = new Float64Array(problem.oracles.innerLength),
  frozen = false,
): Promise<Estimate> {
  const point = problem.point(problem.vector(inner), problem.vector(outer))
  const state = await method.init(problem, point, 1)
  state.optimizer.frozen = frozen
  let estimate = await method.step(problem, point, state)
  for (let k = 1; k < iterations; k++) estimate = await method.step(problem, point, state)
  return estimate
}

function fixtureCleaning(backend: Backend): Problem {
  const { X, y, Xval, yval } = cleaning.arrays
  return reweighting({
    backend,
    model: softmaxRegression({ classes: 3, bias: false }),
    train: { features: matrix(X, 64, 20), labels: y },
    trusted: { features: matrix(Xval, 40, 20), labels: yval },
    regularization: cleaning.scalars.lam,
    dtype: 'f64',
  })
}

interface Case {
  readonly method: Method
  readonly iterations: number
  readonly tolerance: number
}

/** Every method that is exact in the limit, near enough to it; all samples in every batch. */
function limits(rate: number, d: number): Record<string, Case> {
  const loop = { innerSteps: 40, innerOptimizer: { kind: 'momentum', rate } } as const
  const cg = { ...loop, steps: 2 * d, tolerance: 1e-12 }
  const twoLevels = {
    exact: { method: exact(loop), tolerance: 1e-9 },
    'conjugate gradients': { method: conjugateGradients(cg), tolerance: 1e-9 },
    neumann: { method: neumann({ ...loop, rate, terms: 1000 }), tolerance: 1e-6 },
    amigo: { method: amigo({ ...loop, rate, steps: 100 }), tolerance: 1e-6 },
    nystrom: { method: nystrom({ ...loop, rank: d, damping: 1e-8 }), tolerance: 1e-6 },
    qnbo: { method: qnbo({ ...loop, memory: d, steps: d }), tolerance: 1e-6 },
    unrolled: { method: unrolled({ rate, innerSteps: 800, depth: 800 }), tolerance: 1e-5 },
    f2sa: { method: f2sa({ rate, multiplier: 1e4, innerSteps: 100 }), tolerance: 3e-3 },
  }
  const oneLevel = {
    soba: { method: soba({ rate }), tolerance: 1e-6 },
    saba: { method: saba({ rate }), tolerance: 1e-6 },
    'MA-SOBA': { method: maSoba({ rate }), tolerance: 1e-6 },
    mrbo: { method: mrbo({ rate, linearRate: rate, terms: 800, outerShare: 1 }), tolerance: 1e-6 },
  }
  const entries = [
    ...Object.entries(twoLevels).map(([name, limit]) => [name, { ...limit, iterations: 10 }]),
    ...Object.entries(oneLevel).map(([name, limit]) => [name, { ...limit, iterations: 1500 }]),
  ]
  return { ...Object.fromEntries(entries), mrbo: { ...oneLevel.mrbo, iterations: 3 } }
}

for (const [name, { method, iterations, tolerance }] of Object.entries(limits(0.1, 12))) {
  test(`${name} converges to the quadratic’s hypergradient`, async ({ backend }) => {
    const { v, hypergrad, theta_star } = quadratic.arrays
    const start = name === 'mrbo' ? theta_star : new Float64Array(12)
    const estimate = await settle(fixtureQuadratic(backend, quadratic), method, v, iterations, start)
    close(read(estimate.hypergradient), hypergrad, tolerance)
    assert.ok(!((estimate.residual ?? 0) > 1e-5), `residual ${estimate.residual}`)
  })
}

for (const [name, { method, iterations, tolerance }] of Object.entries(limits(0.5, 60))) {
  test(`${name} converges to the cleaning fixture’s hypergradient`, async ({ backend }) => {
    const { v, hypergrad_star, theta_star } = cleaning.arrays
    const estimate = await settle(fixtureCleaning(backend), method, v, iterations, theta_star)
    close(read(estimate.hypergradient), hypergrad_star, tolerance)
  })
}

test('the bias of F2SA falls with 1/λ', async ({ backend }) => {
  const { v, hypergrad_star, theta_star } = cleaning.arrays
  const off = async (multiplier: number) => {
    const method = f2sa({ rate: 0.5, innerSteps: 1000, multiplier })
    const estimate = await settle(fixtureCleaning(backend), method, v, 1, theta_star)
    return distance(read(estimate.hypergradient), hypergrad_star)
  }
  const ratio = (await off(200)) / (await off(400))
  assert.ok(ratio > 1.8 && ratio < 2.2, `halving 1/λ divides the error by ${ratio}`)
})

test('SABA converges with small batches and fixed steps, SOBA does not', async ({ backend }) => {
  const { v, hypergrad_star, theta_star } = cleaning.arrays
  const off = async (method: Method) => {
    const estimate = await settle(fixtureCleaning(backend), method, v, 2500, theta_star)
    return distance(read(estimate.hypergradient), hypergrad_star)
  }
  const [withMemory, without] = [
    await off(saba({ rate: 0.2, batchSize: 16, outerBatchSize: 16 })),
    await off(soba({ rate: 0.2, batchSize: 16, outerBatchSize: 16 })),
  ]
  assert.ok(withMemory < 1e-3, `SABA is off by ${withMemory}`)
  assert.ok(without > 0.1, `SOBA is off by ${without}`)
})

test('averaged inner steps bring θ nearer to its optimum', async ({ backend }) => {
  const { v, theta_star } = cleaning.arrays
  const off = async (averaging: number) => {
    const method = exact({
      innerSteps: 5000,
      batchSize: 8,
      innerOptimizer: { kind: 'sgd', rate: 1 },
      averaging,
    })
    return distance(read((await settle(fixtureCleaning(backend), method, v, 3)).inner), theta_star)
  }
  const [last, average] = [await off(0), await off(0.5)]
  assert.ok(average < last / 2, `off by ${average} instead of ${last}`)
})

test('MA-SOBA and MRBO average the noise of small batches away', async ({ backend }) => {
  const { v, hypergrad_star, theta_star } = cleaning.arrays
  const off = async (method: Method) => {
    const estimate = await settle(fixtureCleaning(backend), method, v, 300, theta_star, true)
    return distance(read(estimate.hypergradient), hypergrad_star)
  }
  const small = { batchSize: 8, rate: 0.2 }
  const series = { ...small, linearRate: 2, terms: 20 }
  const ratios = [
    (await off(maSoba({ ...small, share: 1 }))) / (await off(maSoba({ ...small, share: 0.02 }))),
    (await off(mrbo({ ...series, outerShare: 1 }))) / (await off(mrbo({ ...series, outerShare: 0.02 }))),
  ]
  assert.ok(Math.min(...ratios) > 2, `errors fall by ${ratios}`)
})

/** One outer iteration from one point is a function of v; the methods that differentiate it do so exactly. */
const throughTheSteps: Record<string, Method> = {
  'one step': oneStep({ innerOptimizer: { kind: 'sgd', rate: 0.3 }, scale: 0.3 }),
  'SAMA, through a step of Adam': sama({ rate: 0.2, epsilon: 0.05 }),
  'unrolled, through all its steps': unrolled({ rate: 0.5, innerSteps: 7, depth: 7, batchSize: 16 }),
}
for (const [name, method] of Object.entries(throughTheSteps)) {
  test(`${name}: the derivative of f after the inner steps`, async ({ backend }) => {
    const problem = fixtureCleaning(backend)
    const { v, theta_in } = cleaning.arrays
    const after = (outer: ArrayLike<number>) => settle(problem, method, outer, 1, theta_in)
    const got = read((await after(v)).hypergradient)
    const step = 1e-4
    const expected = new Float64Array(8)
    for (const i of expected.keys()) {
      const moved = (by: number) => v.map((x, j) => (j === i ? x + by : x))
      const [up, down] = [await after(moved(step)), await after(moved(-step))]
      expected[i] = (up.outerLoss - down.outerLoss) / (2 * step)
    }
    close(got.slice(0, 8), expected, 1e-6)
  })
}

test('a shorter unrolling is nearer to the one step, a longer one to the limit', async ({ backend }) => {
  const { v, hypergrad_star, theta_star } = cleaning.arrays
  const errors: number[] = []
  for (const depth of [1, 10, 100]) {
    const method = unrolled({ rate: 0.5, innerSteps: 100, depth })
    const { hypergradient } = await settle(fixtureCleaning(backend), method, v, 1, theta_star)
    errors.push(distance(read(hypergradient), hypergrad_star))
  }
  assert.ok(errors[0] > errors[1] && errors[1] > 2 * errors[2], `errors ${errors}`)
})

test('the K-FAC method points in the direction of the hypergradient', async ({ backend }) => {
  const { v, hypergrad_star, theta_star } = cleaning.arrays
  const estimate = await settle(fixtureCleaning(backend), kfacImplicit(), v, 1, theta_star, true)
  const got = read(estimate.hypergradient)
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Array.from(a).reduce((sum, x, i) => sum + x * b[i], 0)
  const cosine = dot(got, hypergrad_star) / Math.sqrt(dot(got, got) * dot(hypergrad_star, hypergrad_star))
  assert.ok(cosine > 0.8, `cosine ${cosine}`)
})

const all: Record<string, (options: { batchSize: number }) => Method> = {
  amigo,
  conjugateGradients,
  exact,
  f2sa,
  kfacImplicit,
  maSoba,
  mrbo,
  neumann,
  nystrom,
  oneStep,
  qnbo,
  saba,
  sama,
  soba,
  unrolled,
}
for (const [name, method] of Object.entries(all)) {
  test(`${name} lowers f, and the same seed gives the same bits`, async ({ backend }) => {
    const problem = randomReweighting(backend, { samples: 60 })
    const run = async () => {
      const losses: number[] = []
      const result = await solve(problem, {
        method: method({ batchSize: 32 }),
        outerOptimizer: { kind: 'sgd', rate: 2 },
        outerSteps: 60,
        seed: 3,
        onStep: ({ outerLoss }) => losses.push(outerLoss),
      }).result
      assert.is(result.status, 'outerSteps')
      assert.ok(result.outerLoss < losses[0], `from ${losses[0]} to ${result.outerLoss}`)
      return result
    }
    const [first, second] = [await run(), await run()]
    same(first.outer, second.outer, 'outer')
    same(first.inner, second.inner, 'inner')
  })
}

test('an indefinite Hessian of a network is solved as well', async ({ backend }) => {
  for (const dtype of ['f32', 'f64'] as const) {
    const problem = randomReweighting(backend, { hidden: [4], regularization: 1e-3, dtype })
    const { oracles } = problem
    const [d, random] = [oracles.innerLength, new Random(3)]
    const point = problem.point(problem.vector(random.normals(d)), problem.zeros(40))
    const [direct, target, u, product] = [40, d, d, d].map((length) => problem.zeros(length))
    const all = backend.Batch.all(40)
    oracles.outerGradient(point, direct, target)
    const residual = oracles.exactDirection(point, target, u, true)
    oracles.hessianProduct(point, all, u, product)
    close(read(product), read(target), dtype === 'f32' ? 1e-3 : 1e-10)
    assert.ok(residual < (dtype === 'f32' ? 1e-3 : 1e-12), `residual ${residual}`)
    const negative = Array.from({ length: d }, (_, i) => {
      const unit = problem.vector(Float64Array.from({ length: d }, (_, j) => (i === j ? 1 : 0)))
      oracles.hessianProduct(point, all, unit, product)
      return product.dot(unit) < 0
    })
    assert.ok(negative.includes(true), 'the Hessian is indefinite')
    const estimate = await settle(
      problem,
      exact({ operator: 'hessian', innerSteps: 0 }),
      read(point.outer),
      1,
    )
    assert.is(estimate.operator, 'hessian')
  }
})

test('the size of f changes neither residuals nor relative hypergradients in f32', async ({ backend }) => {
  const solvers = {
    amigo: amigo(),
    'conjugate gradients': conjugateGradients(),
    exact: exact(),
    mrbo: mrbo(),
    neumann: neumann(),
    nystrom: nystrom(),
    qnbo: qnbo(),
    soba: soba(),
  }
  for (const [name, method] of Object.entries(solvers)) {
    const [h, c, c0] = [
      [2, 0.5, 0.5, 1],
      [1, 0.5],
      [0, 1],
    ]
    const at = async (size: number) => {
      const shape = { h, c, c0, q: [size, 0, 0, size], t: [1, 1], mu: 0 }
      const problem = linear({ backend, dtype: 'f32', ...shape })
      const { hypergradient, residual } = await settle(problem, method, [0], 3)
      return [read(hypergradient)[0] / size, residual ?? Number.NaN]
    }
    const expected = await at(1)
    for (const size of [1e-24, 1e20]) close(await at(size), expected, 1e-4, `${name}, f times ${size}`)
  }
})

test('numbers that make no sense are refused by name', async () => {
  await refuses('ERR_RANGE', 'terms', () => neumann({ terms: 1.5 }))
  await refuses('ERR_RANGE', 'rank', () => nystrom({ rank: 0 }))
  await refuses('ERR_RANGE', 'batchSize', () => soba({ batchSize: Number.NaN }))
  await refuses('ERR_RANGE', 'depth', () => unrolled({ depth: 0 }))
  await refuses('ERR_RANGE', 'multiplier', () => f2sa({ multiplier: -1 }))
  await refuses('ERR_RANGE', 'outerShare', () => mrbo({ outerShare: Number.NaN }))
})

test('options that a method does not have are refused', async () => {
  for (const method of Object.values(all)) {
    const misspelt = { batchSize: 8, batchsize: 8 }
    await refuses('ERR_RANGE', 'options', () => method(misspelt))
  }
})

test.run()
