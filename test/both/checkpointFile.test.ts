import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { NhgdError } from '../../ts/backend/errors.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { soba } from '../../ts/methods/soba.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { penalty, weightNetwork } from '../../ts/problems/blocks.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { readArchive } from '../../ts/run/archive.ts'
import type { SolveOptions } from '../../ts/run/options.ts'
import { resume, type SolveResult, save, solve } from '../../ts/run/solve.ts'
import { same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { failing } from '../support/failing.ts'
import { randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('checkpoint file')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-checkpoint-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
/** A file in a new folder. */
function place(): { file: string; names: () => string[] } {
  const own = join(folder, `${count++}`)
  mkdirSync(own)
  return { file: join(own, 'run'), names: () => readdirSync(own).sort() }
}

const problemOf = (backend: Backend) => randomReweighting(backend, { samples: 30, weighting: 'margin' })
const method = nhgd({ batchSize: 16, innerSteps: 3, refineSamples: 16, observe: { every: 1 } })
const options: SolveOptions = { method, outerSteps: 7, seed: 3 }

function sameResult(got: SolveResult, expected: SolveResult): void {
  same(got.inner, expected.inner, 'θ')
  same(got.outer, expected.outer, 'v')
  assert.equal(
    [got.steps, got.outerLoss, got.residual],
    [expected.steps, expected.outerLoss, expected.residual],
  )
}

/** Steps taken, as a checkpoint tells them. */
const stepsIn = (file: string) => readArchive(readFileSync(file)).tensors.get('run.outerStep')?.[0]

test('a run that stops goes on from its file with the same bits', async ({ backend }) => {
  const { file, names } = place()
  const whole = await solve(problemOf(backend), options).result
  const checkpoint = { file, everySteps: 2, keep: 2 }
  const stopped = await solve(problemOf(backend), {
    ...options,
    checkpoint,
    onStep: ({ step }) => step < 5,
  }).result
  assert.is(stopped.status, 'stopped')
  assert.equal(names(), ['run', 'run.1', 'run.2'])
  assert.equal(
    ['', '.1', '.2'].map((age) => stepsIn(file + age)),
    [5, 4, 2],
    'the last one is written in the end',
  )
  sameResult(await resume(problemOf(backend), file, options).result, whole)
  const goingOn = { ...options, checkpoint: { ...checkpoint, resume: true } }
  const resumed = await solve(problemOf(backend), goingOn).result
  sameResult(resumed, whole)
  assert.equal(resumed.resumed, { file, damaged: [] })
  assert.equal(
    ['', '.1', '.2'].map((age) => stepsIn(file + age)),
    [7, 5, 4],
  )
  sameResult(await solve(problemOf(backend), goingOn).result, whole)
  assert.is(stepsIn(`${file}.1`), 5, 'a run that had nothing to do writes nothing')
})

test('a checkpoint changes no bit of a run, and ends no later than the run does', async ({ backend }) => {
  const { file, names } = place()
  const whole = await solve(problemOf(backend), options).result
  const watched = await solve(problemOf(backend), {
    ...options,
    checkpoint: { file, everySeconds: 0, keep: 0 },
  }).result
  sameResult(watched, whole)
  assert.is(stepsIn(file), 7)
  assert.equal(names(), ['run'])
})

test('a signal ends a run that has a file after the step under way, which is written', async ({
  backend,
}) => {
  const { file } = place()
  const controller = new AbortController()
  const run = solve(problemOf(backend), {
    ...options,
    outerSteps: 1e6,
    signal: controller.signal,
    checkpoint: { file },
    onStep: ({ step }) => void (step === 3 && controller.abort()),
  })
  const result = await run.result
  assert.equal([result.status, result.steps], ['aborted', 3])
  assert.is(stepsIn(file), 3)
  sameResult(
    await resume(problemOf(backend), file, options).result,
    await solve(problemOf(backend), options).result,
  )
})

test('without a file to go on from, a run starts anew or says so', async ({ backend }) => {
  const { file } = place()
  await refuses('ERR_CHECKPOINT', 'file', () => resume(problemOf(backend), file, options).result)
  const fresh = await solve(problemOf(backend), { ...options, checkpoint: { file, resume: true } }).result
  assert.is(fresh.resumed, undefined)
  sameResult(fresh, await solve(problemOf(backend), options).result)
})

const small = (backend: Backend) => quadratic({ backend, h: [2], c: [1], c0: [0.5], q: [1], t: [1], mu: 0.1 })
const smallOptions: SolveOptions = { method: soba({ rate: 0.1 }), outerSteps: 3 }

test('every byte that is damaged and every length that is cut are noticed', async ({ backend }) => {
  const run = solve(small(backend), smallOptions)
  await run.result
  const bytes = await save(run)
  const random = new Random(5)
  const notices = (damaged: Uint8Array, what: string) => {
    try {
      readArchive(damaged)
    } catch (error) {
      assert.instance(error, NhgdError, what)
      return assert.is((error as NhgdError).code, 'ERR_CHECKPOINT', what)
    }
    assert.unreachable(`${what} passed`)
  }
  assert.ok(readArchive(bytes).tensors.size > 3)
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++)
      notices(bytes.with(at, bytes[at] ^ (1 << bit)), `bit ${bit} of byte ${at}`)
    notices(bytes.with(at, bytes[at] ^ (1 + random.below(255))), `byte ${at}`)
    notices(bytes.slice(0, at), `the first ${at} bytes`)
  }
  notices(Uint8Array.of(...bytes, 0), 'another byte')
})

