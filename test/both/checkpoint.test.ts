import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { exact } from '../../ts/methods/exact.ts'
import { maSoba } from '../../ts/methods/maSoba.ts'
import { soba } from '../../ts/methods/soba.ts'
import { type BilevelOptions, bilevel } from '../../ts/problems/bilevel.ts'
import { penalty, sampleWeights } from '../../ts/problems/blocks.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { readArchive, writeArchive } from '../../ts/run/archive.ts'
import type { Progress, SolveOptions } from '../../ts/run/options.ts'
import { resume, type SolveResult, save, solve } from '../../ts/run/solve.ts'
import { distance, same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { everyProblem, methodFor } from '../support/everyProblem.ts'
import { batchSize, methods } from '../support/methods.ts'
import { type RandomProblem, randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('checkpoint')
const outerSteps = 5
const safeguards: SolveOptions = {
  outerOptimizer: { kind: 'adam', rate: (k) => 2 / (1 + k), shared: true },
  backtracking: 0,
  jumpCap: 0.9, // so that it has its say in each step
  outer: [0.3, -0.2, 0.1, 0.8], // a slope, so that the margins have theirs
  box: { low: -2, high: 2 },
  seed: 5,
  outerSteps,
}

/** Loss, residual, norm and v of each step. */
function watch(into: (readonly number[])[]) {
  return ({ step, outerLoss, residual = 0, hypergradientNorm, point }: Progress) =>
    void into.push([step, outerLoss, residual, hypergradientNorm, ...point.outer.readF64()])
}

function sameResult(got: SolveResult, expected: SolveResult, what: string): void {
  same(got.inner, expected.inner, `${what}: θ`)
  same(got.outer, expected.outer, `${what}: v`)
  const { seconds: _, inner: _i, outer: _o, ...rest } = expected
  for (const [name, value] of Object.entries(rest)) assert.equal(got[name as keyof SolveResult], value, name)
}

for (const [name, method] of Object.entries(methods)) {
  for (const dtype of ['f64', 'f32'] as const) {
    test(`${name}, ${dtype}: interrupted after every step, the rest has the same bits`, async ({
      backend,
    }) => {
      const problem = () => problemOf(backend, { dtype })
      const whole: (readonly number[])[] = []
      const archives: Uint8Array[] = []
      const run = solve(problem(), {
        method: method(),
        ...safeguards,
        async onStep(progress) {
          watch(whole)(progress)
          archives.push(await save(run))
        },
      })
      const expected = await run.result
      assert.is(archives.length, outerSteps)
      for (const [k, bytes] of archives.entries()) {
        const rest: (readonly number[])[] = []
        const resumed = resume(problem(), bytes, { method: method(), ...safeguards, onStep: watch(rest) })
        if (k === 2) same(await save(resumed), bytes, 'the archive of a resumed run')
        sameResult(await resumed.result, expected, `after step ${k + 1}`)
        assert.equal(rest, whole.slice(k + 1))
      }
    })
  }
}

for (const [name, method] of Object.entries(methods)) {
  test(`${name}: a signal ends it within one call of an oracle, and the step goes on where a save wants it whole`, async ({
    backend,
  }) => {
    const options = { method: method(), ...safeguards }
    let calls = 0
    let end = Number.POSITIVE_INFINITY
    const controllers = [new AbortController()]
    const problem = problemOf(backend).paced(async () => {
      if (++calls === end) controllers[0].abort()
    })
    const whole = await solve(problem, options).result
    const all = calls
    for (const share of [0.001, 0.3, 0.55, 0.8]) {
      calls = 0
      end = Math.ceil(share * all)
      controllers[0] = new AbortController()
      const lasts: Float64Array[] = []
      const run = solve(problem, {
        ...options,
        signal: controllers[0].signal,
        onStep: ({ point }) => void lasts.push(point.outer.readF64()),
      })
      const cut = await run.result
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve))
      assert.is(calls, end, 'no oracle was asked any more')
      assert.equal([cut.status, cut.steps], ['aborted', lasts.length])
      if (lasts.length > 0) same(cut.outer, lasts[lasts.length - 1], 'v of the last whole step')
      const bytes = await save(run)
      end = Number.POSITIVE_INFINITY
      assert.is(lasts.length, cut.steps)
      sameResult(await resume(problem, bytes, options).result, whole, `cut after ${share} of the calls`)
    }
  })
}

