import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { ErrorCode } from '../../ts/backend/errors.ts'
import { Fisher } from '../../ts/backend/fisher.ts'
import { leastSquares } from '../../ts/defaults.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import type { Method } from '../../ts/methods/method.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { boundaryControl } from '../../ts/problems/pdeConstrained.ts'
import { type PhysicsInformedOptions, physicsInformed } from '../../ts/problems/physicsInformed.ts'
import { solve } from '../../ts/run/solve.ts'
import { close } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('physicsInformed')

const wave = (n: number, phase: number) => Float64Array.from({ length: n }, (_, i) => Math.sin(7 * i + phase))
const spots = (n: number, dimensions: number) =>
  Array.from({ length: n }, (_, i) => Array.from(wave(dimensions, i + 0.3)))

/** Two coordinates, three controls, every kind of term, and more points than a chunk has. */
const mixed = {
  hidden: [5, 4],
  equations: [
    {
      points: spots(150, 2),
      operator: (x: number, z: number) => ({ value: x, first: [1, z], second: [1 + x * x, 0.5] }),
      source: (x: number) => Math.cos(x),
      weight: (_: number, z: number) => 1 + z * z,
      loads: (x: number, z: number) => [x, z, x * z],
      terms: (x: number, z: number) => [{ second: [x, 1] }, { first: [z, 0], value: 1 }, { value: x * z }],
    },
    { points: spots(9, 2), operator: { value: 1 }, loads: () => [1, 0, 0], weight: 3 },
  ],
  observations: [
    { points: spots(7, 2), operator: { value: 1, first: [0, 1], second: [0.2, 0] }, source: 0.4 },
  ],
  start: [0.3, -0.2, 0.5],
  prior: { mean: [0, 1, 0], precision: [0.1, 0.2, 0] },
  regularization: 1e-3,
}

const mixedProblem = (backend: Backend) => physicsInformed({ backend, ...mixed })

/** The network by its definition. */
function network(theta: ArrayLike<number>, widths: readonly number[], x: readonly number[]): number {
  let [values, at] = [Array.from(x), 0]
  for (let l = 1; l < widths.length; l++) {
    const [inputs, outputs] = [values.length, widths[l]]
    const sums = Array.from({ length: outputs }, (_, j) =>
      [...values, 1].reduce((sum, a, i) => sum + a * theta[at + i * outputs + j], 0),
    )
    at += (inputs + 1) * outputs
    values = l + 1 < widths.length ? sums.map(Math.tanh) : sums
  }
  return values[0]
}

/** The first and the second derivative by differences of sixth order. */
function differences(of: (t: number) => number): [number, number] {
  const h = 0.02
  const [a, b, c] = [1, 2, 3].map((k) => [of(k * h), of(-k * h)])
  const first = (45 * (a[0] - a[1]) - 9 * (b[0] - b[1]) + (c[0] - c[1])) / (60 * h)
  const second = (270 * (a[0] + a[1]) - 27 * (b[0] + b[1]) + 2 * (c[0] + c[1]) - 490 * of(0)) / (180 * h * h)
  return [first, second]
}

test('residuals are those of the network’s value and derivatives', ({ backend }) => {
  const [hidden, x] = [
    [6, 5],
    [0.3, -0.7],
  ]
  const base = { backend, hidden, equations: mixed.equations, start: mixed.start }
  const operators = [
    { value: 1 },
    ...[0, 1].flatMap((k) => ['first', 'second'].map((key) => ({ [key]: unit(k) }))),
  ]
  const expected = (theta: ArrayLike<number>) => {
    const along = (k: number) =>
      differences((t) =>
        network(
          theta,
          [2, ...hidden, 1],
          x.map((x, i) => x + (i === k ? t : 0)),
        ),
      )
    return [network(theta, [2, ...hidden, 1], x), ...along(0), ...along(1)]
  }
  const shift = 10 // f is ½ (… + shift)²
  let theta: ArrayLike<number> = []
  const got = operators.map((operator) => {
    const problem = physicsInformed({ ...base, observations: [{ points: [x], operator, source: -shift }] })
    const point = problem.start(3)
    theta = point.inner.readF64()
    return Math.sqrt(2 * problem.oracles.outerLoss(point)) - shift
  })
  close(got, expected(theta), 1e-8)
})

const unit = (k: number) => [0, 1].map((i) => (i === k ? 1 : 0))

