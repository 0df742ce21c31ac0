import * as assert from 'uvu/assert'
import type { ErrorCode } from '../../ts/backend/errors.ts'
import { Fisher } from '../../ts/backend/fisher.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { type Matrix, matrix } from '../../ts/backend/matrix.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import type { NhgdOptions } from '../../ts/methods/nhgdOptions.ts'
import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import { multilayerPerceptron, softmaxRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { type QuadraticOptions, quadratic } from '../../ts/problems/quadratic.ts'
import { type ReweightingOptions, reweighting } from '../../ts/problems/reweighting.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import type { SolveOptions } from '../../ts/run/options.ts'
import { solve } from '../../ts/run/solve.ts'
import { Classifier } from '../../ts/tasks/classifier.ts'
import { type CleanLabelsOptions, cleanLabels } from '../../ts/tasks/cleanLabels/cleanLabels.ts'
import { writeModel } from '../../ts/tasks/modelFile.ts'
import { refuses } from '../support/errors.ts'
import { randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('bad input')
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

/** What came, by what is wrong with it: the code, the argument’s name, the options that are changed, outer steps. */
type Cases<Options> = Record<string, [ErrorCode, string, Partial<Record<keyof Options, unknown>>, number?]>

const random = new Random(1)
const features = matrix(random.normals(20 * 3), 20, 3)
const labels = random.labels(20, 3)
const set = { features, labels }
const withEntry = (value: number): Matrix => ({
  ...features,
  data: features.data.map((x, i) => (i === 7 ? value : x)),
})

const problems: Cases<ReweightingOptions> = {
  'labels out of range': ['ERR_RANGE', 'labels', { train: { features, labels: labels.with(4, 3) } }],
  'fractional labels': [
    'ERR_RANGE',
    'labels',
    { train: { features, labels: Array.from(labels).with(4, 0.5) } },
  ],
  'negative labels': [
    'ERR_RANGE',
    'labels',
    { trusted: { features, labels: Array.from(labels).with(4, -1) } },
  ],
  'too few labels': ['ERR_SHAPE', 'labels', { train: { features, labels: labels.slice(1) } }],
  'no samples': ['ERR_SHAPE', 'labels', { train: { features, labels: [], rows: [] } }],
  'no features': [
    'ERR_SHAPE',
    'features',
    { train: { features: matrix(new Float64Array(0), 0, 3), labels: [] } },
  ],
  'no columns': [
    'ERR_SHAPE',
    'features',
    { train: { features: matrix(new Float64Array(0), 20, 0), labels } },
  ],
  'fewer features than rows × columns': [
    'ERR_SHAPE',
    'features',
    { train: { features: { ...features, rows: 21 }, labels } },
  ],
  'NaN features': ['ERR_NOT_FINITE', 'features', { train: { features: withEntry(nan), labels } }],
  'infinite features': [
    'ERR_NOT_FINITE',
    'features',
    { trusted: { features: withEntry(-infinity), labels } },
  ],
  'a scale that is NaN': [
    'ERR_NOT_FINITE',
    'scale',
    { train: { features: { ...features, scale: nan }, labels } },
  ],
  'features of another type': [
    'ERR_DTYPE',
    'features',
    { train: { features: { ...features, data: new Int16Array(60) }, labels } },
  ],
  'trusted features of other columns': [
    'ERR_SHAPE',
    'trusted features',
    { trusted: { features: matrix(new Float64Array(40), 20, 2), labels } },
  ],
  'rows that are not there': ['ERR_RANGE', 'rows', { train: { features, labels: [0, 1], rows: [0, 20] } }],
  'rows that are fractional': ['ERR_RANGE', 'rows', { train: { features, labels: [0, 1], rows: [0, 1.5] } }],
  'negative regularization': ['ERR_RANGE', 'regularization', { regularization: -1 }],
  'regularization that is NaN': ['ERR_NOT_FINITE', 'regularization', { regularization: nan }],
  'negative weights': ['ERR_RANGE', 'weights', { weighting: { fixed: new Float64Array(20).fill(-1) } }],
  'weights that are NaN': ['ERR_RANGE', 'weights', { weighting: { fixed: new Float64Array(20).fill(nan) } }],
  'too few weights': ['ERR_SHAPE', 'weights', { weighting: { fixed: [1] } }],
  'anchors only': ['ERR_RANGE', 'anchors', { anchors: 20 }],
  'a prior of another length': ['ERR_SHAPE', 'prior mean', { prior: { mean: [1], precision: [1] } }],
  'a prior that is NaN': ['ERR_NOT_FINITE', 'mean', { prior: { mean: [nan], precision: [1] } }],
  'a negative precision': [
    'ERR_RANGE',
    'prior precision',
    { prior: { mean: Array(20).fill(0), precision: Array(20).fill(-1) } },
  ],
  'a transition of another size': ['ERR_SHAPE', 'transition', { weighting: 'margin', transition: [1] }],
  'a transition with a zero': [
    'ERR_RANGE',
    'transition',
    { weighting: 'margin', transition: [1, 0, 0, 0, 1, 0, 0, 0, 1] },
  ],
  'a transition that is NaN': ['ERR_NOT_FINITE', 'transition', { weighting: 'margin', transition: [nan] }],
  'labels out of range, for a network': [
    'ERR_RANGE',
    'labels',
    {
      model: multilayerPerceptron({ classes: 3, hidden: [4] }),
      train: { features, labels: labels.with(4, 3) },
    },
  ],
  'an unknown weighting': ['ERR_RANGE', 'weighting', { weighting: 'other' }],
}

for (const [name, [code, argument, options]] of Object.entries(problems)) {
  test(`reweighting: ${name}`, async ({ backend }) => {
    const good: ReweightingOptions = {
      backend,
      model: softmaxRegression({ classes: 3 }),
      train: set,
      trusted: set,
    }
    await refuses(code, argument, () => reweighting({ ...good, ...options } as ReweightingOptions).oracles)
  })
}

test('matrices and models', async () => {
  const network = (options: object) => () => multilayerPerceptron({ classes: 3, hidden: [4], ...options })
  await refuses('ERR_RANGE', 'activation', network({ activation: 'step' }))
  await refuses('ERR_RANGE', 'loss', network({ loss: 'hinge' }))
  await refuses('ERR_RANGE', 'classes', network({ outputs: 2 }))
  await refuses('ERR_RANGE', 'classes', network({ classes: undefined }))
  await refuses('ERR_RANGE', 'outputs', network({ classes: undefined, outputs: 0 }))
  await refuses('ERR_RANGE', 'loss', network({ classes: undefined, outputs: 1, loss: 'crossEntropy' }))
  await refuses('ERR_SHAPE', 'data', () => matrix(new Float32Array(5), 2, 3))
  for (const classes of [1, 0, 2.5, nan, -3]) {
    await refuses('ERR_RANGE', 'classes', () => softmaxRegression({ classes }))
    await refuses('ERR_RANGE', 'classes', () => multilayerPerceptron({ classes, hidden: [2] }))
    if (classes < 1 || classes !== Math.floor(classes)) {
      const network = () => multilayerPerceptron({ classes: 2, hidden: [3, classes] })
      await refuses('ERR_RANGE', 'hidden\\[1\\]', network)
    }
  }
})

const quadratics: Cases<QuadraticOptions> = {
  'H of another size': ['ERR_SHAPE', 'h', { h: [1, 2, 3] }],
  'H that is not positive definite': ['ERR_RANGE', 'h', { h: [1, 0, 0, -1] }],
  'H that is not symmetric': ['ERR_RANGE', 'h', { h: [2, 1, 0, 2] }],
  'Q that is not symmetric': ['ERR_RANGE', 'q', { q: [1, 0.5, -0.5, 1] }],
  'no μ': ['ERR_RANGE', 'mu', { mu: undefined }],
  'Q of another size': ['ERR_SHAPE', 'q', { q: [1] }],
  'C of another size': ['ERR_SHAPE', 'c', { c: [1, 2, 3] }],
  'no outer variable': ['ERR_SHAPE', 'c', { c: [] }],
  'c₀ of another size': ['ERR_SHAPE', 'c0', { c0: [1] }],
  'no inner variable': ['ERR_SHAPE', 'c', { t: [] }],
  'NaN in H': ['ERR_NOT_FINITE', 'h', { h: [1, nan, 0, 1] }],
  'infinity in t': ['ERR_NOT_FINITE', 't', { t: [1, infinity] }],
  'μ that is NaN': ['ERR_NOT_FINITE', 'mu', { mu: nan }],
  'an unknown scalar type': ['ERR_DTYPE', 'dtype', { dtype: 'f16' }],
}

for (const [name, [code, argument, options]] of Object.entries(quadratics)) {
  test(`quadratic: ${name}`, async ({ backend }) => {
    const good = { backend, h: [2, 1, 1, 2], c: [1, 0], c0: [0, 0], q: [1, 0, 0, 1], t: [1, 1], mu: 1 }
    assert.is(quadratic(good).oracles.outerLength, 1)
    await refuses(code, argument, () => quadratic({ ...good, ...options } as QuadraticOptions).oracles)
  })
}

const methods: Cases<NhgdOptions & { innerstep: number }> = {
  'negative damping': ['ERR_RANGE', 'damping', { fisher: { form: 'window', damping: -1 } }],
  'damping that is NaN': ['ERR_NOT_FINITE', 'damping', { fisher: { form: 'window', damping: nan } }],
  'infinite damping': ['ERR_NOT_FINITE', 'damping', { fisher: { form: 'dense', damping: infinity } }],
  'no damping for a decaying start': [
    'ERR_RANGE',
    'damping',
    { fisher: { form: 'dense', start: 'decaying', damping: 0 } },
  ],
  'β of 0': ['ERR_RANGE', 'smoothing', { fisher: { form: 'dense', smoothing: 0 } }],
  'β below 0': ['ERR_RANGE', 'smoothing', { fisher: { form: 'window', smoothing: -0.5 } }],
  'β of 1': ['ERR_RANGE', 'smoothing', { fisher: { form: 'kronecker', smoothing: 1 } }],
  'β above 1': ['ERR_RANGE', 'smoothing', { fisher: { form: 'sketch', smoothing: 1.5 } }],
  'an empty window': ['ERR_RANGE', 'length', { fisher: { form: 'window', length: 0 } }],
  'a fractional window': ['ERR_RANGE', 'settings', { fisher: { form: 'window', length: 1.5 } }],
  'a share of 1 to keep': ['ERR_RANGE', 'keep', { fisher: { form: 'kronecker', keep: 1 } }],
  'a decaying start for factors': [
    'ERR_RANGE',
    'settings',
    { fisher: { form: 'kronecker', start: 'decaying' } as NhgdOptions['fisher'] },
  ],
  'an unknown form': ['ERR_RANGE', 'settings', { fisher: { form: 'other' } }],
  'an unknown statistic': ['ERR_RANGE', 'settings', { fisher: { form: 'dense', statistic: 'other' } }],
  'a misspelt setting': ['ERR_RANGE', 'settings', { fisher: { form: 'dense', dampin: 1 } }],
  'an observation every half step': ['ERR_RANGE', 'observe.every', { observe: { every: 0.5 } }],
  'an observation of no samples': ['ERR_RANGE', 'observe.samples', { observe: { samples: 0 } }],
  'a misspelt observation': ['ERR_RANGE', 'observe', { observe: { each: 2 } }],
  'an option of another method': ['ERR_RANGE', 'settings', { fisher: { refreshEvery: 2 } }],
  'a misspelt option': ['ERR_RANGE', 'options', { innerstep: 3 }],
  'an unknown reset': ['ERR_RANGE', 'reset', { fisher: { form: 'dense', reset: 'x' } }],
  'a misspelt option of the Fisher': ['ERR_RANGE', 'settings', { fisher: { form: 'dense', refreshEvry: 1 } }],
  'an empty batch': ['ERR_RANGE', 'batchSize', { batchSize: 0 }],
  'half an inner step': ['ERR_RANGE', 'innerSteps', { innerSteps: 1.5 }],
  'less than no correction': ['ERR_RANGE', 'refine', { refine: -1 }],
  'corrections uphill': ['ERR_RANGE', 'refine.rate', { refine: { steps: 2, rate: -1 } }],
  'corrections from no samples': ['ERR_RANGE', 'refineSamples', { refineSamples: 0 }],
  'negative damping of corrections': ['ERR_RANGE', 'refineDamping', { refineDamping: -1 }],
  'damping of corrections that is NaN': ['ERR_RANGE', 'refineDamping', { refineDamping: () => nan }],
  'damping of corrections that turns negative': [
    'ERR_RANGE',
    'refineDamping',
    { refineDamping: (k: number) => -k },
    2,
  ],
  'a cross product of no samples': ['ERR_RANGE', 'cross.samples', { cross: { samples: 0 } }],
  'an unknown cross product': ['ERR_RANGE', 'cross', { cross: 'other' }],
  'an average over twice the steps': ['ERR_RANGE', 'averaging', { averaging: 2 }],
  'an unknown optimiser': [
    'ERR_RANGE',
    'innerOptimizer.kind',
    { innerOptimizer: { kind: 'other', rate: 1 } },
  ],
  'a negative rate': ['ERR_RANGE', 'rate', { innerOptimizer: { kind: 'sgd', rate: -1 } }],
  'a rate that is NaN': ['ERR_RANGE', 'rate', { innerOptimizer: { kind: 'sgd', rate: () => nan } }],
  'momentum of 1': ['ERR_RANGE', 'momentum', { innerOptimizer: { kind: 'momentum', rate: 1, momentum: 1 } }],
}

for (const [name, [code, argument, options, outerSteps = 1]] of Object.entries(methods)) {
  test(`nhgd: ${name}`, async ({ backend }) => {
    const problem = randomReweighting(backend)
    const run = () => solve(problem, { method: nhgd(options as NhgdOptions), outerSteps }).result
    await refuses(code, argument, run)
    await usable(problem)
  })
}

test('preconditionedConjugateGradients: refreshes and options of another method', async () => {
  const make = (options: object) => () => preconditionedConjugateGradients(options)
  for (const refreshEvery of [0, 0.5, nan]) {
    await refuses('ERR_RANGE', 'fisher.refreshEvery', make({ fisher: { refreshEvery } }))
  }
  await refuses('ERR_RANGE', 'options', make({ observe: { every: 2 } }))
})

test('no damping where D has a zero', async ({ backend }) => {
  const problem = randomReweighting(backend, { regularization: 0 })
  for (const form of [
    'dense',
    'window',
    'samples',
    'kronecker',
    'eigenkronecker',
    'diagonal',
    'sketch',
  ] as const) {
    const method = nhgd({ fisher: { form, damping: 0 } })
    await refuses('ERR_RANGE', 'damping', () => solve(problem, { method, outerSteps: 1 }).result)
  }
  await usable(problem)
})

test('forms that need layers refuse a problem without layers', async ({ backend }) => {
  const problem = quadratic({ backend, h: [2], c: [1], c0: [0], q: [1], t: [1], mu: 1 })
  for (const form of ['samples', 'kronecker', 'eigenkronecker'] as const) {
    const method = nhgd({ fisher: { form } })
    await refuses('ERR_RANGE', 'form', () => solve(problem, { method, outerSteps: 1 }).result)
  }
  const method = nhgd({ fisher: { form: 'dense' } })
  assert.is((await solve(problem, { method, outerSteps: 1 }).result).steps, 1)
})

const solves: Cases<SolveOptions> = {
  'half an outer step': ['ERR_RANGE', 'outerSteps', { outerSteps: 0.5 }],
  'negative time': ['ERR_RANGE', 'seconds', { seconds: -1 }],
  'a tolerance that is NaN': ['ERR_RANGE', 'tolerance', { tolerance: nan }],
  'a fractional seed': ['ERR_RANGE', 'seed', { seed: 0.5 }],
  'θ of another length': ['ERR_SHAPE', 'inner', { inner: [1] }],
  'v of another length': ['ERR_SHAPE', 'outer', { outer: [1] }],
  'v that is NaN': ['ERR_NOT_FINITE', 'outer', { outer: new Float64Array(40).fill(nan) }],
  'a box inside out': ['ERR_RANGE', 'low', { box: { low: 1, high: 0 } }],
}

for (const [name, [code, argument, options]] of Object.entries(solves)) {
  test(`solve: ${name}`, async ({ backend }) => {
    const problem = randomReweighting(backend)
    await refuses(
      code,
      argument,
      () => solve(problem, { method: exact(), ...options } as SolveOptions).result,
    )
    await usable(problem)
  })
}

test('what is no problem, no method and no signal is refused', async ({ backend }) => {
  const problem = quadratic({ backend, h: [2], c: [1], c0: [0], q: [1], t: [1], mu: 1 })
  const at = { inner: [0], outer: [0], method: exact() }
  for (const no of [{}, 3, 'nhgd', nhgd]) {
    await refuses('ERR_RANGE', 'problem', () => solve(no as never))
    await refuses('ERR_RANGE', 'problem', () => hypergradient(no as never, at))
    await refuses('ERR_RANGE', 'method', () => solve(problem, { method: no as never }))
    await refuses('ERR_RANGE', 'method', () => hypergradient(problem, { ...at, method: no as never }))
    await refuses('ERR_RANGE', 'signal', () => solve(problem, { signal: no as never }))
  }
})

test('a hypergradient that overflows says so, whatever in it did', async ({ backend }) => {
  const huge = { features: { ...features, data: features.data.map((x) => 1e20 * x) }, labels }
  const model = softmaxRegression({ classes: 3 })
  const problem = reweighting({ backend, model, train: huge, trusted: huge })
  const at = { inner: new Float64Array(12), outer: new Float64Array(20) }
  for (const method of [conjugateGradients(), nhgd(), preconditionedConjugateGradients()]) {
    await refuses('ERR_NUMERIC', 'hypergradient', () => hypergradient(problem, { ...at, method }))
  }
})

test('hypergradient at points of another length', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const [inner, outer] = [new Float64Array(18), new Float64Array(40)]
  await refuses('ERR_SHAPE', 'inner', () => hypergradient(problem, { inner: [1], outer, method: exact() }))
  await refuses('ERR_SHAPE', 'outer', () => hypergradient(problem, { inner, outer: [1], method: exact() }))
  await usable(problem)
})

test('oracles and Fishers: lengths, types, batches, one vector twice', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const { oracles } = problem
  const point = problem.start()
  const { inner, outer } = point
  const all = backend.Batch.all(40)
  const short = problem.zeros(3)
  const single = new backend.Vector(18, 'f32')
  const step = new backend.Step(18, 'f64')
  const fisher = new Fisher(backend, oracles, point, { form: 'dense' })
  await refuses('ERR_SHAPE', 'inner', () => oracles.innerLoss(problem.point(short, outer)))
  await refuses('ERR_SHAPE', 'outer', () => oracles.innerLoss(problem.point(inner, short)))
  await refuses('ERR_DTYPE', 'inner', () => oracles.innerLoss(problem.point(single, outer)))
  await refuses('ERR_SHAPE', 'gradient', () => oracles.innerGradient(point, all, short))
  await refuses('ERR_RANGE', 'gradient', () => oracles.innerGradient(point, all, inner))
  await refuses('ERR_SHAPE', 'step', () => oracles.innerStep(point, all, new backend.Step(3, 'f64')))
  await refuses('ERR_RANGE', 'batch', () =>
    oracles.innerGradient(point, backend.Batch.all(41), problem.zeros(18)),
  )
  const outside = backend.Batch.of(Uint32Array.of(0, 40))
  await refuses('ERR_RANGE', 'batch', () => oracles.innerStep(point, outside, step))
  const nothing = backend.Batch.of(new Uint32Array(0))
  await refuses('ERR_SHAPE', 'batch', () => oracles.innerStep(point, nothing, step))
  await refuses('ERR_RANGE', 'step', () => fisher.observe(step))
  await refuses('ERR_RANGE', 'step', () => step.batch)
  await refuses('ERR_SHAPE', 'b', () => fisher.solve(short, inner))
  await refuses('ERR_DTYPE', 'b', () => fisher.solve(single, inner))
  await refuses('ERR_SHAPE', 'x', () => fisher.solve(inner, short))
  const [direct, target] = [problem.zeros(40), problem.zeros(18)]
  assert.is(oracles.outerSamples, 20)
  for (const [code, batch] of [
    ['ERR_RANGE', backend.Batch.of(Uint32Array.of(0, 20))],
    ['ERR_RANGE', backend.Batch.all(21)],
    ['ERR_SHAPE', nothing],
  ] as const) {
    await refuses(code, 'batch', () => oracles.outerGradient(point, direct, target, batch))
  }
  const sampler = new backend.Sampler(0, 40)
  await refuses('ERR_RANGE', 'size', () => sampler.take(0))
  await refuses('ERR_RANGE', 'samples', () => new backend.Sampler(0, 0))
  oracles.innerStepFor(point, all, step, fisher.handle, 0)
  await fisher.observe(step)
  const direction = problem.zeros(18)
  await fisher.solve(step.gradient, direction)
  assert.ok(direction.dot(step.gradient) > 0, 'the Fisher still works')
  await usable(problem)
})

