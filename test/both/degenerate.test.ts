import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { type CleanLabelsOptions, cleanLabels } from '../../ts/tasks/cleanLabels/cleanLabels.ts'
import { auc } from '../../ts/tasks/metrics.ts'
import { refuses } from '../support/errors.ts'
import { type Gaussians, gaussians } from '../support/gaussians.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('degenerate data')

const [samples, columns, trusted] = [160, 4, 40]
const plain = gaussians({ samples, trusted, columns, noise: 0.3 })
const x = plain.features.data as Float64Array
const known = Array.from({ length: 50 }, (_, i) => 3 * i)

/** The same labels with features whose entry (i, j) is `entry(i, j)`. */
const withFeatures = (entry: (i: number, j: number) => number, width = columns): Gaussians => {
  const data = Float64Array.from({ length: samples * width }, (_, k) =>
    entry(Math.floor(k / width), k % width),
  )
  return { ...plain, features: matrix(data, samples, width) }
}
const original = (i: number, j: number) => x[i * columns + (j % columns)]

/** What is known of the labels: trusted rows, checked rows, or nothing. */
const ways: Record<string, (data: Gaussians) => Partial<CleanLabelsOptions>> = {
  trusted: ({ trusted }) => ({ trusted, outerSteps: 5 }),
  checked: ({ truth }) => ({
    checked: { rows: known, labels: known.map((row) => truth[row]) },
    outerSteps: 5,
  }),
  nothing: () => ({}),
}

const clean = (backend: Backend, data: Gaussians, way: string) =>
  cleanLabels({
    backend,
    features: data.features,
    labels: data.labels,
    ...ways[way](data),
  } as CleanLabelsOptions)

/** How well the scores rank the wrong labels, and how many labels that are right were doubted. */
async function judged(backend: Backend, data: Gaussians, way: string) {
  const { scores, issues, warnings } = await clean(backend, data, way)
  assert.ok(scores.every((score) => score >= 0 && score <= 1))
  const wrong = data.labels.map((y, row) => (y === data.truth[row] ? 0 : 1))
  const doubted = issues.filter(({ row }) => wrong[row] === 0).length
  return { auc: auc(scores, wrong), doubted, warnings }
}

for (const way of Object.keys(ways)) {
  test(`constant and doubled columns, units and offsets change little (${way})`, async ({ backend }) => {
    const before = await judged(backend, plain, way)
    assert.ok(before.auc > 0.99 && before.doubted <= 2, JSON.stringify(before))
    for (const [name, data] of Object.entries({
      'constant columns': withFeatures((i, j) => (j < columns ? original(i, j) : 7), columns + 2),
      'every column twice': withFeatures(original, 2 * columns),
      'a million times as large': withFeatures((i, j) => 1e6 * original(i, j)),
      'a million times as small': withFeatures((i, j) => 1e-6 * original(i, j)),
      'one column a million times as large': withFeatures((i, j) => (j === 0 ? 1e6 : 1) * original(i, j)),
      'far from zero': withFeatures((i, j) => 1e6 + original(i, j)),
    })) {
      const after = await judged(backend, data, way)
      assert.ok(after.auc > 0.99 && after.doubted <= 2, `${name}: ${JSON.stringify(after)}`)
    }
  })

  test(`features that say nothing condemn no label, and a warning says so (${way})`, async ({ backend }) => {
    const random = new Random(3)
    for (const [name, data] of Object.entries({
      'identical samples': withFeatures((_, j) => j),
      zeros: withFeatures(() => 0),
      noise: withFeatures(() => random.normal()),
      'noise in more columns than rows that are known': withFeatures(() => random.normal(), 100),
    })) {
      const { scores, issues, warnings } = await clean(backend, data, way)
      if (way === 'checked') {
        // Their models may be better than chance by chance.
        assert.ok(issues.length <= 5 && issues.every(({ score }) => score < 0.9), name)
      } else {
        assert.ok(issues.length === 0 && scores.every((score) => score <= 0.5), name)
        assert.match(warnings.join(), /than chance: no label is doubted/, name)
      }
    }
  })

  test(`labels without a wrong one are left alone (${way})`, async ({ backend }) => {
    const { issues } = await clean(backend, { ...plain, labels: plain.truth }, way)
    assert.ok(issues.length <= 2, `${issues.length}`)
  })

  test(`a class without a label is refused by its number (${way})`, async ({ backend }) => {
    const absent = plain.labels.map((y) => (y === 1 ? 0 : y))
    await refuses('ERR_RANGE', 'labels', () => clean(backend, { ...plain, labels: absent }, way))
    const one = { ...plain, labels: plain.labels.map(() => 0), truth: plain.truth.map(() => 0) }
    await refuses('ERR_RANGE', 'classes', () => clean(backend, one, way))
  })
}

test('labels that are all wrong are found with the help of those that are known', async ({ backend }) => {
  const shifted = (y: number, row: number) => (row < samples - trusted ? (y + 1) % 3 : y)
  const random = new Random(4)
  for (const labels of [
    plain.truth.map(shifted),
    plain.truth.map((y, row) => (row < samples - trusted ? random.below(3) : y)),
  ]) {
    for (const way of ['trusted', 'checked']) {
      const data = { ...plain, labels }
      const found = await judged(backend, data, way)
      assert.ok(found.auc > 0.98 && found.doubted <= 4, `${way}: ${JSON.stringify(found)}`)
    }
  }
})

test.run()