/** (of(x + εu) − of(x − εu)) / 2ε. */
function central(
  x: Float64Array,
  u: Float64Array,
  of: (x: Float64Array) => ArrayLike<number>,
  epsilon = 1e-5,
): number[] {
  const [up, down] = [epsilon, -epsilon].map((e) => of(x.map((x, i) => x + e * u[i])))
  return Array.from(up, (x, i) => (x - down[i]) / (2 * epsilon))
}

test('derivatives are those of differences', ({ backend }) => {
  const problem = mixedProblem(backend)
  const { oracles } = problem
  const { innerLength: d, outerLength: p, samples: n } = oracles
  assert.equal([d, p, n, oracles.outerSamples], [3 * 5 + 6 * 4 + 5, 3, 159, 7])
  assert.is(oracles.curvature, 'gauss-newton')
  const all = backend.Batch.all(n)
  const start = problem.start(1)
  const [theta, v] = [start.inner.readF64(), start.outer.readF64()]
  const at = (theta: Float64Array, v: Float64Array) => problem.point(problem.vector(theta), problem.vector(v))
  const gradient = (theta: Float64Array, v: Float64Array) => {
    const gradient = problem.zeros(d)
    oracles.innerGradient(at(theta, v), all, gradient)
    return gradient.readF64()
  }
  const outer = (theta: Float64Array, v: Float64Array) => {
    const [direct, target] = [problem.zeros(p), problem.zeros(d)]
    const loss = oracles.outerGradient(at(theta, v), direct, target)
    assert.ok(Math.abs(loss - oracles.outerLoss(at(theta, v))) < 1e-14 * loss)
    return { loss, direct: direct.readF64(), target: target.readF64() }
  }
  const dot = (x: Float64Array, y: Float64Array) => [x.reduce((sum, x, i) => sum + x * y[i], 0)]
  const [u, w] = [wave(d, 1), wave(p, 2)]
  close(
    dot(gradient(theta, v), u),
    central(theta, u, (x) => [oracles.innerLoss(at(x, v))]),
    1e-7,
    '∇_θ g',
  )
  close(
    dot(outer(theta, v).target, u),
    central(theta, u, (x) => [outer(x, v).loss]),
    1e-7,
    '∇_θ f',
  )
  close(
    dot(outer(theta, v).direct, w),
    central(v, w, (x) => [outer(theta, x).loss]),
    1e-7,
    '∇_v f',
  )
  const [product, cross] = [problem.zeros(d), problem.zeros(p)]
  oracles.hessianProduct(at(theta, v), all, problem.vector(u), product)
  close(
    product.readF64(),
    central(theta, u, (x) => gradient(x, v)),
    1e-7,
    'Hu',
  )
  oracles.crossProduct(at(theta, v), all, problem.vector(u), 1, cross)
  close(
    dot(cross.readF64(), w),
    dot(Float64Array.from(central(v, w, (x) => gradient(theta, x))), u),
    1e-7,
    'Lᵀu',
  )
})

test('the Gauss–Newton matrix is that of the residuals’ gradients, and Fishers see it', async ({
  backend,
}) => {
  const problem = mixedProblem(backend)
  const { oracles } = problem
  const { innerLength: d, samples: n } = oracles
  const [point, all, step] = [problem.start(1), backend.Batch.all(n), new backend.Step(d, 'f64')]
  const [b, x, product] = [problem.vector(wave(d, 4)), problem.zeros(d), problem.zeros(d)]
  const perSample = { rows: 'perSample', statistic: 'expected', damping: 0 } as const
  const forms = [
    { form: 'window', length: n, ...perSample },
    { form: 'dense', ...perSample },
    { form: 'samples', samples: n, statistic: 'expected', damping: 0 },
    { form: 'window', length: n, ...perSample, statistic: 'sampled' },
  ] as const
  for (const form of forms) {
    const fisher = new Fisher(backend, oracles, point, form)
    oracles.observe(point, all, step, fisher.handle, 1)
    await fisher.refresh(step)
    await fisher.solve(b, x)
    oracles.curvatureProduct(point, all, x, product)
    close(product.readF64(), b.readF64(), 1e-8, `${form.form}, ${form.statistic}`)
  }
  // The empirical Fisher has the gradients themselves: their sum is ∇_θ g but for the penalty.
  const mean = new Fisher(backend, oracles, point, { form: 'window', rows: 'mean', damping: 1e-3 })
  const gradient = problem.zeros(d)
  oracles.innerStepFor(point, all, step, mean.handle, 1)
  gradient.copyFrom(step.gradient)
  gradient.axpy(-2 * mixed.regularization, point.inner)
  await mean.refresh(step)
  await mean.solve(gradient, x)
  const square = gradient.dot(gradient)
  const scaled = gradient.readF64().map((g) => g / (square + 1e-3 + 2 * mixed.regularization))
  close(x.readF64(), scaled, 1e-10)
})