test('the last whole checkpoint is taken, and what is wrong with newer ones is told', async ({ backend }) => {
  const { file } = place()
  const checkpoint = { file, everySteps: 1, keep: 2 }
  await solve(problemOf(backend), { ...options, checkpoint, outerSteps: 4 }).result
  const whole = await solve(problemOf(backend), options).result
  const newest = readFileSync(file)
  writeFileSync(file, newest.subarray(0, 100))
  const resumed = await resume(problemOf(backend), file, options).result
  sameResult(resumed, whole)
  assert.is(resumed.resumed?.file, `${file}.1`)
  assert.match(resumed.resumed?.damaged.join() ?? '', /run: 100 bytes/)
  const last = readFileSync(`${file}.1`)
  last[last.length - 9] ^= 1
  writeFileSync(`${file}.1`, last)
  rmSync(file)
  sameResult(await resume(problemOf(backend), file, options).result, whole)
  writeFileSync(`${file}.2`, '')
  try {
    await resume(problemOf(backend), file, options).result
    assert.unreachable('nothing was whole')
  } catch (error) {
    assert.is((error as NhgdError).code, 'ERR_CHECKPOINT')
    assert.match((error as Error).message, /run\.1: damaged bytes.+; .+run\.2: 0 bytes/)
  }
})

test('other data, settings and versions are refused by name', async ({ backend }) => {
  const { file } = place()
  const random = new Random(6)
  const [n, m] = [12, 6]
  const train = { features: matrix(random.normals(n * 2), n, 2), labels: random.labels(n, 3) }
  const validation = { features: matrix(random.normals(m * 2), m, 2), labels: random.labels(m, 3) }
  const signals = random.normals(n)
  const parts = { train, validation, signals, mean: 0.5 }
  const problem = (changed: Partial<typeof parts> = {}) => {
    const { train, validation, signals, mean } = { ...parts, ...changed }
    return bilevel({
      backend,
      model: softmaxRegression({ classes: 3 }),
      train,
      validation,
      hyperparameters: {
        weights: weightNetwork({ signals: matrix(signals, n, 1) }),
        strength: penalty({ per: 'all', prior: { mean: [mean], precision: [1] } }),
      },
    })
  }
  const given = { method: soba({ batchSize: 4 }), outerSteps: 2, seed: 1 }
  await solve(problem(), { ...given, checkpoint: { file } }).result
  assert.is((await resume(problem(), file, given).result).steps, 2)
  const refused = (name: string, changed: Partial<typeof parts>, own: SolveOptions = given) =>
    refuses('ERR_CHECKPOINT', name, () => resume(problem(changed), file, own).result)
  const features = matrix(
    train.features.data.map((x, i) => (i === 7 ? x + 1e-12 : x)),
    n,
    2,
  )
  await refused('run.problem.data', { train: { ...train, features } })
  await refused('run.problem.data', { validation: { ...validation, labels: validation.labels.toReversed() } })
  await refused('run.problem.data', { signals: signals.with(3, 0) })
  await refused('run.problem.data', { mean: 0.25 })
  await refused('run.settings.batchSize', {}, { ...given, method: soba({ batchSize: 5 }) })
  await refused('run.seed', {}, { ...given, seed: 2 })
  const upload = await import('../../ts/backend/backend.ts')
  const uploaded = { ...train, features: upload.upload(backend, train.features) }
  assert.is((await resume(problem({ train: uploaded as never }), file, given).result).steps, 2)
  const other = { ...train, features: upload.upload(backend, features) }
  await refused('run.problem.data', { train: other as never })
})

