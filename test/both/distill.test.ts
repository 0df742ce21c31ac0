import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { linearRegression, multilayerPerceptron, softmaxRegression } from '../../ts/problems/model.ts'
import { type DistillOptions, distill, type Judged } from '../../ts/tasks/distill/distill.ts'
import { smallSetColumns } from '../../ts/tasks/distill/smallSetColumns.ts'
import { accuracy } from '../../ts/tasks/metrics.ts'
import { same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('distill')
const [columns, classes] = [6, 3]

/** Clouds around the first three axes, which overlap; each column has a scale and a place of its own. */
function clouds(count: number, seed: number, scales: readonly number[] = [1, 1, 1, 1, 1, 1]) {
  const random = new Random(seed)
  const labels = Uint32Array.from({ length: count }, (_, i) => i % classes)
  const data = random.normals(count * columns).map((x, k) => {
    const [row, j] = [Math.floor(k / columns), k % columns]
    return (x + (labels[row] === j ? 1.5 : 0)) * scales[j] + 10 * (scales[j] - 1)
  })
  return { features: matrix(data, count, columns), labels }
}

const small = (backend: Backend, more: Partial<DistillOptions> = {}): DistillOptions => ({
  backend,
  ...clouds(200, 1),
  test: clouds(300, 2),
  outerSteps: 40,
  outerRate: 0.1,
  trainings: 2,
  ...more,
})
const mean = (x: readonly number[]) => x.reduce((sum, x) => sum + x, 0) / x.length

test('one sample per class is worth nearly all samples, and more than random ones', async ({ backend }) => {
  const steps: number[] = []
  const result = await distill(small(backend, { onProgress: ({ step }) => steps.push(step) }))
  const { judged, features, labels, curves, solve, model } = result
  assert.equal(Object.keys(judged), ['distilled', 'random samples', 'class means', 'all samples', 'analytic'])
  const loss = (name: keyof typeof judged) => mean((judged[name] as Judged).losses)
  assert.ok(loss('distilled') < loss('random samples') - 0.1, `${loss('distilled')}`)
  assert.ok(loss('distilled') < loss('all samples') + 0.03, `${loss('distilled')}`)
  // The analytic set holds the model of all samples, and training finds it again.
  assert.ok(Math.abs(loss('analytic') - loss('all samples')) < 0.01, `${loss('analytic')}`)
  assert.is(judged['all samples']?.samples, 200)
  assert.is(judged.analytic?.samples, classes)
  assert.equal([features.rows, features.columns, Array.from(labels)], [classes, columns, [0, 1, 2]])
  assert.equal(
    steps,
    Array.from({ length: 40 }, (_, k) => k + 1),
  )
  assert.ok(curves[39].outerLoss < curves[0].outerLoss)
  assert.is(solve.status, 'outerSteps')
  const apart = clouds(300, 2)
  const own = accuracy(model.probabilities(apart.features), classes, apart.labels)
  assert.is(own, judged.distilled?.accuracies[0])
})

test('soft labels are probabilities that moved, and the seed decides all bits', async ({ backend }) => {
  const options = small(backend, { learnTargets: true, perClass: 2, outerSteps: 10, trainings: 1 })
  const [one, two] = [await distill(options), await distill(options)]
  assert.ok(one.targets && two.targets)
  same(one.features.data, two.features.data)
  same(one.targets, two.targets)
  for (let i = 0; i < 2 * classes; i++) {
    const row = Array.from(one.targets.subarray(i * classes, (i + 1) * classes))
    assert.ok(Math.abs(row.reduce((sum, y) => sum + y, 0) - 1) < 1e-6)
    assert.ok(row.every((y) => Math.abs(y - 0.999) > 1e-6 && y > 0))
  }
  const table = smallSetColumns(one, { names: ['a', 'b', 'c'].slice(0, classes) })
  const { rows, columns, data } = one.features
  assert.is(Object.keys(table).length, columns + 1 + classes)
  for (let i = 0; i < rows; i++) {
    assert.is(table.label[i], ['a', 'b', 'c'][one.labels[i]])
    assert.is(table['share of b'][i], one.targets[i * classes + 1])
    for (let j = 0; j < columns; j++) assert.is(table[`x${j}`][i], data[i * columns + j])
  }
  await refuses('ERR_RANGE', 'set', () => smallSetColumns({} as never))
  const other = await distill({ ...options, seed: 1 })
  assert.not.equal(Array.from(other.features.data), Array.from(one.features.data))
})

test('a set for a perceptron serves starts that the run never saw', async ({ backend }) => {
  const model = multilayerPerceptron({ classes, hidden: [8], activation: 'tanh' })
  const { judged } = await distill(small(backend, { model, perClass: 2, outerSteps: 30 }))
  assert.equal(Object.keys(judged), ['distilled', 'random samples', 'class means', 'all samples'])
  const [own, random] = [judged.distilled as Judged, judged['random samples'] as Judged]
  assert.ok(mean(own.losses) < mean(random.losses) - 0.1, `${own.losses} ${random.losses}`)
})

test('a set for linear regression, whose targets are learned without bounds', async ({ backend }) => {
  const model = linearRegression({ outputs: classes })
  const { judged, targets } = await distill(small(backend, { model, learnTargets: true, outerSteps: 20 }))
  assert.is(targets?.length, classes * classes)
  const [own, random] = [judged.distilled as Judged, judged['random samples'] as Judged]
  assert.ok(mean(own.losses) < mean(random.losses), `${own.losses} ${random.losses}`)
})

test('columns of any scale: the set and the model are in the units of the features', async ({ backend }) => {
  const scales = [1e3, 1e-2, 1, 50, 1, 1]
  const apart = clouds(300, 2, scales)
  const options = small(backend, { ...clouds(200, 1, scales), test: apart, trainings: 1 })
  const { features, model, judged } = await distill(options)
  const plain = await distill(small(backend, { trainings: 1, standardize: true }))
  const expected = plain.judged.distilled as Judged
  assert.ok(Math.abs(mean(expected.losses) - mean((judged.distilled as Judged).losses)) < 1e-3)
  const own = accuracy(model.probabilities(apart.features), classes, apart.labels)
  assert.ok(Math.abs(own - (judged.distilled as Judged).accuracies[0]) < 0.01)
  const of = (x: ArrayLike<number>, j: number) =>
    x[columns + j] / scales[j] - (10 * (scales[j] - 1)) / scales[j]
  for (let j = 0; j < columns; j++) {
    assert.ok(Math.abs(of(features.data, j) - plain.features.data[columns + j]) < 0.02, `column ${j}`)
  }
})

test('a run that is aborted gives the set of its last whole step, and one that goes on ends with the same bits', async ({
  backend,
}) => {
  const folder = mkdtempSync(join(tmpdir(), 'nhgd-'))
  try {
    const options = small(backend, { outerSteps: 12, trainings: 1 })
    const whole = await distill(options)
    const stopping = (at: number) => {
      const stop = new AbortController()
      const onProgress = ({ step }: { step: number }) => step === at && stop.abort(new Error('enough'))
      return { signal: stop.signal, onProgress }
    }
    const cut = await distill({ ...options, ...stopping(5) })
    assert.is(cut.solve.status, 'aborted')
    assert.is(cut.curves.length, 5)
    assert.equal(cut.judged, {})
    await distill({ ...options, signal: AbortSignal.abort(new Error('at once')) }).then(
      () => assert.unreachable(),
      (error) => assert.is(error.message, 'at once'),
    )
    const checkpoint = { file: join(folder, 'run'), everySeconds: 0 }
    await distill({ ...options, checkpoint, ...stopping(5) }).then(
      () => assert.unreachable(),
      (error) => assert.is(error.message, 'enough'),
    )
    const seen: number[] = []
    const resumed = await distill({
      ...options,
      checkpoint: { ...checkpoint, resume: true },
      onProgress: ({ step }) => seen.push(step),
    })
    assert.is(seen[0], 6)
    assert.is(resumed.curves.length, 12)
    same(resumed.features.data, whole.features.data)
    same(resumed.model.theta, whole.model.theta)
    const other = { ...options, seed: 3, checkpoint: { ...checkpoint, resume: true } }
    await refuses('ERR_CHECKPOINT', 'checkpoint.seed', () => distill(other))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a budget of time ends the run', async ({ backend }) => {
  const { solve, judged } = await distill(small(backend, { seconds: 0, trainings: 1 }))
  assert.is(solve.status, 'seconds')
  assert.is(solve.steps, 0)
  assert.ok(judged.distilled)
})

test('what a small set cannot be made of is refused by name', async ({ backend }) => {
  const wrong = (code: string, name: string, more: object) =>
    refuses(code as 'ERR_RANGE', name, () => distill(small(backend, more)))
  await wrong('ERR_RANGE', 'perClass', { perClass: 0 })
  await wrong('ERR_RANGE', 'perClass', { perClass: 100 })
  await wrong('ERR_RANGE', 'options', { iterations: 3 })
  await wrong('ERR_RANGE', 'model', { model: softmaxRegression({ classes: 2 }) })
  await wrong('ERR_SHAPE', 'labels', { labels: [0, 1] })
  await wrong('ERR_RANGE', 'labels', { labels: new Array(200).fill(0.5) })
  await wrong('ERR_SHAPE', 'test labels', { test: { ...clouds(9, 1), labels: [] } })
  await wrong('ERR_SHAPE', 'test features', {
    test: { features: matrix(new Float64Array(4), 2, 2), labels: [0, 1] },
  })
  await wrong('ERR_RANGE', 'test.labels', { test: { features: clouds(9, 1).features, labels: 1 } })
  await wrong('ERR_RANGE', 'regularization', { regularization: -1 })
  await wrong('ERR_RANGE', 'outerRate', { outerRate: Number.NaN })
  await wrong('ERR_RANGE', 'method', { method: {} })
  await wrong('ERR_RANGE', 'trainings', { trainings: 0 })
  const odd = clouds(200, 1)
  odd.features.data[7] = Number.NaN
  await wrong('ERR_NOT_FINITE', 'features', odd)
})

test.run()
