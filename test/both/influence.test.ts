import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromArrays } from 'apache-arrow'
import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { FisherSettings } from '../../ts/backend/fisher.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { fixedWeights } from '../../ts/problems/blocks.ts'
import {
  convolutionalNetwork,
  linearRegression,
  logisticRegression,
  type Model,
  multilayerPerceptron,
  softmaxRegression,
} from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { influence, selfInfluence, valueData } from '../../ts/tasks/influence/influence.ts'
import { influenceColumns, valueColumns } from '../../ts/tasks/influence/influenceColumns.ts'
import { InfluenceModel } from '../../ts/tasks/influence/influenceModel.ts'
import type { InfluenceProgress } from '../../ts/tasks/influence/options.ts'
import { writeModel } from '../../ts/tasks/modelFile.ts'
import { close } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('influence')

const [n, m, columns, classes] = [60, 9, 4, 3]
const exact = {
  refine: 200,
  fisher: { form: 'kronecker', smoothing: 'average', damping: 1e-3 } as FisherSettings,
}

/** Samples whose classes differ in their means, so that a model learns something. */
function samples(count: number, seed: number, width = columns) {
  const random = new Random(seed)
  const labels = random.labels(count, classes)
  const data = random.normals(count * width)
  for (let i = 0; i < count; i++) data[i * width + labels[i]] += 1
  return { features: matrix(data, count, width), labels }
}

const setting = (backend: Backend, model: Model = softmaxRegression({ classes })) =>
  ({ backend, model, train: samples(n, 1), regularization: 0.01, dtype: 'f64' }) as const

/** Effects of all training samples on all test samples, n × m. */
async function effects(model: InfluenceModel, test: ReturnType<typeof samples>): Promise<Float64Array> {
  const all = new Float64Array(n * test.labels.length)
  for await (const { first, losses, rows, changes } of model.tiles({ test })) {
    changes.forEach((change, at) => {
      const [i, j] = [Math.floor(at / losses.length), at % losses.length]
      all[(rows + i) * test.labels.length + first + j] = change
    })
  }
  return all
}

/** The same from the dense Hessian, one weight derivative after the other: ∂f/∂w_i = −∇fᵀH⁻¹∇ℓ_i/n. */
function reference(
  backend: Backend,
  theta: ArrayLike<number>,
  test: ReturnType<typeof samples>,
): Float64Array {
  const all = new Float64Array(n * test.labels.length)
  const { train, ...rest } = setting(backend)
  for (let j = 0; j < test.labels.length; j++) {
    const one = { features: test.features, labels: [test.labels[j]], rows: [j] }
    const problem = bilevel({ ...rest, train, validation: one, hyperparameters: {} })
    const { oracles } = problem
    const point = problem.start(0, { inner: theta })
    const [direct, target, u] = [problem.zeros(0), problem.zeros(theta.length), problem.zeros(theta.length)]
    oracles.outerGradient(point, direct, target)
    oracles.exactDirection(point, target, u, false)
    for (let i = 0; i < n; i++) {
      const weights = fixedWeights(Float64Array.from({ length: n }, (_, k) => (k === i ? 1 : 0)))
      const alone = bilevel({
        ...rest,
        regularization: 0,
        train,
        validation: one,
        hyperparameters: { weights },
      })
      const gradient = problem.zeros(theta.length)
      alone.oracles.innerGradient(alone.start(0, { inner: theta }), backend.Batch.all(n), gradient)
      all[i * test.labels.length + j] = gradient.dot(u) // the mean over n of one sample's gradient
    }
  }
  return all
}

test('effects are those of the dense Hessian', async ({ backend }) => {
  const model = await InfluenceModel.fit({ ...setting(backend), ...exact })
  const tests = samples(m, 2)
  close(await effects(model, tests), reference(backend, model.theta, tests), 1e-2)
})

test('by default effects are next to those of the dense Hessian', async ({ backend }) => {
  const model = await InfluenceModel.fit(setting(backend))
  const tests = samples(m, 2)
  const expected = reference(backend, model.theta, tests)
  close(await effects(model, tests), expected, 0.02)
  const { values, residual } = await model.valueData({ test: tests })
  const mean = Float64Array.from({ length: n }, (_, i) => {
    return expected.subarray(i * m, (i + 1) * m).reduce((sum, x) => sum + x, 0) / m
  })
  close(values, mean, 0.02)
  assert.ok(residual !== undefined && residual < 0.1)
})

