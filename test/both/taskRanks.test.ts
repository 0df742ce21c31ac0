// Tasks whose work is shared out over ranks, here of one process; test/mpi.test.ts has ranks of MPI.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Communicator } from '../../ts/backend/communicator.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { holdOut } from '../../ts/data/folds.ts'
import {
  distill,
  InfluenceModel,
  influence,
  type NhgdError,
  softmaxRegression,
  tuneRegularization,
  valueData,
} from '../../ts/library.ts'
import {
  type CleanLabelsOptions,
  type CleanLabelsResult,
  cleanLabels,
} from '../../ts/tasks/cleanLabels/cleanLabels.ts'
import { close, same } from '../support/close.ts'
import { afterEachFile } from '../support/failing.ts'
import { gaussians } from '../support/gaussians.ts'
import { localRanks } from '../support/localRanks.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('ranks of tasks')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-ranks-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const { features, labels, truth, trusted } = gaussians({ samples: 120, trusted: 30 })
const rows = Uint32Array.from({ length: 20 }, (_, i) => 4 * i)
const checked = { rows, labels: Array.from(rows, (row) => truth[row]) }
const ways: Record<string, Omit<CleanLabelsOptions, 'backend'>> = {
  'checked rows': { features, labels, checked, outerSteps: 2 },
  'no checked row': { features, labels },
  'trusted rows': { features, labels, trusted, outerSteps: 3 },
  'trusted rows, a weight per sample': { features, labels, trusted, outerSteps: 5, weighting: 'perSample' },
}
/** Whose samples are shared out, so that sums are equal to rounding; the others share whole pieces of work. */
const isSummed = (way: string) => way.startsWith('trusted')

/** What each way gives on one rank. */
const wholes = new Map<string, CleanLabelsResult>()

/** What a task gives on each of so many ranks. */
const onEach = <R>(ranks: number, task: (communicator: Communicator) => Promise<R>): Promise<R[]> =>
  Promise.all(localRanks(ranks).map(task))

/** The error of each rank. */
const errorsOf = (ranks: number, task: (communicator: Communicator) => Promise<unknown>) =>
  onEach(ranks, (communicator) =>
    task(communicator).then(
      () => assert.unreachable('there is a result') as never,
      (error) => error as NhgdError & { rank?: number },
    ),
  )

function alike(got: CleanLabelsResult, expected: CleanLabelsResult, summed: boolean): void {
  const compare = summed
    ? (a: ArrayLike<number>, b: ArrayLike<number>, what: string) => close(a, b, 1e-3, what)
    : same
  for (const name of ['scores', 'weights', 'outer'] as const) compare(got[name], expected[name], name)
  compare(got.model.theta, expected.model.theta, 'the last model')
  if (summed) return
  assert.equal(got.ranking, expected.ranking)
  assert.equal(
    [got.estimate, got.bilevel, got.settings],
    [expected.estimate, expected.bilevel, expected.settings],
  )
}

for (const [way, own] of Object.entries(ways)) {
  test(`cleanLabels, ${way}: three ranks give what one does`, async ({ backend }) => {
    const options = { ...own, backend, seed: 2 }
    const one = await cleanLabels(options)
    wholes.set(way, one)
    for (const result of await onEach(3, (communicator) => cleanLabels({ ...options, communicator }))) {
      alike(result, one, isSummed(way))
    }
  })

  test(`cleanLabels, ${way}: what was interrupted goes on with other ranks`, async ({ backend }) => {
    const options = { ...own, backend, seed: 2 }
    const file = join(folder, way)
    for (const ranks of [3, 1, 2]) {
      const checkpoint = { file, everySeconds: 0, resume: true }
      const errors = await errorsOf(ranks, (communicator) => {
        const controller = new AbortController()
        // One rank alone is told to end, once another has written the file.
        const end = () => controller.abort(new Error('enough'))
        if (communicator.rank === ranks - 1) afterEachFile((path) => path === file && end())
        return cleanLabels({ ...options, checkpoint, communicator, signal: controller.signal })
      })
      afterEachFile(undefined)
      for (const [rank, { message }] of errors.entries()) {
        assert.is(message, rank === ranks - 1 ? 'enough' : `enough, on rank ${ranks - 1} of ${ranks}`)
      }
    }
    const one = wholes.get(way) as CleanLabelsResult
    const checkpoint = { file, resume: true }
    for (const result of await onEach(2, (communicator) =>
      cleanLabels({ ...options, checkpoint, communicator }),
    )) {
      assert.is(result.resumed?.file, file)
      alike(result, one, isSummed(way))
    }
  })
}

/** The numbers of a result, without what depends on the clock or the rank. */
function plain(result: unknown): string {
  const left = new Set(['seconds', 'secondsLeft', 'model', 'resumed'])
  return JSON.stringify(result, (name, value) =>
    left.has(name) ? undefined : ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value,
  )
}

const model = softmaxRegression({ classes: 3 })
const [train, apart] = [rowsBelow(80), rowsBelow(120, 80)]
function rowsBelow(to: number, from = 0) {
  const { data, columns } = features
  const part = matrix(data.slice(from * columns, to * columns), to - from, columns)
  return { features: part, labels: labels.slice(from, to) }
}

