import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import {
  amigo,
  auc,
  checkHypergradient,
  conjugateGradients,
  convolutionalNetwork,
  exact,
  f2sa,
  hypergradient,
  kfacImplicit,
  loadBackend,
  type Method,
  maSoba,
  mrbo,
  multilayerPerceptron,
  neumann,
  nhgd,
  nystrom,
  oneStep,
  preconditionedConjugateGradients,
  qnbo,
  quadratic,
  reweighting,
  saba,
  sama,
  soba,
  softmaxRegression,
  solve,
  unrolled,
} from '../../ts/index.ts'
import { refuses } from '../support/errors.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('options')
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

type Options = Record<string, unknown>

const methods: Record<string, (options: Options) => Method> = {
  amigo,
  conjugateGradients,
  exact,
  f2sa,
  kfacImplicit,
  maSoba,
  mrbo,
  neumann,
  nhgd,
  nystrom,
  oneStep,
  preconditionedConjugateGradients,
  qnbo,
  saba,
  sama,
  soba,
  unrolled,
}

/** Values that an option of each kind may not have. */
const notANumber = [null, 'x', '1', true, [], {}, nan, infinity, -1]
const notACount = [...notANumber, 0.5, 2 ** 32 + 1]
const notPositive = [...notANumber, 0]
const notAShare = [...notANumber, 1.5]
const senseless: Record<string, readonly unknown[]> = {
  averaging: notAShare,
  batchSize: [...notACount, 0],
  beta1: [...notAShare, 1],
  beta2: [...notAShare, 1],
  concurrent: [null, 'yes', 1, {}],
  cross: [null, 'trajectori', 3, {}, { samples: 0 }, { samples: 2 ** 32 + 1 }, { samples: 5, more: 1 }],
  curvatureSamples: [...notACount, 0],
  damping: notPositive,
  depth: [...notACount, 0],
  epsilon: notANumber,
  fisher: [null, 'window', 3, { form: null }],
  innerOptimizer: [
    null,
    'sgd',
    {},
    { kind: 'sgd' },
    { kind: 'other', rate: 1 },
    { kind: 'sgd', rate: 1, momentum: 0.9 },
    { kind: 'momentum', rate: null },
    { kind: 'momentum', rate: 1, momentum: null },
    { kind: 'adam', rate: 1, beta1: 1 },
    { kind: 'adam', rate: 1, shared: 1 },
  ],
  innerShare: [...notAShare, 0],
  innerSteps: notACount,
  linearRate: notANumber,
  memory: [...notACount, 0],
  multiplier: notPositive,
  observe: [null, 'x', 3, { every: 0 }, { samples: 0.5 }, { samples: 2 ** 32 }, { sample: 1 }],
  operator: [null, 'newton', 1, {}],
  outerBatchSize: [...notACount, 0],
  outerShare: [...notAShare, 0],
  rank: [...notACount, 0],
  rate: notANumber,
  refine: [
    null,
    'x',
    true,
    nan,
    -1,
    0.5,
    {},
    { steps: 2 },
    { steps: 2, rate: -1 },
    { steps: 1, rate: 1, x: 1 },
  ],
  refineDamping: notANumber,
  refineSamples: [...notACount, 0],
  residual: [null, 'yes', 1, {}],
  scale: notANumber,
  share: [...notAShare, 0],
  steps: [...notACount, 0],
  terms: [...notACount, 0],
  tolerance: notANumber,
}