test('effects are about what removing samples does', async ({ backend }) => {
  const base = setting(backend)
  const { theta } = await InfluenceModel.fit(base)
  const found = await effects(await InfluenceModel.fit({ ...base, ...exact }), samples(m, 2))
  const lossesAt = async (theta: ArrayLike<number>) => {
    const { tests } = await (await InfluenceModel.fit({ ...base, theta })).influence({ test: samples(m, 2) })
    return tests.map(({ loss }) => loss)
  }
  const before = await lossesAt(theta)
  for (const row of [0, 17, 42]) {
    // The weight 0 by what n weights sum to: λ grows by n/(n − 1), so that the mean over n − 1 has the objective of n.
    const { features, labels } = base.train
    const kept = Uint32Array.from(labels.keys()).filter((i) => i !== row)
    const train = { features, rows: kept, labels: kept.map((i) => labels[i]) }
    const without = await InfluenceModel.fit({ ...base, train, regularization: (0.01 * n) / (n - 1) })
    const after = await lossesAt(without.theta)
    const changes = after.map((loss, j) => loss - before[j])
    const expected = Array.from({ length: m }, (_, j) => found[row * m + j])
    close(changes, expected, 0.25, `row ${row}`)
  }
})

test('what one call gives is what the tiles give', async ({ backend }) => {
  const test = samples(m, 2)
  const found = await influence({ ...setting(backend), test, top: 3, refine: 0 })
  const all = await effects(found.model, test)
  assert.is(found.status, 'done')
  assert.is(found.tests.length, m)
  const values = new Float64Array(n)
  found.tests.forEach(({ helpful, harmful, loss }, j) => {
    const own = Array.from({ length: n }, (_, row) => ({ row, change: all[row * m + j] }))
    own.sort((a, b) => b.change - a.change)
    assert.equal(helpful, own.slice(0, 3))
    assert.equal(harmful, own.slice(-3).reverse())
    assert.ok(loss > 0)
    for (const { row, change } of own) values[row] += change / m
  })
  close(found.values, values, 1e-12)
  // One solve for all test samples.
  close((await valueData({ ...setting(backend), test, refine: 0 })).values, values, 1e-8)
})

test('self-influence is the effect of each training sample on itself', async ({ backend }) => {
  const found = await selfInfluence({ ...setting(backend), refine: 0 })
  const all = await effects(found.model, setting(backend).train)
  close(
    found.values,
    Float64Array.from({ length: n }, (_, i) => all[i * n + i]),
    1e-10,
  )
  assert.ok(found.values.every((value) => value >= 0))
  const { tests } = await found.model.influence({ test: setting(backend).train })
  close(
    found.losses,
    Float64Array.from(tests, ({ loss }) => loss),
    1e-12,
  )
})

const models: Record<string, Model> = {
  'softmax regression': softmaxRegression({ classes }),
  'a model without biases': softmaxRegression({ classes, bias: false }),
  'a perceptron': multilayerPerceptron({ classes, hidden: [5], activation: 'tanh' }),
  'a convolutional network': convolutionalNetwork({
    classes,
    image: { height: 1, width: columns },
    convolutions: [{ channels: 2, kernel: 1 }],
    activation: 'tanh',
  }),
}
const forms: FisherSettings[] = [
  { form: 'dense', rows: 'perSample', statistic: 'expected', smoothing: 'average' },
  { form: 'window', rows: 'perSample', length: 20 },
  { form: 'samples', samples: 40 },
  { form: 'kronecker', statistic: 'expected', smoothing: 'average' },
  { form: 'kronecker', kroneckerDamping: 'split', smoothing: 'average' },
  { form: 'eigenkronecker', statistic: 'sampled', smoothing: 'average' },
  { form: 'diagonal', rows: 'perSample', smoothing: 'average' },
  { form: 'sketch', rank: 10 },
]

