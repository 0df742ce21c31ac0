import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { matrix } from '../../ts/backend/matrix.ts'
import {
  type CleanLabelsOptions,
  type CleanLabelsResult,
  cleanLabels,
} from '../../ts/tasks/cleanLabels/cleanLabels.ts'
import { neighbourShares } from '../../ts/tasks/cleanLabels/neighbours.ts'
import { same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { afterEachFile, failing } from '../support/failing.ts'
import { gaussians } from '../support/gaussians.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('cleanLabels, checkpoint')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-clean-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const { features, labels, truth, trusted } = gaussians({ samples: 240, trusted: 45 })
const rows = Uint32Array.from({ length: 30 }, (_, i) => 6 * i)
const checked = { rows, labels: Array.from(rows, (row) => truth[row]) }
type Own = Omit<CleanLabelsOptions, 'backend'>
const ways: Record<string, Own> = {
  'checked rows': { features, labels, checked, outerSteps: 2 },
  'trusted rows': { features, labels, trusted, outerSteps: 4 },
  'trusted rows, a weight per sample': { features, labels, trusted, outerSteps: 3, weighting: 'perSample' },
  'no checked row': { features, labels },
}

/** What each way gives without an interruption. */
const wholes = new Map<string, CleanLabelsResult>()

function sameResult(got: CleanLabelsResult, expected: CleanLabelsResult): void {
  for (const name of ['scores', 'weights', 'suggested', 'ranking', 'outer'] as const) {
    same(got[name], expected[name], name)
  }
  same(got.model.theta, expected.model.theta, 'the last model')
  const steps = ({ curves }: CleanLabelsResult) => curves.map(({ seconds: _, ...step }) => step)
  assert.equal(steps(got), steps(expected))
  const { bestStep, overfitting, bilevel, estimate, warnings, settings } = expected
  assert.equal(
    [got.bestStep, got.overfitting, got.bilevel, got.estimate, got.warnings, got.settings],
    [bestStep, overfitting, bilevel, estimate, warnings, settings],
  )
}

for (const [name, own] of Object.entries(ways)) {
  test(`${name}: interrupted after every write, it ends with the same bits`, async ({ backend }) => {
    const options = { ...own, backend, seed: 2 }
    const whole = await cleanLabels(options)
    wholes.set(name, whole)
    const file = join(folder, name)
    const checkpoint = { file, everySeconds: 0, resume: true }
    let pieces = 1
    for (; ; pieces++) {
      const controller = new AbortController()
      const reason = new Error('enough')
      afterEachFile((path) => path === file && controller.abort(reason))
      try {
        const result = await cleanLabels({ ...options, checkpoint, signal: controller.signal })
        sameResult(result, whole)
        assert.equal(result.resumed, { file, damaged: [] })
        break
      } catch (error) {
        assert.is(error, reason)
      } finally {
        afterEachFile(undefined)
      }
    }
    assert.ok(pieces > 3, `${pieces} pieces`)
    const refused = (what: string, changed: Partial<CleanLabelsOptions>) =>
      refuses('ERR_CHECKPOINT', what, () => cleanLabels({ ...options, checkpoint, ...changed }))
    await refused('checkpoint.seed', { seed: 3 })
    const other = matrix(
      features.data.map((x, i) => (i === 5 ? x + 1 : x)),
      features.rows,
      features.columns,
    )
    await refused('checkpoint.data', { features: other })
    await refused('checkpoint.data', { labels: Array.from(labels, (y, i) => (i === 1 ? (y + 1) % 3 : y)) })
    copyFileSync(file, `${file} 2`)
    const { resumed } = await cleanLabels({ ...options, checkpoint: { ...checkpoint, file: `${file} 2` } })
    assert.is(resumed?.file, `${file} 2`)
  })
}

test('an abort amid a stage keeps the stages before it', async ({ backend }) => {
  const file = join(folder, 'amid')
  const options = { ...ways['checked rows'], backend, seed: 2 }
  const controller = new AbortController()
  const onProgress = () => controller.abort()
  const run = (own: object) => cleanLabels({ ...options, checkpoint: { file, resume: true }, ...own })
  await run({ onProgress, signal: controller.signal }).then(
    () => assert.unreachable('there is a result'),
    (error) => assert.is(error, controller.signal.reason),
  )
  const resumed = await run({})
  assert.is(resumed.resumed?.file, file)
  sameResult(resumed, wholes.get('checked rows') as CleanLabelsResult)
})

test('a write that fails ends the task, and the file before stays', async ({ backend }) => {
  const file = join(folder, 'full')
  const options = { ...ways['no checked row'], backend, seed: 2 }
  const run = () => cleanLabels({ ...options, checkpoint: { file, everySeconds: 0, resume: true } })
  afterEachFile((path) => path === file && failing('write'))
  await refuses('ERR_CHECKPOINT', 'checkpoint.file', run)
  failing(undefined)
  const resumed = await run()
  assert.is(resumed.resumed?.file, file)
  sameResult(resumed, wholes.get('no checked row') as CleanLabelsResult)
})

test('a signal ends the search for neighbours amid its rows', async ({ backend }) => {
  const reason = new Error('enough')
  let asked = 0
  const signal = {
    throwIfAborted() {
      if (++asked === 300) throw reason
    },
  } as AbortSignal
  await neighbourShares(backend, features, labels, 3, 1, signal).then(
    () => assert.unreachable('it came to its end'),
    (error) => assert.is(error, reason),
  )
  assert.is(asked, 300)
})

test('other options of a checkpoint are refused', async ({ backend }) => {
  const refused = (name: string, checkpoint: unknown) =>
    refuses('ERR_RANGE', name, () =>
      cleanLabels({ ...ways['no checked row'], backend, checkpoint } as CleanLabelsOptions),
    )
  await refused('checkpoint', { file: 'x', everySteps: 1 })
  await refused('checkpoint.file', {})
})

test.run()