for (const [name, method] of Object.entries(methods)) {
  const { settings } = method({})
  test(`${name} refuses what its options may not be, by name`, async () => {
    for (const option of Object.keys(settings)) {
      // SAMA makes its own optimiser of other options.
      if (name === 'sama' && option === 'innerOptimizer') continue
      assert.ok(option in senseless, `${option} has no values here`)
      for (const value of senseless[option]) {
        await refuses('ERR_RANGE', '', () => method({ [option]: value }))
        const error = await Promise.resolve({ [option]: value })
          .then(method)
          .catch((error) => error)
        assert.match(error.message, new RegExp(`^"(${option}(\\.\\w+)?|form|rate|momentum)" `))
      }
    }
    await refuses('ERR_RANGE', 'options', () => method({ batchsize: 8 }))
    await refuses('ERR_RANGE', 'options', () => method({ toString: 8 }))
    await refuses('ERR_RANGE', 'options', () => method(null as never))
  })

  test(`${name}: undefined is absent`, () => {
    const absent = Object.fromEntries(
      Object.keys(settings)
        .filter((option) => name !== 'sama' || option !== 'innerOptimizer')
        .map((option) => [option, undefined]),
    )
    assert.equal(JSON.stringify(method(absent).settings), JSON.stringify(settings))
  })
}

const x = matrix(
  Float64Array.from({ length: 60 }, (_, i) => Math.sin(12.9898 * (i + 1))),
  30,
  2,
)
const set = { features: x, labels: Array.from({ length: 30 }, (_, i) => i % 3) }
const linear = { h: [2], c: [1], c0: [0], q: [1], t: [1], mu: 0.1 }

/** Whatever takes options, with options that are right. */
const calls: Record<
  string,
  [(options: Options, backend: Backend) => unknown, (backend: Backend) => Options]
> = {
  quadratic: [(options) => quadratic(options as never).oracles, (backend) => ({ backend, ...linear })],
  reweighting: [
    (options) => reweighting(options as never).oracles,
    (backend) => ({ backend, model: softmaxRegression({ classes: 3 }), train: set, trusted: set }),
  ],
  softmaxRegression: [(options) => softmaxRegression(options as never), () => ({ classes: 3 })],
  convolutionalNetwork: [
    (options) => convolutionalNetwork(options as never),
    () => ({ classes: 3, image: { height: 4, width: 5 }, convolutions: [{ channels: 2, kernel: 3 }] }),
  ],
  multilayerPerceptron: [
    (options) => multilayerPerceptron(options as never),
    () => ({ classes: 3, hidden: [2], activation: 'tanh' }),
  ],
  solve: [
    (options, backend) => solve(quadratic({ backend, ...linear }), options).result,
    () => ({ method: exact(), outerSteps: 2, seed: 1 }),
  ],
  hypergradient: [
    (options, backend) => hypergradient(quadratic({ backend, ...linear }), options as never),
    () => ({ inner: [0], outer: [0], method: exact() }),
  ],
  checkHypergradient: [
    (options, backend) => checkHypergradient(quadratic({ backend, ...linear }), options as never),
    () => ({ method: exact(), directions: 1, iterations: 1 }),
  ],
  loadBackend: [
    (options) => loadBackend(options),
    (backend) => ({ backend: backend.info().backend, relaxed: undefined }),
  ],
}
for (const [name, [call, options]] of Object.entries(calls)) {
  test(`${name} refuses names that it does not know and counts undefined as absent`, async ({ backend }) => {
    const right = options(backend)
    await call(right, backend)
    await refuses('ERR_RANGE', 'options', () => call(null as never, backend))
    for (const option of Object.keys(wrong[name] ?? {})) {
      if (!(option in right)) await call({ ...right, [option]: undefined }, backend)
    }
    for (const misspelt of ['outerstep', 'sed', 'dtyp', 'toString']) {
      await refuses('ERR_RANGE', 'options', () => call({ ...right, [misspelt]: 1 }, backend))
    }
  })
}