test('every form and model: values are inner products of gradients with the same solves', async ({
  backend,
}) => {
  const test = samples(m, 2)
  for (const [name, model] of Object.entries(models)) {
    for (const fisher of name === 'softmax regression' ? forms : forms.slice(3, 5)) {
      const { theta } = await InfluenceModel.fit({ ...setting(backend, model), dtype: 'f32' })
      const made = await InfluenceModel.fit({ ...setting(backend, model), theta, fisher, refine: 0 })
      const [self, all] = [await made.selfInfluence(), await effects(made, setting(backend).train)]
      close(
        self.values,
        Float64Array.from({ length: n }, (_, i) => all[i * n + i]),
        1e-8,
        `${name} ${fisher.form}`,
      )
      const { values } = await made.valueData({ test })
      close((await made.influence({ test })).values, values, 1e-8, `${name} ${fisher.form}`)
    }
  }
})

test('results as columns, by the names of classes and samples', async ({ backend }) => {
  const test = samples(3, 2)
  const { labels } = samples(n, 1)
  const result = await influence({ ...setting(backend), test, top: 2 })
  const names = ['a', 'b', 'c']
  const ids = Array.from({ length: n }, (_, i) => `s${i}`)
  const columns = influenceColumns(result, { labels, names, ids, testLabels: test.labels })
  const rows = result.tests.flatMap(({ helpful, harmful }, at) => [
    ...helpful.map((effect, k) => [at, 'helpful', k + 1, effect.row, effect.change]),
    ...harmful.map((effect, k) => [at, 'harmful', k + 1, effect.row, effect.change]),
  ])
  const { test: at, effect, rank, row, change } = columns
  assert.equal(
    rows.map((_, k) => [at[k], effect[k], rank[k], row[k], change[k]]),
    rows,
  )
  assert.is(columns.label?.[0], names[labels[row[0]]])
  assert.is(columns.id?.[0], ids[row[0]])
  assert.is(columns.test_label?.[0], names[test.labels[at[0]]])
  assert.is(tableFromArrays(columns).numRows, rows.length)
  const self = await result.model.selfInfluence()
  const worth = valueColumns(result, { labels, selfInfluence: self })
  assert.equal(Object.keys(worth), ['row', 'label', 'value', 'self_influence', 'loss_without'])
  assert.equal(
    [worth.value[4], worth.label?.[4], worth.self_influence?.[4], worth.loss_without?.[4]],
    [result.values[4], labels[4], self.values[4], self.losses[4] + self.values[4]],
  )
  await refuses('ERR_RANGE', 'result', () => influenceColumns({ values: result.values } as never))
  await refuses('ERR_RANGE', 'result', () => valueColumns(undefined as never))
  await refuses('ERR_SHAPE', 'labels', () => valueColumns(result, { labels: [0] }))
  await refuses('ERR_SHAPE', 'testIds', () => influenceColumns(result, { testIds: [] }))
})

test('regressions have influence too', async ({ backend }) => {
  const { features, labels } = samples(n, 1)
  const numbers = Float64Array.from(labels)
  const two = numbers.map((y) => Math.min(y, 1))
  const tests = samples(m, 2)
  for (const [model, train, test] of [
    [
      linearRegression(),
      { features, targets: numbers },
      { ...tests, labels: undefined, targets: tests.labels },
    ],
    [
      multilayerPerceptron({ outputs: 1, hidden: [3], activation: 'tanh' }),
      { features, targets: numbers },
      { ...tests, labels: undefined, targets: tests.labels },
    ],
    [
      logisticRegression(),
      { features, labels: two },
      { ...tests, labels: tests.labels.map((y) => Math.min(y, 1)) },
    ],
  ] as const) {
    const { values } = await valueData({ ...setting(backend, model), train, test, ...exact })
    assert.ok(values.some((value) => value > 0) && values.some((value) => value < 0))
  }
})

test('a saved model goes on with the same bits', async ({ backend }) => {
  const test = samples(m, 2)
  for (const format of ['safetensors', 'npz'] as const) {
    const found = await valueData({ ...setting(backend), test })
    const bytes = await found.model.save({ format })
    const { train } = setting(backend)
    const loaded = await InfluenceModel.load({ backend, train }, bytes)
    assert.equal(loaded.theta, found.model.theta)
    assert.equal((await loaded.valueData({ test })).values, found.values)
    const others = InfluenceModel.load({ backend, train: samples(n, 7) }, bytes)
    await refuses('ERR_CHECKPOINT', 'train', () => others)
    await refuses('ERR_CHECKPOINT', 'file', () => InfluenceModel.load({ backend, train }, writeOther(format)))
  }
})