const rows = new Random(3)
const dirty = {
  features: matrix(rows.normals(60 * 2), 60, 2),
  labels: rows.labels(60, 3),
  trusted: Int32Array.from({ length: 20 }, (_, i) => i),
}

const cleanings: Cases<CleanLabelsOptions> = {
  'too few labels': ['ERR_SHAPE', 'labels', { labels: dirty.labels.slice(1) }],
  'labels out of range': ['ERR_RANGE', 'labels', { classes: 3, labels: dirty.labels.with(5, 3) }],
  'negative labels': ['ERR_RANGE', 'labels', { labels: Int32Array.from(dirty.labels).with(5, -1) }],
  'fractional labels': ['ERR_RANGE', 'labels', { labels: Array.from(dirty.labels).with(5, 1.5) }],
  'labels that are NaN': ['ERR_RANGE', 'labels', { labels: Array.from(dirty.labels).with(5, nan) }],
  'an absent class': ['ERR_RANGE', 'labels', { classes: 4 }],
  'one class': ['ERR_RANGE', 'classes', { labels: new Int32Array(60) }],
  'NaN features': ['ERR_NOT_FINITE', 'features', { features: nanAt(9), normalize: false }],
  'NaN features, to be normalized': ['ERR_NOT_FINITE', 'features', { features: nanAt(9) }],
  'trusted rows out of range': ['ERR_RANGE', 'trusted', { trusted: [0, 1, 2, 3, 60] }],
  'negative trusted rows': ['ERR_RANGE', 'trusted', { trusted: [0, 1, 2, 3, -1] }],
  'fractional trusted rows': ['ERR_RANGE', 'trusted', { trusted: [0, 1, 2, 3, 4.5] }],
  'trusted rows twice': ['ERR_RANGE', 'trusted', { trusted: [0, 1, 2, 3, 3] }],
  'no trusted rows': ['ERR_RANGE', 'trusted', { trusted: [] }],
  'trusted rows alone': ['ERR_RANGE', 'trusted', { trusted: Int32Array.from({ length: 60 }, (_, i) => i) }],
  'all held out': ['ERR_RANGE', 'holdout', { holdout: 1 }],
  'a holdout that leaves no trusted rows': ['ERR_RANGE', 'holdout', { trusted: [0, 1, 2, 3], holdout: 0.9 }],
  'negative regularization': ['ERR_RANGE', 'regularization', { regularization: -1 }],
  'half an outer step': ['ERR_RANGE', 'outerSteps', { outerSteps: 0.5 }],
  'too few weights': ['ERR_SHAPE', 'weights', { weighting: 'perSample', weights: [1] }],
  'weights that are NaN': [
    'ERR_RANGE',
    'weights',
    { weighting: 'perSample', weights: new Array(40).fill(nan) },
  ],
  'weights for margins': ['ERR_RANGE', 'weights', { weighting: 'margin', weights: new Array(40).fill(1) }],
  'an unknown weighting': ['ERR_RANGE', 'weighting', { weighting: 'other' }],
}