/** Options whose values are wrong, by the call that takes them. */
const wrong: Record<string, Record<string, readonly unknown[]>> = {
  quadratic: { mu: [undefined, null, '1'], h: [undefined, 3], dtype: [null] },
  reweighting: {
    model: [undefined, null],
    train: [undefined, null, { features: x }, { ...set, label: [] }],
    weighting: [null, 'other', {}, { fixed: [1], more: 1 }],
    anchors: [-1, 0.5, null, '1'],
    prior: [null, { mean: [0] }, 3],
    regularization: [null, '1'],
  },
  softmaxRegression: { classes: [undefined, 1, 2.5, nan, '3'], bias: [null, 1] },
  convolutionalNetwork: {
    classes: [undefined, 1],
    image: [undefined, 4, { height: 4 }, { height: 4, width: 0 }, { height: 4, width: 5, depth: 1 }],
    convolutions: [
      undefined,
      4,
      [{ channels: 2 }],
      [{ channels: 0, kernel: 1 }],
      [{ channels: 1, kernel: 5 }],
      [{ channels: 1, kernel: 2, pool: 4 }],
      [{ channels: 1, kernel: 1, stride: 0 }],
      [{ channels: 1, kernel: 1, padding: -1 }],
      [{ channels: 1, kernel: 1, dilation: 2 }],
    ],
    pooling: [null, 'sum'],
    hidden: [4, [0]],
    activation: [null, 'step'],
    loss: [null, 'hinge'],
  },
  multilayerPerceptron: {
    classes: [undefined, 1],
    outputs: [0, null],
    hidden: [undefined, 4, [0], ['4'], [2.5]],
    activation: [null, 'step'],
    loss: [null, 'hinge'],
  },
  solve: {
    seed: [nan, 0.5, infinity, -1, 2 ** 53, '1', null],
    outerSteps: [-1, 0.5, '3', null, nan],
    seconds: [-1, nan, '1'],
    tolerance: [-1, nan, null],
    outerOptimizer: [null, 'adam', { kind: 'adam' }, { kind: 'adam', rate: 1, beta: 1 }],
    box: [null, [0, 1], { low: 0 }, { low: nan, high: 1 }],
    onStep: [null, 3],
    throwOnFailure: [null, 1],
    inner: [null, 3],
    method: [null, 3],
  },
  hypergradient: { seed: [nan, 0.5, infinity, -1], inner: [undefined, null], method: [undefined] },
  checkHypergradient: {
    seed: [nan],
    directions: [0, 0.5, '3'],
    iterations: [0, null],
    at: [null, { x: [1] }],
  },
}
for (const [name, options] of Object.entries(wrong)) {
  test(`${name} refuses values of another kind, by name`, async ({ backend }) => {
    const [call, right] = calls[name]
    for (const [option, values] of Object.entries(options)) {
      for (const value of values) {
        const act = () => call({ ...right(backend), [option]: value }, backend)
        const error = (await Promise.resolve()
          .then(act)
          .catch((error) => error)) as Error & { code: string }
        assert.match(
          `${error.code} ${error.message}`,
          new RegExp(`^ERR_(RANGE|DTYPE) "${option}[^"]*" expected .+, got `),
        )
      }
    }
  })
}

test('a rate that turns senseless in a later step is refused there', async ({ backend }) => {
  const problem = quadratic({ backend, ...linear })
  const run = (method: Method) => () => solve(problem, { method, outerSteps: 4 }).result
  const falls = (k: number) => 1 - k
  await refuses('ERR_RANGE', 'tolerance', run(conjugateGradients({ tolerance: falls })))
  await refuses('ERR_RANGE', 'multiplier', run(f2sa({ multiplier: falls })))
  await refuses('ERR_RANGE', 'rate', run(soba({ rate: falls })))
})

test('the seed −0 is 0', async ({ backend }) => {
  const problem = reweighting({
    backend,
    model: softmaxRegression({ classes: 3 }),
    train: set,
    trusted: set,
  })
  const run = (seed: number) =>
    solve(problem, { seed, outerSteps: 2, method: exact({ batchSize: 7 }) }).result
  assert.equal((await run(-0)).inner, (await run(0)).inner)
  assert.not.equal((await run(0)).inner, (await run(1)).inner)
})

test('scores without a rank are refused', async () => {
  await refuses('ERR_NOT_FINITE', 'scores\\[0\\]', () => auc([nan, 1, 2], [1, 0, 1]))
  await refuses('ERR_SHAPE', 'positive', () => auc([1, 2], [1]))
  assert.is(auc([-infinity, 1, infinity], [0, 1, 1]), 1)
})

test.run()