const writeOther = (format: 'npz' | 'safetensors') =>
  writeModel(format, { theta: { data: new Float64Array(15), shape: [5, 3] } })

test('the same seed gives the same bits', async ({ backend }) => {
  const options = { ...setting(backend, models['a perceptron']), test: samples(m, 2), seed: 3 }
  const [a, b] = [await valueData(options), await valueData(options)]
  assert.equal(a.values, b.values)
  assert.not.equal((await valueData({ ...options, seed: 4 })).values, a.values)
})

test('an abort ends every stage, and progress is told of each', async ({ backend }) => {
  const stages = ['train', 'inverse', 'samples'] as const
  for (const model of [models['softmax regression'], models['a perceptron']]) {
    for (const last of stages) {
      const controller = new AbortController()
      const told: InfluenceProgress[] = []
      const onProgress = (progress: InfluenceProgress) => {
        told.push(progress)
        if (progress.stage === last) controller.abort(new Error(`in ${last}`))
      }
      const run = selfInfluence({ ...setting(backend, model), signal: controller.signal, onProgress })
      const reason = await run.then(
        () => 'done',
        (error: Error) => error.message,
      )
      assert.is(reason, `in ${last}`)
      assert.equal([...new Set(told.map(({ stage }) => stage))], stages.slice(0, stages.indexOf(last) + 1))
    }
  }
})