/** ∇Φ of the boundary controls. */
const trueGradient = ([v, w]: Iterable<number>) => [(2 * v + w - 1) / 3, (2 * w + v - 2) / 3]

const methods: Record<string, () => Method> = {
  nhgd: () => nhgd({ ...leastSquares, refine: 0 }),
  exact: () => exact(leastSquares),
  conjugateGradients: () => conjugateGradients({ ...leastSquares, steps: 400, tolerance: 1e-6 }),
}

for (const [name, method] of Object.entries(methods)) {
  test(`boundary controls of a Poisson equation by ${name}`, async ({ backend }) => {
    const problem = boundaryControl({ backend, hidden: [10], points: 16 })
    const first = Math.hypot(...trueGradient([1, 1]))
    let worst = 1
    const run = solve(problem, {
      method: method(),
      outerOptimizer: { kind: 'sgd', rate: 1 },
      outerSteps: 20,
    })
    let before: Float64Array = Float64Array.of(1, 1)
    for await (const { point } of run) {
      const truth = trueGradient(before)
      const after = point.outer.readF64()
      const move = [before[0] - after[0], before[1] - after[1]]
      const size = Math.hypot(...truth)
      const cosine = (move[0] * truth[0] + move[1] * truth[1]) / (size * Math.hypot(...move))
      if (size > 0.01 * first) worst = Math.min(worst, cosine)
      before = after
    }
    const { outer } = await run.result
    assert.ok(worst > 0.99, `cosine ${worst}`)
    assert.ok(Math.hypot(outer[0], outer[1] - 1) < 0.01, `v ${outer}`)
  })
}

const bad: Record<string, [ErrorCode, string, object]> = {
  'no equations': ['ERR_RANGE', 'equations', { equations: [] }],
  'points of other dimensions': [
    'ERR_SHAPE',
    'observations[0].points',
    { observations: [{ points: [[1]], operator: { value: 1 } }] },
  ],
  'a derivative too many': [
    'ERR_SHAPE',
    'observations[0].operator.first',
    { observations: [{ points: [[1, 2]], operator: { first: [1, 2, 3] } }] },
  ],
  'an unknown order': [
    'ERR_RANGE',
    'observations[0].operator',
    { observations: [{ points: [[1, 2]], operator: () => ({ third: [1] }) }] },
  ],
  'loads of another v': [
    'ERR_SHAPE',
    'equations[0].loads',
    { equations: [{ points: [[1, 2]], operator: { value: 1 }, loads: () => [1] }] },
  ],
  'terms of another v': [
    'ERR_SHAPE',
    'equations[0].terms',
    { equations: [{ points: [[1, 2]], operator: { value: 1 }, terms: () => [{}] }] },
  ],
  'a source that is no number': [
    'ERR_RANGE',
    'observations[0].source',
    { observations: [{ points: [[1, 2]], operator: {}, source: () => 'a' }] },
  ],
  'a source that is not finite': [
    'ERR_RANGE',
    'observations',
    { observations: [{ points: [[1, 2]], operator: {}, source: () => Number.NaN }] },
  ],
  'a negative weight': [
    'ERR_RANGE',
    'weight',
    { observations: [{ points: [[1, 2]], operator: {}, weight: -1 }] },
  ],
  'a layer without units': ['ERR_RANGE', 'hidden[0]', { hidden: [0] }],
  'a negative penalty': ['ERR_RANGE', 'regularization', { regularization: -1 }],
  'a prior of another length': ['ERR_SHAPE', 'prior mean', { prior: { mean: [0], precision: [1] } }],
}
for (const [name, [code, argument, options]] of Object.entries(bad)) {
  test(`refuses ${name}`, async ({ backend }) => {
    const given = { backend, ...mixed, ...options } as PhysicsInformedOptions
    const pattern = argument.replaceAll('[', '\\[').replaceAll(']', '\\]')
    await refuses(code, pattern, () => physicsInformed(given).oracles)
  })
}

test.run()
