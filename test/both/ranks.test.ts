// Runs whose samples are spread over ranks, here of one process; test/mpi.test.ts has ranks of MPI.
import * as assert from 'uvu/assert'
import type { Communicator } from '../../ts/backend/communicator.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import {
  type Backend,
  bilevel,
  conjugateGradients,
  marginWeights,
  NhgdError,
  nhgd,
  oneRank,
  quadratic,
  rowsOfRank,
  type SolveOptions,
  sampleWeights,
  softmaxRegression,
  solve,
  weightNetwork,
} from '../../ts/library.ts'
import { localRanks } from '../support/localRanks.ts'
import { options, runs } from '../support/rankRuns.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('ranks')

type Ranked = (communicator: Communicator) => Promise<unknown>

/** What comes of some work on each of so many ranks, failures too. */
const onEach = (ranks: number, work: Ranked) => Promise.allSettled(localRanks(ranks).map(work))

/** The error of each rank, which has to be an NhgdError. */
async function errorsOf(ranks: number, work: Ranked): Promise<(NhgdError & { rank?: number })[]> {
  const ends = await onEach(ranks, work)
  return ends.map((end) => {
    assert.ok(end.status === 'rejected' && end.reason instanceof NhgdError, JSON.stringify(end))
    return end.reason
  })
}

const ranked = (backend: Backend, given: SolveOptions = {}, run = runs.conjugateGradients): Ranked => {
  return (communicator) => {
    const all = { ...options, outerSteps: 3, method: run.method(), ...given, communicator }
    return solve(run.problem(backend, communicator, 'f64'), all).result
  }
}

for (const [name, run] of Object.entries(runs)) {
  test(`${name}: three ranks give what one does`, async ({ backend }) => {
    const one = (await ranked(backend, {}, run)(oneRank)) as { inner: Float64Array; outer: Float64Array }
    for (const end of await onEach(3, ranked(backend, {}, run))) {
      assert.ok(end.status === 'fulfilled', String((end as PromiseRejectedResult).reason))
      for (const variable of ['inner', 'outer'] as const) {
        const found = (end.value as typeof one)[variable]
        assert.is(found.length, one[variable].length)
        const largest = Math.max(...one[variable].map(Math.abs))
        for (const [i, x] of one[variable].entries()) assert.ok(Math.abs(found[i] - x) < 1e-11 * largest)
      }
    }
  })
}

test('a rank without samples of a batch takes part in it', async ({ backend }) => {
  const small = { method: nhgd({ innerSteps: 4, batchSize: 2, observe: { every: 1 } }) }
  const one = (await ranked(backend, small)(oneRank)) as { inner: Float64Array }
  for (const end of await onEach(4, ranked(backend, small))) {
    assert.ok(end.status === 'fulfilled', String((end as PromiseRejectedResult).reason))
    const { inner } = end.value as typeof one
    for (const [i, x] of one.inner.entries()) assert.ok(Math.abs(inner[i] - x) < 1e-12)
  }
})

test('a rank holds its share of the features', async ({ backend }) => {
  const memory = async (communicator: Communicator) => {
    const { from, to } = rowsOfRank(1000, communicator)
    const set = {
      features: matrix(new Float64Array((to - from) * 100), to - from, 100),
      labels: new Int32Array(to - from),
    }
    const hyperparameters = { weights: sampleWeights() }
    const model = softmaxRegression({ classes: 2 })
    const problem = bilevel({ backend, model, train: set, validation: set, hyperparameters })
    return (await problem.over(communicator)).memory()
  }
  const one = await memory(oneRank)
  for (const end of await onEach(4, memory))
    assert.ok(end.status === 'fulfilled' && Number(end.value) < 0.3 * one)
})

test('what fails on one rank fails on all, with the rank', async ({ backend }) => {
  const errors = await errorsOf(3, (communicator) => {
    const onStep = () => {
      if (communicator.rank === 1) throw new Error('the disk is full')
    }
    return ranked(backend, { onStep })(communicator)
  })
  for (const { message, rank } of errors) {
    assert.is(message, 'the disk is full, on rank 1 of 3')
    assert.is(rank, 1)
  }
})

test('features that are not finite on one rank are named on all', async ({ backend }) => {
  const errors = await errorsOf(2, ({ rank, ...rest }) => {
    const data = Float64Array.of(1, 2, 3, rank === 1 ? Number.NaN : 4)
    const set = { features: matrix(data, 4, 1), labels: [0, 1, 0, 1] }
    const model = softmaxRegression({ classes: 2 })
    const hyperparameters = { weights: sampleWeights() }
    const problem = bilevel({ backend, model, train: set, validation: set, hyperparameters })
    return solve(problem, { communicator: { rank, ...rest } }).result
  })
  for (const { code, rank } of errors) assert.equal([code, rank], ['ERR_NOT_FINITE', 1])
})