test('an interrupted call goes on from its checkpoint, with the same bits', async ({ backend }) => {
  const folder = mkdtempSync(join(tmpdir(), 'nhgd-influence-'))
  try {
    for (const model of [models['softmax regression'], models['a perceptron']]) {
      const options = { ...setting(backend, model), test: samples(1100, 2), top: 3, dtype: 'f32' } as const
      const { test, top, ...fit } = options
      const checkpoint = { file: join(folder, model.kind), everySeconds: 0 }
      /** Aborts once so many samples are judged. */
      const stopping = (at: number) => {
        const stop = new AbortController()
        const onProgress = ({ stage, done }: InfluenceProgress) =>
          stage === 'samples' && done >= at && stop.abort(new Error('enough'))
        return { signal: stop.signal, onProgress, checkpoint }
      }
      const resuming = (stages: Set<string>) => ({
        checkpoint: { ...checkpoint, resume: true },
        onProgress: ({ stage, done }: InfluenceProgress) => stages.add(`${stage} ${done}`),
      })
      const whole = await influence(options)
      const self = await selfInfluence(fit)
      for (const call of [
        () => influence({ ...options, ...stopping(1024) }),
        () => selfInfluence({ ...fit, ...stopping(20), checkpoint: { ...checkpoint, resume: true } }),
      ]) {
        await call().then(
          () => assert.unreachable(),
          (error) => assert.is(error.message, 'enough'),
        )
      }
      const seen = new Set<string>()
      const again = await influence({ ...options, ...resuming(seen) })
      assert.equal([again.tests, again.values], [whole.tests, whole.values])
      assert.equal(
        [...seen].filter((one) => !/^samples 1100$/.test(one)),
        [],
      )
      seen.clear()
      const selves = await selfInfluence({ ...fit, ...resuming(seen) })
      assert.equal([selves.values, selves.losses], [self.values, self.losses])
      assert.is([...seen][0], 'samples 21')
      assert.is(selves.model.resumed?.file, checkpoint.file)
      const other = { ...options, seed: 3, checkpoint: { ...checkpoint, resume: true } }
      await refuses('ERR_CHECKPOINT', 'checkpoint.seed', () => influence(other))
      const others = { ...fit, train: samples(n, 7), checkpoint: { ...checkpoint, resume: true } }
      await refuses('ERR_CHECKPOINT', 'checkpoint.data.data', () => selfInfluence(others))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('where the time is over, what was judged is told', async ({ backend }) => {
  const self = await selfInfluence({ ...setting(backend), seconds: 0 })
  assert.is(self.status, 'seconds')
  assert.ok(self.values[0] >= 0)
  assert.ok(Number.isNaN(self.values[n - 1]))
  const found = await influence({ ...setting(backend), test: samples(2000, 2), seconds: 0 })
  assert.is(found.status, 'seconds')
  assert.ok(found.tests.length > 0 && found.tests.length < 2000)
  assert.ok(found.values.every(Number.isFinite))
})

test('bad input is refused before anything is trained', async ({ backend }) => {
  const good = { ...setting(backend), test: samples(m, 2) }
  const { features, labels } = good.test
  const bad = Float64Array.from(features.data as Float64Array)
  bad[3] = Number.NaN
  const cases: [Parameters<typeof refuses>[0], string, object][] = [
    ['ERR_SHAPE', '', { test: { features, labels: [], rows: [] } }],
    ['ERR_SHAPE', 'labels', { test: { features, labels: labels.slice(1) } }],
    ['ERR_RANGE', 'test labels', { test: { features, labels: labels.map(() => 3) } }],
    ['ERR_SHAPE', 'test features', { test: samples(m, 2, columns + 1) }],
    ['ERR_NOT_FINITE', 'features', { test: { features: matrix(bad, m, columns), labels } }],
    ['ERR_RANGE', 'test', { test: { features } }],
    ['ERR_RANGE', 'test', { test: undefined }],
    ['ERR_RANGE', 'settings', { fisher: { form: 'cubic' } }],
    ['ERR_RANGE', 'damping', { fisher: { form: 'kronecker', damping: -1 } }],
    ['ERR_NOT_FINITE', 'damping', { fisher: { form: 'kronecker', damping: Number.NaN } }],
    ['ERR_RANGE', 'regularization', { regularization: Number.NaN }],
    ['ERR_SHAPE', 'theta', { theta: [1, 2] }],
    ['ERR_NOT_FINITE', 'theta', { theta: new Float64Array(15).fill(Number.NaN) }],
    ['ERR_RANGE', 'top', { top: 0 }],
    ['ERR_RANGE', 'refine', { refine: -1 }],
    ['ERR_RANGE', 'seconds', { seconds: -1 }],
    ['ERR_RANGE', 'seed', { seed: 0.5 }],
    ['ERR_DTYPE', 'dtype', { dtype: 'f16' }],
    ['ERR_RANGE', 'model', { model: 'softmax' }],
    ['ERR_RANGE', 'backend', { backend: 1 }],
    ['ERR_RANGE', 'options', { tests: good.test }],
  ]
  for (const [code, name, change] of cases) {
    let trained = false
    const onProgress = () => {
      trained = true
    }
    await refuses(code, name, () => influence({ ...good, ...change, onProgress } as typeof good))
    assert.not(trained, JSON.stringify(change))
  }
})

test('the oracle refuses directions of another length, and problems without samples', async ({ backend }) => {
  const { train, ...rest } = setting(backend)
  const { oracles, ...problem } = problemOf(
    bilevel({ ...rest, train, validation: train, hyperparameters: {} }),
  )
  const all = backend.Batch.all(n)
  const vector = (length: number) => new backend.Vector(length, 'f64')
  await refuses('ERR_SHAPE', 'directions', () => oracles.sensitivities(problem.point, all, vector(14)))
  await refuses('ERR_SHAPE', 'directions', () => oracles.sensitivities(problem.point, all, vector(0)))
  await refuses('ERR_DTYPE', 'directions', () =>
    oracles.sensitivities(problem.point, all, new backend.Vector(15, 'f32')),
  )
  await refuses('ERR_RANGE', 'batch', () =>
    oracles.sensitivities(problem.point, backend.Batch.all(n + 1), vector(15)),
  )
  const one = Float64Array.of(1)
  const square = problemOf(
    quadratic({ backend, h: one, c: one, c0: one, q: one, t: one, mu: 1, dtype: 'f64' }),
  )
  await refuses('ERR_RANGE', 'problem', () =>
    square.oracles.sensitivities(square.point, backend.Batch.all(1), vector(1)),
  )
})

const problemOf = (problem: Problem) => ({ oracles: problem.oracles, point: problem.start() })

test.run()