function nanAt(i: number): Matrix {
  return { ...dirty.features, data: dirty.features.data.map((x, j) => (i === j ? nan : x)) }
}

for (const [name, [code, argument, options]] of Object.entries(cleanings)) {
  test(`cleanLabels: ${name}`, async ({ backend }) => {
    const wrong = { backend, ...dirty, outerSteps: 1, ...options } as CleanLabelsOptions
    await refuses(code, argument, () => cleanLabels(wrong))
  })
}

test('saved models: truncated, foreign, of another shape', async ({ backend }) => {
  const good = new Classifier(backend, 3, 2, new Float32Array(9)).save()
  assert.is(Classifier.load(backend, good).classes, 3)
  const foreign = new TextEncoder().encode('PK, but no more')
  for (const bytes of [good.slice(0, good.length / 2), new Uint8Array(0), foreign]) {
    await refuses('ERR_DATA', '', () => Classifier.load(backend, bytes))
  }
  const settings = multilayerPerceptron({ classes: 3, hidden: [5] })
  const perceptron = new Classifier(backend, 3, 2, new Float32Array(33), settings)
  for (const format of ['npz', 'safetensors'] as const) {
    const loaded = Classifier.load(backend, perceptron.save({ format, names: { columns: ['a', 'b'] } }))
    assert.equal([loaded.columns, loaded.classes, loaded.model], [2, 3, settings])
    const array = (length: number) => ({ data: new Float32Array(length), shape: [length] })
    for (const [theta, model] of [
      [array(33), { kind: 'mlp' }],
      [array(33), 'no settings'],
      [array(34), settings],
      [array(9), undefined],
    ]) {
      const written = writeModel(format, { theta: theta as never }, { model: model as never })
      await refuses('ERR_CHECKPOINT', '', () => Classifier.load(backend, written))
    }
  }
  const model = new Classifier(backend, 3, 2, new Float32Array(9))
  await refuses('ERR_SHAPE', 'features', () => model.predict(matrix(new Float64Array(8), 1, 8)))
  await refuses('ERR_RANGE', 'batch', () =>
    model.predict(matrix(new Float64Array(4), 2, 2), Uint32Array.of(2)),
  )
  assert.is(model.predict(matrix(new Float64Array(4), 2, 2)).length, 2)
})

test('a forced backend that is missing or unknown', async () => {
  await refuses('ERR_BACKEND', 'backend', () => loadBackend({ backend: 'gpu' as 'native' }))
  const variable = process.env.NHGD_BACKEND
  try {
    process.env.NHGD_BACKEND = 'gpu'
    await refuses('ERR_BACKEND', 'backend', () => loadBackend())
  } finally {
    if (variable === undefined) delete process.env.NHGD_BACKEND
    else process.env.NHGD_BACKEND = variable
  }
})

/** After an error a problem works as before. */
async function usable(problem: Problem): Promise<void> {
  const point = problem.start()
  const { inner, outer } = point
  const at = { inner: inner.readF64(), outer: outer.readF64(), method: nhgd({ refineDamping: 0.1 }) }
  const estimate = await hypergradient(problem, at)
  assert.ok(estimate.hypergradient.every(Number.isFinite) && estimate.hypergradient.some((x) => x !== 0))
}

test.run()