test('ranks that drift apart end with the rank and the step', async ({ backend }) => {
  const errors = await errorsOf(3, (communicator) => {
    const onStep: SolveOptions['onStep'] = ({ step, point }) => {
      if (step === 7 && communicator.rank === 2) point.outer.scale(1.000001)
    }
    return ranked(backend, { onStep, outerSteps: 30 })(communicator)
  })
  for (const error of errors) {
    assert.is(error.code, 'ERR_RANK')
    assert.match(error.message, '"rank 2" expected the θ and v of rank 0, got others after outer step 10')
  }
})

test('what cannot be spread over ranks is refused by name', async ({ backend }) => {
  const set = { features: matrix(Float64Array.of(1, 2, 3, 4), 4, 1), labels: [0, 1, 0, 1] }
  const model = softmaxRegression({ classes: 2 })
  const margins = bilevel({
    backend,
    model,
    train: set,
    validation: set,
    hyperparameters: { margins: marginWeights() },
  })
  const other = quadratic({ backend, h: [1], c: [1], c0: [0], q: [1], t: [0], mu: 0.1 })
  for (const [problem, name] of [
    [margins, 'hyperparameters.margins'],
    [other, 'problem'],
  ] as const) {
    for (const error of await errorsOf(2, (communicator) => solve(problem, { communicator }).result)) {
      assert.is(error.code, 'ERR_RANGE')
      assert.match(error.message, `"${name}" expected`)
    }
  }
})

test('parts that do not fit together are refused, with the rank', async ({ backend }) => {
  const given = (rows: number, columns: number) => ({
    features: matrix(new Float64Array(rows * columns).fill(1), rows, columns),
    labels: new Int32Array(rows),
  })
  const cases: [(rank: number) => ReturnType<typeof given>, string][] = [
    [
      (rank) => given(3, rank === 1 ? 2 : 1),
      '"train features" expected 1 columns on each rank, got 2 on rank 1',
    ],
    [
      (rank) => given(rank === 1 ? 0 : 3, 1),
      '"train" expected at least one sample on each rank, got none on rank 1',
    ],
    [(rank) => ({ ...given(3, 1), labels: new Int32Array(3 + rank) }), '"train labels" expected 3 labels'],
  ]
  for (const [train, message] of cases) {
    const errors = await errorsOf(2, (communicator) => {
      const problem = bilevel({
        backend,
        model: softmaxRegression({ classes: 2 }),
        train: train(communicator.rank),
        validation: given(2, 1),
        hyperparameters: { weights: sampleWeights() },
      })
      return solve(problem, { communicator, method: conjugateGradients() }).result
    })
    for (const error of errors) assert.match(error.message, message)
  }
})

test('a step gives its rows, and takes those of a whole batch', ({ backend }) => {
  const vector = (length: number, first = 0) => {
    const made = new backend.Vector(length, 'f64')
    made.writeF64(Float64Array.from({ length }, (_, i) => first + i))
    return made
  }
  const batch = (samples: number) => backend.Batch.all(samples)
  const step = new backend.Step(3, 'f64')
  assert.throws(() => step.rows(), '"step" expected')
  step.keep(batch(2), vector(6))
  assert.equal([...step.rows().readF64()], [0, 1, 2, 3, 4, 5])
  assert.throws(() => step.keepRows(batch(3), vector(8)), '"rows" expected')
  assert.is(step.rows().length, 6)
  step.keepRows(batch(3), vector(9, 1))
  assert.is(step.batch.length, 3)
  assert.equal([...step.rows().readF64()], [1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('signals that are not those of the rank are refused', async ({ backend }) => {
  const set = { features: matrix(new Float64Array(3), 3, 1), labels: [0, 1, 0] }
  for (const error of await errorsOf(2, (communicator) => {
    const signals = matrix(new Float64Array(4), 4, 1)
    const hyperparameters = { weights: weightNetwork({ signals }) }
    const model = softmaxRegression({ classes: 2 })
    const problem = bilevel({ backend, model, train: set, validation: set, hyperparameters })
    return solve(problem, { communicator }).result
  })) {
    assert.is(error.code, 'ERR_SHAPE')
    assert.match(error.message, '"signals" expected 3 rows, one per sample on rank 0, got 4')
  }
})

test('an option that is no communicator is refused', ({ backend }) => {
  const problem = runs.conjugateGradients.problem(backend, oneRank, 'f64')
  assert.throws(() => solve(problem, { communicator: {} as Communicator }), '"communicator" expected')
})

test.run()