/** Margins, so that the point's signals have a part in it, for methods that are told nothing else. */
function problemOf(backend: Backend, options: RandomProblem = {}) {
  return randomReweighting(backend, { samples: 30, columns: 3, weighting: 'margin', ...options })
}

const method = () => soba({ batchSize })

for (const [name, problem] of Object.entries(everyProblem)) {
  test(`${name}: what goes on after each step has the same bits`, async ({ backend }) => {
    const options = { method: methodFor(name), outerSteps: 3, seed: 4 }
    const archives: Uint8Array[] = []
    const run = solve(problem(backend), {
      ...options,
      onStep: async () => void archives.push(await save(run)),
    })
    const whole = await run.result
    assert.ok(distance(whole.outer, problem(backend).start(options.seed).outer.readF64()) > 1e-6)
    archives.unshift(await save(solve(problem(backend), options)))
    for (const [step, archive] of archives.entries()) {
      sameResult(await resume(problem(backend), archive, options).result, whole, `from step ${step}`)
    }
  })
}

test('a run that has ended can be made longer', async ({ backend }) => {
  const run = solve(problemOf(backend), { method: method(), outerSteps: 3 })
  const short = await run.result
  const bytes = await save(run)
  sameResult(
    await resume(problemOf(backend), bytes, { method: method(), outerSteps: 3 }).result,
    short,
    'short',
  )
  const longer = await resume(problemOf(backend), bytes, { method: method(), outerSteps: 6 }).result
  const whole = await solve(problemOf(backend), { method: method(), outerSteps: 6 }).result
  sameResult(longer, whole, 'longer')
})

test('an archive is safetensors', async ({ backend }) => {
  const bytes = await save(solve(problemOf(backend), { method: method() }))
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
  assert.is(typeof header.__metadata__.nhgd, 'string')
  const { dtype, shape, data_offsets } = header['run.point.inner']
  assert.equal([dtype, shape], ['F64', [12]])
  const from = 8 + length + data_offsets[0]
  same(new Float64Array(bytes.slice(from, 8 + length + data_offsets[1]).buffer), new Float64Array(12))
  assert.is((8 + length) % 8, 0)
})

test('a save waits for the step that is under way', async ({ backend }) => {
  const run = solve(problemOf(backend), { method: method(), outerSteps: 4 })
  const { result } = run
  const bytes = await save(run)
  sameResult(
    await resume(problemOf(backend), bytes, { method: method(), outerSteps: 4 }).result,
    await result,
    'rest',
  )
})

