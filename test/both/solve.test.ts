import * as assert from 'uvu/assert'
import { NhgdError } from '../../ts/backend/errors.ts'
import type { FisherSettings } from '../../ts/backend/fisher.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { checkHypergradient } from '../../ts/methods/checkHypergradient.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { oneStep } from '../../ts/methods/oneStep.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import type { Progress } from '../../ts/run/options.ts'
import { resume, type Solve, type SolveResult, save, solve } from '../../ts/run/solve.ts'
import { close, distance, same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { fixture } from '../support/fixtures.ts'
import { fixtureQuadratic, type RandomProblem, randomReweighting } from '../support/problems.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('solve')
const numbers = fixture('quadratic')
const method = exact({ innerSteps: 30, innerOptimizer: { kind: 'momentum', rate: 0.02 } })
const finite = ({ inner, outer }: SolveResult) => [...inner, ...outer].every(Number.isFinite)

test('iterating and awaiting tell the same run', async ({ backend }) => {
  const options = { method, outerSteps: 6 }
  const awaited = await solve(fixtureQuadratic(backend, numbers), options).result
  const run = solve(fixtureQuadratic(backend, numbers), options)
  const steps: number[] = []
  let last: Progress | undefined
  for await (const progress of run) {
    steps.push(progress.step)
    last = progress
    close([progress.point.outer.dot(progress.point.outer) > 0 ? 1 : 0], [1], 0)
  }
  const iterated = await run.result
  assert.equal(steps, [1, 2, 3, 4, 5, 6])
  same(iterated.outer, awaited.outer)
  same(iterated.inner, awaited.inner)
  assert.is(iterated.status, 'outerSteps')
  assert.is(iterated.steps, 6)
  assert.is(iterated.outerLoss, last?.outerLoss)
  assert.match(iterated.advice, /raise "outerSteps"/)
  assert.ok(iterated.seconds.total > 0)
  assert.ok(iterated.seconds.inner > 0)
})

test('a result may be awaited before the iteration ends it', async ({ backend }) => {
  const run = solve(fixtureQuadratic(backend, numbers), { method, outerSteps: 2 })
  const iterator = run[Symbol.asyncIterator]()
  await iterator.next()
  const { result } = run
  while (!(await iterator.next()).done);
  assert.is((await result).steps, 2)
})

test('each iterator is shown every step, though the result was asked for first', async ({ backend }) => {
  const run = solve(fixtureQuadratic(backend, numbers), { method, outerSteps: 6 })
  const { result } = run
  const seen = async () => {
    const steps: number[] = []
    for await (const { step } of run) steps.push(step)
    return steps
  }
  assert.equal(await Promise.all([seen(), seen()]), [
    [1, 2, 3, 4, 5, 6],
    [1, 2, 3, 4, 5, 6],
  ])
  assert.equal([(await result).status, (await result).steps], ['outerSteps', 6])
  assert.equal(await seen(), [])
})

const left: Record<string, (run: Solve) => Promise<void>> = {
  async break(run) {
    for await (const { step } of run) if (step === 3) break
  },
  async throw(run) {
    const mine = new RangeError('mine')
    try {
      for await (const { step } of run) if (step === 3) throw mine
      assert.unreachable()
    } catch (error) {
      assert.is(error, mine)
    }
  },
  async return(run) {
    const iterator = run[Symbol.asyncIterator]()
    for (let k = 0; k < 3; k++) await iterator.next()
    await iterator.return?.(undefined)
  },
}
for (const [name, leave] of Object.entries(left)) {
  for (const asked of ['after', 'before'] as const) {
    test(`leaving the loop by ${name} ends the run, its result asked for ${asked} it`, async ({
      backend,
    }) => {
      const outers: Float64Array[] = []
      const onStep = ({ point }: Progress) => void outers.push(point.outer.readF64())
      const run = solve(fixtureQuadratic(backend, numbers), { method, outerSteps: 1e6, onStep })
      const before = asked === 'before' ? run.result : undefined
      await leave(run)
      const result = await (before ?? run.result)
      assert.is(result.status, 'stopped')
      if (asked === 'after') assert.is(result.steps, 3)
      assert.is(result.steps, outers.length)
      same(result.outer, outers[outers.length - 1])
    })
  }
}

test('after a single step by hand the result takes the rest', async ({ backend }) => {
  const run = solve(fixtureQuadratic(backend, numbers), { method, outerSteps: 5 })
  const { value } = await run[Symbol.asyncIterator]().next()
  assert.is(value?.step, 1)
  assert.equal([(await run.result).status, (await run.result).steps], ['outerSteps', 5])
})

test('a network starts where the seed says', async ({ backend }) => {
  const start = async (seed?: number) => {
    const problem = randomReweighting(backend, { hidden: [3] })
    return solve(problem, { method, outerSteps: 0, seed }).result
  }
  same((await start(7)).inner, (await start(7)).inner)
  same((await start(0)).inner, (await start()).inner)
  assert.ok(distance((await start(7)).inner, (await start(8)).inner) > 0.1)
})

test('seeds are whole numbers from 0 to 2⁵³ − 1, and −0 is 0', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const small = exact({ batchSize: 7 })
  const at = { inner: new Float64Array(18), outer: new Float64Array(40), method: small }
  const takers: Record<string, (seed: number) => Promise<ArrayLike<number>>> = {
    solve: async (seed) => (await solve(problem, { method: small, outerSteps: 1, seed }).result).inner,
    hypergradient: async (seed) => (await hypergradient(problem, { ...at, seed })).hypergradient,
    checkHypergradient: async (seed) =>
      (await checkHypergradient(problem, { method: small, directions: 1, iterations: 1, seed })).estimated,
    Sampler: async (seed) => new backend.Sampler(seed, 40).take(7).positions,
    initial: async (seed) => problem.oracles.initial(seed).readF64(),
  }
  for (const [name, take] of Object.entries(takers)) {
    for (const seed of [Number.NaN, 0.5, -1, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 60]) {
      await refuses('ERR_RANGE', 'seed', () => take(seed))
    }
    same(await take(-0), await take(0), name)
    await take(Number.MAX_SAFE_INTEGER)
  }
})