/** Tasks by name, with the options that all ranks have. */
type Task = (
  own: Pick<CleanLabelsOptions, 'backend' | 'communicator' | 'checkpoint' | 'signal'>,
) => Promise<unknown>
const others: Record<string, Task> = {
  'tuneRegularization of classes': (own) => tuneRegularization({ ...own, features, labels, folds: 3 }),
  'tuneRegularization of targets': (own) =>
    tuneRegularization({ ...own, features, targets: Float64Array.from(truth), penalty: { power: 2 } }),
  'tuneRegularization on a single hold-out': (own) =>
    tuneRegularization({
      ...own,
      features,
      targets: Float64Array.from(truth),
      penalty: { power: 2 },
      folds: holdOut(truth.length, 0.25),
    }),
  influence: (own) => influence({ ...own, model, train, test: apart, top: 3 }),
  valueData: (own) => valueData({ ...own, model, train, test: apart }),
  async selfInfluence({ signal, ...own }) {
    const fitted = await InfluenceModel.fit({ ...own, model, train })
    return fitted.selfInfluence({ signal, communicator: own.communicator })
  },
}

/** What a distillation gives, which is equal to rounding on other ranks. */
const distilled = async (own: Parameters<Task>[0]) => {
  const {
    features: small,
    targets,
    judged,
    model: fitted,
  } = await distill({
    ...own,
    features,
    labels,
    learnTargets: true,
    outerSteps: 4,
    trainings: 2,
  })
  const losses = Object.values(judged).flatMap(({ losses }) => losses)
  return { inputs: small.data, targets: targets as Float32Array, theta: fitted.theta, losses }
}

test('distill: three ranks give what one does', async ({ backend }) => {
  const one = await distilled({ backend })
  assert.is(one.losses.length, 9)
  for (const found of await onEach(3, (communicator) => distilled({ backend, communicator }))) {
    for (const name of ['inputs', 'targets', 'theta', 'losses'] as const) {
      close(found[name] as ArrayLike<number>, one[name] as ArrayLike<number>, 1e-3, name)
    }
  }
})

test('distill: what was interrupted goes on with other ranks', async ({ backend }) => {
  const file = join(folder, 'distill')
  const checkpoint = { file, everySeconds: 0, resume: true }
  const errors = await errorsOf(3, (communicator) => {
    const controller = new AbortController()
    if (communicator.rank === 2)
      afterEachFile((path) => path === file && controller.abort(new Error('enough')))
    return distilled({ backend, communicator, checkpoint, signal: controller.signal })
  })
  afterEachFile(undefined)
  for (const { message } of errors) assert.match(message, 'enough')
  const one = await distilled({ backend })
  for (const found of await onEach(2, (communicator) => distilled({ backend, communicator, checkpoint }))) {
    close(found.inputs as ArrayLike<number>, one.inputs as ArrayLike<number>, 1e-3, 'inputs')
  }
})

for (const [name, task] of Object.entries(others)) {
  test(`${name}: three ranks give the bits that one gives`, async ({ backend }) => {
    const one = plain(await task({ backend }))
    for (const result of await onEach(3, (communicator) => task({ backend, communicator }))) {
      assert.is(plain(result), one)
    }
  })

  if (name === 'valueData') continue // which is short
  test(`${name}: what was interrupted goes on with other ranks`, async ({ backend }) => {
    const file = join(folder, name)
    const checkpoint = { file, everySeconds: 0, resume: true }
    const errors = await errorsOf(3, (communicator) => {
      const controller = new AbortController()
      const end = () => controller.abort(new Error('enough'))
      if (communicator.rank === 2) afterEachFile((path) => path === file && end())
      return task({ backend, communicator, checkpoint, signal: controller.signal })
    })
    afterEachFile(undefined)
    for (const { message, stack } of errors) assert.match(message, 'enough', stack)
    const one = plain(await task({ backend }))
    for (const result of await onEach(2, (communicator) => task({ backend, communicator, checkpoint }))) {
      assert.is(plain(result), one)
    }
  })
}

test('what fails on one rank amid a task fails on all, with the rank', async ({ backend }) => {
  const errors = await errorsOf(3, (communicator) => {
    const onProgress = () => {
      if (communicator.rank === 1) throw new Error('the disk is full')
    }
    return cleanLabels({ ...ways['checked rows'], backend, communicator, onProgress })
  })
  for (const { message, rank } of errors) {
    assert.is(message, 'the disk is full, on rank 1 of 3')
    assert.is(rank, 1)
  }
})

test('options and data that one rank has otherwise are named', async ({ backend }) => {
  const other = (communicator: Communicator, changed: Partial<CleanLabelsOptions>) =>
    cleanLabels({
      ...ways['no checked row'],
      ...(communicator.rank === 1 && changed),
      backend,
      communicator,
    } as CleanLabelsOptions)
  for (const [changed, name] of [
    [{ labels: labels.map((label, i) => (i === 7 ? (label + 1) % 3 : label)) }, 'data'],
    [{ seed: 3 }, 'seed'],
  ] as const) {
    for (const { code, message, rank } of await errorsOf(3, (own) => other(own, changed))) {
      assert.is(code, 'ERR_RANK')
      assert.is(message, `"rank 1" expected the "${name}" of rank 0, got another`)
      assert.is(rank, 1)
    }
  }
})

test.run()