test('other methods, settings, problems and bytes are refused', async ({ backend }) => {
  const options: SolveOptions = { method: method(), outerSteps: 2, seed: 3, backtracking: 0 }
  const bytes = await save(solve(problemOf(backend), options))
  const refused = (name: string, changed: SolveOptions, archive = bytes, problem: RandomProblem = {}) =>
    refuses(
      'ERR_CHECKPOINT',
      name,
      () => resume(problemOf(backend, problem), archive, { ...options, ...changed }).result,
    )
  await refused('run.method', { method: maSoba({ batchSize }) })
  await refused('run.settings.batchSize', { method: soba({ batchSize: 8 }) })
  await refused('run.settings.rate', { method: soba({ batchSize, rate: () => 0.1 }) })
  await refused('run.outerOptimizer.rate', { outerOptimizer: { kind: 'adam', rate: 0.2 } })
  await refused('run.safeguards.backtracking', { backtracking: undefined })
  await refused('run.seed', { seed: 4 })
  await refused('run.problem.dtype', {}, bytes, { dtype: 'f32' })
  await refused('run.problem.samples', {}, bytes, { samples: 31 })
  await refused('run.problem.innerLength', {}, bytes, { columns: 4 })
  for (const other of [null, undefined, [...bytes], bytes.buffer]) {
    await refuses('ERR_DTYPE', 'bytes', () => resume(problemOf(backend), other as never, options).result)
  }
  for (let length = 0; length < bytes.length; length += 97) await refused('bytes', {}, bytes.slice(0, length))
  await refused('bytes', {}, bytes.slice(0, -1))
  await refused('bytes', {}, Uint8Array.of(...bytes, 0))
  await refused('bytes', {}, new TextEncoder().encode('no archive at all'))
  const edited = (from: string, to: string, of = bytes) => {
    const text = new TextDecoder('latin1').decode(of).replace(from, to)
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
  }
  await refused('bytes', {}, edited('run.method.u', 'run.method.w'))
  const { about, tensors } = readArchive(bytes)
  const later = writeArchive({ about: { ...(about as object), version: 3 }, tensors })
  await refused('run.version', {}, later)
  const renamed = Array.from(
    tensors,
    ([name, tensor]) => [`${name}`.replace('method.u', 'method.w'), tensor] as const,
  )
  await refused('run.method.u', {}, writeArchive({ about, tensors: new Map(renamed) }))
  // Archives of version 1 had no checksum.
  const first = writeArchive({ about: { ...(about as object), version: 1 }, tensors })
  await refused('run.version', {}, edited('"checksum":', '"checkSum":', first))
  await refused('bytes', {}, edited('"checksum":', '"checkSum":'))
  // The seed is the archive's where none is given.
  const { result } = resume(problemOf(backend), bytes, { ...options, seed: undefined })
  assert.is((await result).steps, 2)
})

test('a problem of the same shape with other settings is refused', async ({ backend }) => {
  const random = new Random(2)
  const set = { features: matrix(random.normals(20), 10, 2), labels: random.labels(10, 2) }
  const make = (hyperparameters: BilevelOptions['hyperparameters'], regularization = 0.1, bias = true) =>
    bilevel({
      backend,
      model: bias ? softmaxRegression({ classes: 2 }) : softmaxRegression({ classes: 3, bias }),
      train: set,
      validation: set,
      hyperparameters,
      regularization,
    })
  const [a, b] = [sampleWeights(), penalty({ per: 'feature' })]
  const options = { method: exact(), outerSteps: 1 }
  const bytes = await save(solve(make({ a, b }), options))
  const refused = (name: string, problem: Problem) =>
    refuses('ERR_CHECKPOINT', name, () => resume(problem, bytes, options).result)
  await refused('run.problem.blocks.0.name', make({ b, a }))
  await refused('run.problem.blocks.1.name', make({ a, c: b }))
  await refused('run.problem.blocks.1.per', make({ a, b: penalty({ per: 'group', groups: [0, 1] }) }))
  await refused('run.problem.regularization', make({ a, b }, 0.2))
  await refused('run.problem.layers.0', make({ a, b }, 0.1, false))
})

test('an archive may come as a Buffer of a file', async ({ backend }) => {
  const options = { method: exact(), outerSteps: 2, seed: 3 }
  const bytes = await save(solve(problemOf(backend), options))
  const buffer = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)
  const of = (archive: Uint8Array) => resume(problemOf(backend), archive, options).result
  assert.equal((await of(buffer)).outer, (await of(bytes)).outer)
})

test('what is no run is not saved', async () => {
  for (const run of [null, undefined, {}, 3]) await refuses('ERR_RANGE', 'run', () => save(run as never))
})

test('a run that failed is not saved', async ({ backend }) => {
  const wild = { kind: 'sgd', rate: 1e200 } as const
  const run = solve(problemOf(backend), { method: exact({ innerOptimizer: wild }) })
  assert.is((await run.result).status, 'diverged')
  await refuses('ERR_CHECKPOINT', 'run', () => save(run))
})

test.run()