test('a hypergradient that is not finite is an error with a code', async ({ backend }) => {
  const huge = matrix(
    Float64Array.from({ length: 24 }, (_, i) => 1e20 * Math.sin(i + 1)),
    12,
    2,
  )
  const set = { features: huge, labels: Array.from({ length: 12 }, (_, i) => i % 3) }
  const model = softmaxRegression({ classes: 3 })
  const problem = reweighting({ backend, model, train: set, trusted: set, dtype: 'f32' })
  const wild = { kind: 'sgd', rate: 1e30 } as const
  const at = { inner: new Float64Array(9), outer: new Float64Array(12) }
  const method = oneStep({ innerOptimizer: wild, scale: 1e30 })
  await refuses('ERR_NUMERIC', 'hypergradient', () => hypergradient(problem, { ...at, method }))
})

test('the outer loss falls', async ({ backend }) => {
  const losses: number[] = []
  const onStep = ({ outerLoss }: Progress) => void losses.push(outerLoss)
  const outerOptimizer = { kind: 'momentum', rate: 0.025, momentum: 0.8 } as const
  await solve(fixtureQuadratic(backend, numbers), { method, outerSteps: 60, onStep, outerOptimizer }).result
  assert.ok(losses[59] < losses[10] && losses[10] < losses[0], losses.join(' '))
})

