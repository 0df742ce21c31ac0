import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { Point } from '../../ts/backend/binding.ts'
import { Fisher, type FisherSettings } from '../../ts/backend/fisher.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { checkHypergradient } from '../../ts/methods/checkHypergradient.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import { type BilevelOptions, bilevel } from '../../ts/problems/bilevel.ts'
import {
  type Block,
  fixedWeights,
  learnedInputs,
  learnedTargets,
  marginWeights,
  penalty,
  sampleWeights,
  weightNetwork,
} from '../../ts/problems/blocks.ts'
import {
  linearRegression,
  logisticRegression,
  multilayerPerceptron,
  softmaxRegression,
} from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { solve } from '../../ts/run/solve.ts'
import { close, distance, same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { fixture } from '../support/fixtures.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('bilevel')
const [n, columns, classes] = [20, 4, 3]

/** A problem over random samples with these blocks. */
function problemOf(
  backend: Backend,
  hyperparameters: Record<string, Block>,
  options: Partial<BilevelOptions> = {},
): Problem {
  const random = new Random(7)
  const set = (count: number) => ({
    features: matrix(random.normals(count * columns), count, columns),
    labels: random.labels(count, classes),
  })
  const [train, validation] = [set(n), set(12)]
  const model = softmaxRegression({ classes })
  return bilevel({ backend, model, train, validation, hyperparameters, dtype: 'f64', ...options })
}

const prior = { mean: [0.2, -0.1, 0.1, 1], precision: [0.1, 0.2, 0.3, 0.1] }
/** Two signals for each training sample that is no anchor, and for one more. */
const signals = matrix(new Random(2).normals(2 * (n - 2)), n - 2, 2)
const checked = { right: [0, n - 3], wrong: [4] }
const blocks: Record<string, () => Block> = {
  samples: () => sampleWeights(),
  'samples with anchors': () => sampleWeights({ anchors: 3 }),
  margins: () => marginWeights({ anchors: 4, prior }),
  'a network': () => weightNetwork({ signals, anchors: 3, checked }),
  'a network with a hidden layer': () => weightNetwork({ signals, anchors: 3, hidden: 2 }),
  'learned inputs': () => learnedInputs(),
  'learned targets': () => learnedTargets(),
  'fixed weights': () => fixedWeights(new Random(3).normals(n).map((x) => x * x)),
  'penalty per all': () => penalty({ per: 'all', start: 0.3 }),
  'penalty per feature': () => penalty({ per: 'feature', bias: true, start: [0.1, 0.2, 0.3, 0.4, 0.5] }),
  'penalty per layer': () => penalty({ per: 'layer', start: 0.1 }),
  'penalty per group': () => penalty({ per: 'group', groups: [1, 0, 0, 1], bias: true }),
}

/** A random point, with margins at another θ. */
function pointOf(problem: Problem, random: Random): Point {
  const { innerLength, outerLength } = problem.oracles
  const outer = random.normals(outerLength, 0.5)
  return problem
    .start(0, { inner: random.normals(innerLength, 0.3), outer })
    .at(problem.vector(random.normals(innerLength, 0.5)))
}

const h = 1e-6

for (const [first, one] of Object.entries(blocks)) {
  for (const [second, two] of Object.entries(blocks).slice(Object.keys(blocks).indexOf(first))) {
    if (first === second && first.startsWith('learned')) continue // one of each kind
    test(`${first} and ${second}: ∇_θ g, Hu and Lᵀu are differences of g`, ({ backend }) => {
      const problem = problemOf(backend, { one: one(), two: two() }, { regularization: 0.01 })
      const { oracles } = problem
      const random = new Random(11)
      const point = pointOf(problem, random)
      const [theta, v] = [point.inner.readF64(), point.outer.readF64()]
      const at = (inner: Float64Array, outer: Float64Array) =>
        new backend.Point(problem.vector(inner), problem.vector(outer), point.signals)
      const along = (x: Float64Array, u: Float64Array, by: number) => x.map((value, i) => value + by * u[i])
      const all = backend.Batch.all(n)
      const gradientAt = (where: Point) => {
        const gradient = problem.zeros(theta.length)
        oracles.innerGradient(where, all, gradient)
        return gradient
      }
      const u = random.normals(theta.length)
      const direction = problem.vector(u)
      const slope =
        (oracles.innerLoss(at(along(theta, u, h), v)) - oracles.innerLoss(at(along(theta, u, -h), v))) /
        (2 * h)
      close([gradientAt(point).dot(direction)], [slope], 1e-7)
      const product = problem.zeros(theta.length)
      oracles.curvatureProduct(point, all, direction, product)
      const change = gradientAt(at(along(theta, u, h), v))
      change.axpy(-1, gradientAt(at(along(theta, u, -h), v)))
      close(
        product.readF64(),
        change.readF64().map((x) => x / (2 * h)),
        1e-6,
        'Hu',
      )
      const cross = problem.zeros(v.length)
      oracles.crossProduct(point, all, direction, 1, cross)
      const expected = v.map((_, j) => {
        const unit = v.map((_, i) => (i === j ? 1 : 0))
        const [up, down] = [h, -h].map((by) => gradientAt(at(theta, along(v, unit, by))).dot(direction))
        return (up - down) / (2 * h)
      })
      if (v.length > 0) close(cross.readF64(), expected, 1e-6, 'Lᵀu')
    })
  }
}

test('one hypergradient for seven blocks at once is that of the value function', async ({ backend }) => {
  const problem = problemOf(backend, {
    weights: sampleWeights({ anchors: 5 }),
    given: fixedWeights(new Float64Array(n).fill(0.5)),
    margins: marginWeights({ prior }),
    network: weightNetwork({ signals, anchors: 3, hidden: 2, checked }),
    inputs: learnedInputs(),
    targets: learnedTargets(),
    strength: penalty({ per: 'feature', bias: true, start: 0.2 }),
  })
  const outer = new Random(5).normals(problem.oracles.outerLength, 0.5)
  const { verdict, worst } = await checkHypergradient(problem, {
    method: exact(),
    at: { outer },
    directions: 4,
  })
  assert.ok(worst < 1e-4, verdict)
})

test('a network of signals: weights by its formula, and the log loss of checked samples in f', ({
  backend,
}) => {
  const problem = problemOf(backend, { network: weightNetwork({ signals, anchors: 3, checked }) })
  const without = problemOf(backend, { network: weightNetwork({ signals, anchors: 3 }) })
  const v = [0.7, -0.4, 0.3, 0.2, -0.1] // a, b, τ, β
  const point = problem.start(0, { outer: v })
  const z = Array.from({ length: n - 2 }, (_, i) => {
    const [s, t] = signals.data.subarray(2 * i, 2 * i + 2)
    return v[0] * s + v[1] * t + v[2]
  })
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
  const weights = z.slice(0, n - 3).map((z) => sigmoid(Math.exp(v[3]) * z + v[4]))
  close(problem.hyperparameters(point).network, [...weights, 1, 1, 1], 1e-12)
  const loss = -(Math.log(sigmoid(z[0])) + Math.log(sigmoid(z[n - 3])) + Math.log(sigmoid(-z[4]))) / 3
  const more = problem.oracles.outerLoss(point) - without.oracles.outerLoss(without.start(0, { outer: v }))
  close([more], [loss], 1e-12)
})

test('a network of signals that does not fit is refused by name', async ({ backend }) => {
  const make = (options: object) =>
    problemOf(backend, { x: weightNetwork({ signals, ...options } as Parameters<typeof weightNetwork>[0]) })
      .oracles
  await refuses('ERR_SHAPE', 'signals', () => make({}))
  const anchors = 3
  await refuses('ERR_SHAPE', 'signals', () => make({ anchors, signals: { ...signals, rows: 5 } }))
  const odd = matrix(signals.data.with(3, Number.NaN), signals.rows, 2)
  await refuses('ERR_RANGE', 'signals', () => make({ anchors, signals: odd }))
  await refuses('ERR_RANGE', 'hidden', () => make({ anchors, hidden: -1 }))
  await refuses('ERR_RANGE', 'hidden', () => make({ anchors, hidden: 2 ** 31 }))
  await refuses('ERR_RANGE', 'right', () => make({ anchors, checked: { right: [n], wrong: [] } }))
  await refuses('ERR_RANGE', 'wrong', () => make({ anchors, checked: { right: [], wrong: [n] } }))
  await refuses('ERR_RANGE', 'checked', () => make({ anchors, checked: { right: [0, 0], wrong: [] } }))
  await refuses('ERR_RANGE', 'checked', () => make({ anchors, checked: { right: [0], wrong: [2, 0] } }))
  await refuses('ERR_RANGE', 'checked.right', () => make({ anchors, checked: { right: [0.5], wrong: [] } }))
  await refuses('ERR_RANGE', 'checked.wrong', () => make({ anchors, checked: { right: [0] } }))
  await refuses('ERR_RANGE', 'options', () => make({ anchors, units: 3 }))
  await refuses('ERR_SHAPE', 'prior mean', () => make({ anchors, prior: { mean: [1], precision: [1] } }))
})

test('a penalty of a network per layer, all and groups of parameters', async ({ backend }) => {
  const model = multilayerPerceptron({ classes, hidden: [3], activation: 'tanh' })
  const d = (columns + 1) * 3 + 4 * classes
  const groups = Uint32Array.from({ length: d }, (_, i) => i % 2)
  for (const [block, expected] of [
    [penalty({ per: 'layer' }), 2],
    [penalty({ per: 'all' }), 1],
    [penalty({ per: 'group', groups, bias: true }), 2],
  ] as const) {
    assert.is(problemOf(backend, { block }, { model }).oracles.outerLength, expected)
  }
  const problem = problemOf(backend, { block: penalty({ per: 'feature' }) }, { model })
  await refuses('ERR_RANGE', 'per', () => problem.oracles)
})

test('results have named parts in natural units', async ({ backend }) => {
  const problem = problemOf(backend, {
    weights: sampleWeights({ anchors: 2 }),
    strength: penalty({ per: 'feature', bias: true, start: [1, 2, 3, 4, 5] }),
  })
  close(
    problem
      .start()
      .outer.readF64()
      .subarray(n - 2),
    [1, 2, 3, 4, 5].map(Math.log),
    1e-14,
  )
  const { hyperparameters, outer } = await solve(problem, { method: exact(), outerSteps: 2 }).result
  assert.equal(Object.keys(hyperparameters), ['weights', 'strength'])
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
  close(hyperparameters.weights, [...Array.from(outer.subarray(0, n - 2), sigmoid), 1, 1], 1e-14)
  close(hyperparameters.strength, Array.from(outer.subarray(n - 2), Math.exp), 1e-14)
})

test('reweighting is a bilevel problem with one block, bit for bit', async ({ backend }) => {
  const random = new Random(7)
  const set = (count: number) => ({
    features: matrix(random.normals(count * columns), count, columns),
    labels: random.labels(count, classes),
  })
  const [train, trusted] = [set(n), set(12)]
  const options = { backend, model: softmaxRegression({ classes }), dtype: 'f64' } as const
  const short = reweighting({ ...options, train, trusted, anchors: 3 })
  const hyperparameters = { weights: sampleWeights({ anchors: 3 }) }
  const long = bilevel({ ...options, train, validation: trusted, hyperparameters })
  const end = async (problem: Problem) => (await solve(problem, { outerSteps: 3, seed: 2 }).result).outer
  same(await end(short), await end(long))
})

const forms: Record<string, FisherSettings> = {
  dense: { form: 'dense', rows: 'perSample' },
  window: { form: 'window', length: n, rows: 'perSample' },
  samples: { form: 'samples', samples: n },
  kronecker: { form: 'kronecker' },
  eigenkronecker: { form: 'eigenkronecker' },
  diagonal: { form: 'diagonal' },
  sketch: { form: 'sketch', rank: 6 },
}

for (const [name, settings] of Object.entries(forms)) {
  for (const start of [0.3, [0.1, 0.2, 0.3, 0.4, 0.5]]) {
    const per = typeof start === 'number' ? 'all' : 'feature'
    test(`${name}: D per ${per} follows v as if the Fisher had been made there`, async ({ backend }) => {
      const problem = problemOf(backend, { strength: penalty({ per, bias: true, start }) })
      const { oracles } = problem
      const point = problem.start()
      const u = problem.vector(new Random(2).normals(oracles.innerLength))
      const moved = problem.start(0, { outer: point.outer.readF64().map((v) => v + 2) })
      const step = new backend.Step(oracles.innerLength, 'f64')
      const solveAt = async (from: Point, to: Point) => {
        const fisher = new Fisher(backend, oracles, from, { ...settings, damping: 1e-3, concurrent: false })
        oracles.observe(point, backend.Batch.all(n), step, fisher.handle, 1)
        await fisher.refresh(step)
        fisher.setRegularizer(oracles.regularizer(to))
        const x = problem.zeros(u.length)
        await fisher.solve(u, x)
        return x.readF64()
      }
      const there = await solveAt(moved, moved)
      close(await solveAt(point, moved), there, 1e-9)
      assert.ok(distance(await solveAt(point, point), there) > 1e-2)
    })
  }
}

test('a free intercept needs damping, and the error says so', async ({ backend }) => {
  const problem = problemOf(backend, { strength: penalty({ per: 'all' }) })
  const make = (damping: number) =>
    new Fisher(backend, problem.oracles, problem.start(), { form: 'samples', damping })
  await refuses('ERR_RANGE', 'damping', () => make(0))
  make(1e-6)
})

const identity = { innerSteps: 0 }
const converged = (batch: number, d: number) => ({
  exact: { method: exact(identity), tolerance: 1e-8 },
  nhgd: {
    method: nhgd({
      innerSteps: 1,
      batchSize: batch,
      fisher: { form: 'kronecker', statistic: 'expected' },
      refine: 4 * d,
      refineSamples: batch,
      refineDamping: 0,
      cross: 'all',
    }),
    tolerance: 1e-6,
  },
  'preconditioned conjugate gradients': {
    method: preconditionedConjugateGradients({
      innerSteps: 0,
      fisher: { form: 'kronecker', statistic: 'expected', refreshSamples: batch, refreshEvery: 1 },
      refine: 4 * d,
      refineSamples: batch,
      refineDamping: 0,
      cross: 'all',
    }),
    tolerance: 1e-6,
  },
  'conjugate gradients': {
    method: conjugateGradients({ ...identity, steps: 4 * d, tolerance: 1e-12, curvatureSamples: batch }),
    tolerance: 1e-6,
  },
})

const ridge = fixture('ridge_reg_selection').arrays
for (const [name, { method, tolerance }] of Object.entries(converged(250, 10))) {
  test(`${name}: ridge regression with a learned strength is the fixture’s`, async ({ backend }) => {
    const problem = bilevel({
      backend,
      model: linearRegression({ bias: false }),
      train: { features: matrix(ridge.Xtrain, 250, 10), targets: ridge.ytrain },
      validation: { features: matrix(ridge.Xval, 192, 10), targets: ridge.yval },
      hyperparameters: { strength: penalty({ per: 'all' }) },
      dtype: 'f64',
    })
    const at = { inner: ridge.theta_star, outer: ridge.v, method }
    const estimate = await hypergradient(problem, at)
    close(estimate.hypergradient, ridge.hypergrad_star, tolerance)
    close([estimate.outerLoss], [fixture('ridge_reg_selection').scalars.phi], 1e-10)
  })
}

const logistic = fixture('logistic_reg_selection').arrays
for (const [name, { method, tolerance }] of Object.entries(converged(200, 30))) {
  for (const where of ['star', 'in']) {
    test(`${name}: logistic regression with a strength per feature is the fixture’s at θ_${where}`, async ({
      backend,
    }) => {
      const labels = (y: Float64Array) => y.map((y) => (y + 1) / 2)
      const problem = bilevel({
        backend,
        model: logisticRegression({ bias: false }),
        train: { features: matrix(logistic.Xtrain, 200, 30), labels: labels(logistic.ytrain) },
        validation: { features: matrix(logistic.Xval, 100, 30), labels: labels(logistic.yval) },
        hyperparameters: { strength: penalty({ per: 'feature' }) },
        dtype: 'f64',
      })
      const at = { inner: logistic[`theta_${where}`], outer: logistic.v, method }
      const estimate = await hypergradient(problem, at)
      close(estimate.hypergradient, logistic[`hypergrad_${where}`], tolerance)
    })
  }
}

test('sets and blocks that make no sense are refused', async ({ backend }) => {
  const features = matrix(new Float64Array(8), 4, 2)
  const labels = [0, 1, 0, 1]
  const make = (options: object, model = softmaxRegression({ classes: 2 })) => {
    const set = { features, labels }
    const all = { backend, model, train: set, validation: set, hyperparameters: {}, ...options }
    return bilevel(all as BilevelOptions).oracles
  }
  const targets = { features, targets: [1, 2, 3, 4] }
  await refuses('ERR_RANGE', 'train', () => make({ train: { features } }))
  await refuses('ERR_RANGE', 'train', () => make({ train: { features, labels, targets: labels } }))
  await refuses('ERR_RANGE', 'options', () => make({ trusted: targets }))
  await refuses('ERR_RANGE', 'labels', () => make({ train: targets }))
  await refuses('ERR_RANGE', 'validation labels', () => make({ validation: targets }))
  await refuses('ERR_RANGE', 'hyperparameters.x', () => make({ hyperparameters: { x: {} } }))
  await refuses('ERR_SHAPE', 'weights', () => make({ hyperparameters: { x: fixedWeights([1]) } }))
  await refuses('ERR_RANGE', 'anchors', () => make({ hyperparameters: { x: sampleWeights({ anchors: 4 }) } }))
  const groups = penalty({ per: 'group', groups: [0, 2] })
  await refuses('ERR_RANGE', 'groups', () => make({ hyperparameters: { x: groups } }))
  await refuses('ERR_RANGE', 'groups', () => make({ hyperparameters: { x: penalty({ per: 'group' }) } }))
  await refuses('ERR_RANGE', 'groups', () =>
    make({ hyperparameters: { x: penalty({ per: 'all', groups: [0, 1] }) } }),
  )
  // Six units in the layer that follows two features.
  const wide = multilayerPerceptron({ classes: 2, hidden: [6] })
  const perFeature = penalty({ per: 'group', groups: [0, 1] })
  await refuses('ERR_RANGE', 'groups', () => make({ hyperparameters: { x: perFeature } }, wide))
  await refuses('ERR_RANGE', 'start', () => penalty({ per: 'all', start: 0 }))
  await refuses('ERR_RANGE', 'per', () => penalty({ per: 'rows' as 'all' }))
  await refuses('ERR_RANGE', 'loss', () =>
    make(
      { train: targets, validation: targets, hyperparameters: { x: marginWeights() } },
      linearRegression(),
    ),
  )
  await refuses('ERR_RANGE', 'backend', () => make({ backend: Promise.resolve(backend) }))
  await refuses('ERR_RANGE', 'model', () => make({}, {} as never))
  await refuses('ERR_DTYPE', 'features', () =>
    make({ train: { features: { ...features, data: [1] }, labels } }),
  )
  await refuses('ERR_RANGE', 'targets', () => make({ train: targets }, linearRegression({ outputs: 2 })))
  await refuses('ERR_RANGE', 'labels', () => make({}, linearRegression()))
})

test('what is no number is refused, not turned into one', async ({ backend }) => {
  const features = matrix(new Float64Array(8), 4, 2)
  const set = { features, targets: [1, 2, 3, 4] }
  const make = (options: object = {}, dtype = 'f32') => {
    const hyperparameters = { x: sampleWeights() }
    const all = { backend, model: linearRegression(), train: set, validation: set, hyperparameters, dtype }
    return bilevel({ ...all, ...options } as BilevelOptions)
  }
  for (const no of [null, '1', [1], undefined]) {
    const numbers = new Array(4).fill(no)
    const ones = new Array(4).fill(1)
    // Rows of numbers are a matrix.
    if (!Array.isArray(no)) {
      await refuses('ERR_RANGE', 'targets', () => make({ train: { features, targets: numbers } }))
      await refuses('ERR_RANGE', 'transition', () => marginWeights({ transition: numbers }))
    }
    await refuses('ERR_RANGE', 'values', () => fixedWeights(numbers))
    await refuses('ERR_RANGE', 'prior mean', () =>
      sampleWeights({ prior: { mean: numbers, precision: ones } }),
    )
    await refuses('ERR_RANGE', 'prior precision', () =>
      marginWeights({ prior: { mean: ones, precision: numbers } }),
    )
    await refuses('ERR_RANGE', 'outer', () => solve(make(), { outer: numbers }).result)
    await refuses(
      'ERR_RANGE',
      'labels',
      () => make({ model: softmaxRegression({ classes: 2 }), train: { features, labels: numbers } }).oracles,
    )
  }
  await refuses('ERR_RANGE', 'values', () => fixedWeights({ length: 2 ** 40 }))
  const huge = new Array(4).fill(1e300)
  for (const [name, options] of Object.entries({
    targets: { train: { features, targets: huge } },
    'validation targets': { validation: { features, targets: huge } },
    weights: { hyperparameters: { x: fixedWeights(huge) } },
    'prior mean': {
      hyperparameters: { x: sampleWeights({ prior: { mean: huge, precision: [1, 1, 1, 1] } }) },
    },
    regularization: { regularization: 1e300 },
  })) {
    await refuses('ERR_NOT_FINITE', name, () => make(options).oracles)
    assert.is(make(options, 'f64').oracles.innerLength, 3)
  }
})

test('targets may be a matrix with a scale, and a matrix that contradicts itself is refused', async ({
  backend,
}) => {
  const features = matrix(new Float64Array(8), 4, 2)
  const lossOf = (targets: unknown) => {
    const set = { features, targets } as never
    const hyperparameters = { x: sampleWeights() }
    const model = linearRegression()
    const problem = bilevel({ backend, model, train: set, validation: set, hyperparameters, dtype: 'f64' })
    return problem.oracles.outerLoss(problem.start())
  }
  assert.is(lossOf(matrix(Uint8Array.of(2, 4, 6, 8), 4, 1, 0.5)), lossOf([1, 2, 3, 4]))
  await refuses('ERR_SHAPE', 'targets', () => lossOf({ data: [1, 2, 3, 4], rows: 8, columns: 1 }))
  await refuses('ERR_RANGE', 'targets.columns', () => lossOf({ data: [1, 2, 3, 4], rows: 4 }))
  await refuses('ERR_RANGE', 'targets', () => lossOf({ data: [1, 2, 3, 4], rows: 4, columns: 1, column: 2 }))
})

test.run()