const ways: Record<string, Parameters<typeof failing>[0]> = {
  'a full disk': 'write',
  'a disk that does not take the last bytes': 'sync',
  'a name that is not given': 'rename',
  'a file that is not opened': 'open',
}

for (const [what, call] of Object.entries(ways)) {
  test(`${what}: the checkpoint before stays, the error has the result, and the run is there to be saved`, async ({
    backend,
  }) => {
    const { file, names } = place()
    const run = solve(problemOf(backend), {
      ...options,
      checkpoint: { file, everySteps: 2 },
      onStep: ({ step }) => void (step === 4 && failing(call, 'ENOSPC')),
    })
    const end = await run.result.catch((error) => error)
    failing(undefined)
    assert.instance(end, NhgdError)
    assert.is(end.code, 'ERR_CHECKPOINT')
    assert.match(end.message, /"checkpoint.file" expected a file that can be written, got .*ENOSPC/)
    assert.equal([end.result.status, end.result.steps], ['failed', 4])
    assert.is(stepsIn(file), 2)
    assert.not.ok(names().some((name) => name.endsWith('.part')))
    const whole = await solve(problemOf(backend), options).result
    sameResult(await resume(problemOf(backend), file, options).result, whole)
    sameResult(await resume(problemOf(backend), await save(run), options).result, whole)
  })
}

test('a folder that takes no file is refused before the first step', async ({ backend }) => {
  const { file } = place()
  let steps = 0
  const onStep = () => void steps++
  const refused = (name: string) =>
    refuses(
      'ERR_CHECKPOINT',
      'checkpoint.file',
      () => solve(problemOf(backend), { ...options, onStep, checkpoint: { file: name } }).result,
    )
  await refused(join(file, 'none', 'run'))
  if (process.getuid?.() !== 0) {
    chmodSync(join(file, '..'), 0o500)
    await refused(file)
  }
  assert.is(steps, 0)
})

test('what a killed writer left is removed, and nothing else', async ({ backend }) => {
  const { file, names } = place()
  for (const name of [`${file}.123.part`, `${file}.1.77.part`, `${file}.mine`, `${file}2.5.part`])
    writeFileSync(name, '')
  await solve(problemOf(backend), { ...options, outerSteps: 1, checkpoint: { file } }).result
  assert.equal(names(), ['run', 'run.mine', 'run2.5.part'])
})

test('options of a checkpoint are checked', async ({ backend }) => {
  const refused = (name: string, checkpoint: unknown) =>
    refuses('ERR_RANGE', name, () => solve(problemOf(backend), { ...options, checkpoint } as SolveOptions))
  await refused('checkpoint', 'run')
  await refused('checkpoint.file', {})
  await refused('checkpoint.file', { file: '' })
  await refused('checkpoint.everySteps', { file: 'run', everySteps: 0 })
  await refused('checkpoint.everySeconds', { file: 'run', everySeconds: -1 })
  await refused('checkpoint.keep', { file: 'run', keep: 0.5 })
  await refused('checkpoint.resume', { file: 'run', resume: 1 })
  await refused('checkpoint', { file: 'run', every: 3 })
})

test.run()