test('a start is where it starts', async ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  const { v: outer, theta_star: inner } = numbers.arrays
  const still = exact({ innerSteps: 0 })
  const outerOptimizer = { kind: 'sgd', rate: 0.1 } as const
  const result = await solve(problem, { method: still, inner, outer, outerSteps: 1, outerOptimizer }).result
  close([result.outerLoss], [numbers.scalars.phi], 1e-12)
  close(
    result.outer,
    outer.map((x, j) => x - 0.1 * numbers.arrays.hypergrad[j]),
    1e-11,
  )
})

test('a schedule gives each step its rate', async ({ backend }) => {
  const seen: number[] = []
  const rate = (step: number) => {
    seen.push(step)
    return step < 2 ? 0 : 0.1
  }
  const moved: number[] = []
  await solve(fixtureQuadratic(backend, numbers), {
    method,
    outerSteps: 3,
    outerOptimizer: { kind: 'adam', rate },
    onStep: ({ point }) => void moved.push(point.outer.dot(point.outer)),
  }).result
  assert.equal(seen, [0, 1, 2])
  assert.equal([moved[0], moved[1]], [0, 0])
  // Adam’s first moving step is not larger than its rate in any entry.
  assert.ok(moved[2] > 0 && moved[2] < 5 * 0.2 ** 2)
})

test('onStep ends a run with false', async ({ backend }) => {
  const run = solve(fixtureQuadratic(backend, numbers), { method, onStep: ({ step }) => step < 3 })
  const { status, steps } = await run.result
  assert.equal([status, steps], ['stopped', 3])
})

test('a signal ends a run with what it has', async ({ backend }) => {
  const controller = new AbortController()
  const outers: Float64Array[] = []
  const run = solve(fixtureQuadratic(backend, numbers), {
    method,
    signal: controller.signal,
    onStep({ step, point }) {
      outers.push(point.outer.readF64())
      if (step === 4) controller.abort()
    },
  })
  const result = await run.result
  assert.equal([result.status, result.steps], ['aborted', 4])
  same(result.outer, outers[3])
  const before = await solve(fixtureQuadratic(backend, numbers), { method, signal: controller.signal }).result
  assert.equal([before.status, before.steps], ['aborted', 0])
  same(before.outer, new Float64Array(5))
})

test('a run that diverges goes back to its last whole step once, where that is asked for', async ({
  backend,
}) => {
  const problem = quadratic({ backend, h: [2], c: [1], c0: [0], q: [1], t: [1], mu: 1 })
  const sgd = (rate: number | ((step: number) => number)) =>
    conjugateGradients({ innerSteps: 1000, innerOptimizer: { kind: 'sgd', rate } })
  // θ grows sevenfold with each inner step of rate 4, and is there after one of rate ½.
  const ended = await solve(problem, { method: sgd(4), outerSteps: 3, inner: [1] }).result
  assert.equal([ended.status, ended.steps], ['diverged', 0])
  const outerOptimizer = { kind: 'adam', rate: 0.1 } as const
  const once = await solve(problem, {
    method: sgd(4),
    outerOptimizer,
    outerSteps: 3,
    retryRate: 1 / 8,
    inner: [1],
  }).result
  assert.equal([once.status, once.steps, once.fallbacks['rates lowered']], ['outerSteps', 3, 1])
  const slow = { kind: 'adam', rate: 0.1 / 8 } as const
  same(
    once.outer,
    (await solve(problem, { method: sgd(1 / 2), outerOptimizer: slow, outerSteps: 3, inner: [1] }).result)
      .outer,
  )
  const again = await solve(problem, { method: sgd(400), outerSteps: 3, retryRate: 1 / 2, inner: [1] }).result
  assert.equal([again.status, again.steps], ['diverged', 0])
  assert.ok(again.outer.every(Number.isFinite))

  // Twenty inner steps of rate 4 from 1: θ grows to 10¹⁶, still a number, and f beyond all measure in the second step.
  const growing = conjugateGradients({ innerSteps: 20, innerOptimizer: { kind: 'sgd', rate: 4 } })
  const grown = await solve(problem, { method: growing, outerSteps: 9, inner: [1] }).result
  assert.equal([grown.status, grown.steps], ['diverged', 1])

  // In its third step; it goes on from the second, and so does a run that was saved since.
  const options = { method: sgd((step) => (step < 2000 ? 1 / 2 : 4)), retryRate: 1 / 8 }
  const outers: Float64Array[] = []
  const onStep = ({ point }: Progress) => void outers.push(point.outer.readF64())
  const whole = await solve(problem, { ...options, onStep, outerSteps: 5 }).result
  assert.equal(
    [whole.status, whole.steps, outers.length, whole.fallbacks['rates lowered']],
    ['outerSteps', 5, 5, 1],
  )
  assert.ok(Math.abs(outers[2][0] - outers[1][0]) < Math.abs(outers[1][0] - outers[0][0]) / 4)
  const half = solve(problem, { ...options, outerSteps: 4 })
  await half.result
  const resumed = await resume(problem, await save(half), { ...options, outerSteps: 5 }).result
  same(resumed.outer, whole.outer)
  await refuses('ERR_RANGE', 'retryRate', () => solve(problem, { retryRate: 2 }).result)
})

test('weights that have collapsed to 0 or 1 leave the run finite, and it says that nothing moves', async ({
  backend,
}) => {
  const problem = randomReweighting(backend)
  for (const v of [-1000, -60, 60, 1000]) {
    const outer = new Float64Array(problem.oracles.outerLength).fill(v)
    const { status, advice, outerLoss, ...end } = await solve(problem, { outer, outerSteps: 3 }).result
    assert.ok([outerLoss, ...end.inner, ...end.outer].every(Number.isFinite))
    assert.is(status, 'outerSteps')
    assert.match(advice, /zero to rounding.* weights are 0 or 1/, `${v}`)
  }
  const { advice } = await solve(problem, { outerSteps: 3 }).result
  assert.match(advice, /are used up/)
})

test('time and tolerance end a run', async ({ backend }) => {
  const none = await solve(fixtureQuadratic(backend, numbers), { method, seconds: 0 }).result
  assert.equal([none.status, none.steps], ['seconds', 0])
  const some = await solve(fixtureQuadratic(backend, numbers), { method, seconds: 0.05, outerSteps: 1e9 })
    .result
  assert.is(some.status, 'seconds')
  const early = await solve(fixtureQuadratic(backend, numbers), { method, tolerance: 1e9 }).result
  assert.equal([early.status, early.steps], ['converged', 1])
})

test('v stays in its box', async ({ backend }) => {
  const free = await solve(fixtureQuadratic(backend, numbers), { method, outerSteps: 20 }).result
  assert.ok(Math.max(...free.outer.map(Math.abs)) > 0.3, 'the box would bind')
  const box = { low: -0.1, high: 0.2 }
  await solve(fixtureQuadratic(backend, numbers), {
    method,
    box,
    outerSteps: 20,
    onStep({ point }) {
      const v = point.outer.readF64()
      assert.ok(Math.min(...v) >= box.low && Math.max(...v) <= box.high, `${v}`)
    },
  }).result
})

const wild = { kind: 'sgd', rate: 1e200 } as const
const diverging = {
  'θ of exact': { method: exact({ innerOptimizer: wild }) },
  'θ of nhgd, rows': { method: nhgd({ innerOptimizer: wild, fisher: { form: 'dense', rows: 'mean' } }) },
  'θ of nhgd, refreshed': { method: nhgd({ innerOptimizer: wild }) },
  v: { method: exact({ innerSteps: 2 }), outerOptimizer: { kind: 'sgd', rate: Number.MAX_VALUE } },
} as const

for (const [name, options] of Object.entries(diverging)) {
  test(`divergence of ${name} ends a run at the last finite point`, async ({ backend }) => {
    const problem = randomReweighting(backend, name === 'v' ? { prior: wide, weighting: 'margin' } : {})
    const result = await solve(problem, options).result
    assert.is(result.status, 'diverged')
    assert.match(result.advice, /lower the inner or the outer rate/)
    assert.ok(finite(result))
    const fresh = randomReweighting(backend, name === 'v' ? { prior: wide, weighting: 'margin' } : {})
    try {
      await solve(fresh, { ...options, throwOnFailure: true }).result
      assert.unreachable()
    } catch (error) {
      assert.instance(error, NhgdError)
      assert.is((error as NhgdError).code, 'ERR_DIVERGED')
      same((error as { result: SolveResult }).result.outer, result.outer)
    }
    // The problem is as good as before.
    assert.is((await solve(problem, { method: exact(), outerSteps: 1 }).result).status, 'outerSteps')
  })
}

const wide = { mean: [5, 5, 5, 5], precision: [1e3, 1e3, 1e3, 1e3] }

test('divergence after good steps keeps the last of them', async ({ backend }) => {
  const outers: ArrayLike<number>[] = [new Float64Array(5)]
  const result = await solve(fixtureQuadratic(backend, numbers), {
    method: exact({ innerSteps: 1, innerOptimizer: { kind: 'sgd', rate: (t) => (t < 3 ? 0.01 : 1e250) } }),
    onStep: ({ point }) => void outers.push(point.outer.readF64()),
  }).result
  assert.is(result.status, 'diverged')
  assert.ok(result.steps >= 3 && finite(result))
  same(result.outer, outers[result.steps])
})

test('errors of a method and of onStep reach who waits', async ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  const run = solve(problem, {
    method,
    onStep() {
      throw new RangeError('mine')
    },
  })
  await rejects(run.result, RangeError)
  // A quadratic has no layers to factor.
  const iterated = solve(problem, { method: nhgd({ fisher: { form: 'kronecker' } }) })
  await rejects(iterated[Symbol.asyncIterator]().next(), NhgdError)
  await rejects(iterated.result, NhgdError)
})

async function rejects(promise: Promise<unknown>, type: new (...args: never[]) => Error): Promise<void> {
  try {
    await promise
  } catch (error) {
    assert.instance(error, type)
    return
  }
  assert.unreachable()
}

test('averaging takes the mean of the last inner iterates', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const base = {
    innerSteps: 4,
    batchSize: 40,
    fisher: { form: 'diagonal' },
    refine: 0,
    cross: 'all',
  } as const
  const innerAt = async (innerSteps: number, averaging: number) => {
    const { inner } = await solve(problem, {
      method: nhgd({ ...base, innerSteps, averaging }),
      outerSteps: 1,
    }).result
    return inner
  }
  const [third, fourth] = [await innerAt(3, 0), await innerAt(4, 0)]
  const average = await innerAt(4, 0.5)
  close(
    average,
    third.map((x, i) => (x + fourth[i]) / 2),
    1e-13,
  )
  assert.ok(distance(average, fourth) > 1e-3)
})

test('the damping in force is in the result: as set, relative, raised', async ({ backend }) => {
  const run = (fisher: FisherSettings, options: RandomProblem = {}) =>
    solve(randomReweighting(backend, options), {
      method: nhgd({ fisher, innerSteps: 3, batchSize: 8, refine: 0 }),
      outerSteps: 2,
    }).result
  for (const form of ['dense', 'window', 'samples', 'kronecker', 'eigenkronecker', 'sketch'] as const) {
    const { damping, fallbacks } = await run({ form, damping: 0.25 })
    assert.is(damping, 0.25, form)
    assert.equal(fallbacks, {}, form)
  }
  const relative = await run({ form: 'diagonal', damping: 0.25, relative: true })
  const twice = await run({ form: 'diagonal', damping: 0.5, relative: true }, { regularization: 0.02 })
  assert.ok(relative.damping > 0 && relative.damping !== 0.25, 'in units of the mean eigenvalue')
  assert.ok(twice.damping > relative.damping)
})

test.run()
