import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { Fisher, type FisherSettings } from '../../ts/backend/fisher.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import type { NhgdOptions } from '../../ts/methods/nhgdOptions.ts'
import type { Progress } from '../../ts/run/options.ts'
import { type SolveResult, solve } from '../../ts/run/solve.ts'
import { close, distance, same } from '../support/close.ts'
import { randomReweighting } from '../support/problems.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('concurrency')

function runOf(backend: Backend, options: NhgdOptions, seed = 3, dtype: 'f32' | 'f64' = 'f64') {
  const problem = randomReweighting(backend, { samples: 65, columns: 17, dtype })
  const method = nhgd({
    observe: { every: 1 },
    innerSteps: 12,
    batchSize: 16,
    refineSamples: 32,
    refine: 2,
    ...options,
  })
  return solve(problem, { method, outerSteps: 4, seed })
}

const result = (backend: Backend, options: NhgdOptions, seed?: number, dtype?: 'f32' | 'f64') =>
  runOf(backend, options, seed, dtype).result

function sameRun(a: SolveResult, b: SolveResult): void {
  same(a.outer, b.outer, 'v')
  same(a.inner, b.inner, 'θ')
  assert.is(a.outerLoss, b.outerLoss)
  assert.is(a.residual, b.residual)
}

const forms: Record<string, NhgdOptions['fisher']> = {
  dense: { form: 'dense' },
  'dense, as printed': { form: 'dense', start: 'decaying', damping: 1, rows: 'mean', reset: 'outer' },
  window: { form: 'window', length: 20, rows: 'perSample', statistic: 'sampled' },
  samples: { form: 'samples', samples: 48, statistic: 'expected' },
  kronecker: { form: 'kronecker', statistic: 'sampled' },
  eigenkronecker: { form: 'eigenkronecker', basisEvery: 5 },
  diagonal: { form: 'diagonal' },
  sketch: { form: 'sketch', rank: 8 },
}

for (const [name, fisher] of Object.entries(forms)) {
  for (const dtype of ['f32', 'f64'] as const) {
    test(`${name}, ${dtype}: the same bits beside the inner loop and in line`, async ({ backend }) => {
      const beside = await result(backend, { fisher, concurrent: true }, 3, dtype)
      const inLine = await result(backend, { fisher, concurrent: false }, 3, dtype)
      sameRun(beside, inLine)
      assert.ok(beside.outer.some((x) => x !== 0))
    })
  }
}

test('the seed decides every draw', async ({ backend }) => {
  const options = { fisher: forms.kronecker }
  const [first, again, other] = [
    await result(backend, options, 5),
    await result(backend, options, 5),
    await result(backend, options, 6),
  ]
  sameRun(first, again)
  assert.ok(distance(other.outer, first.outer) > 1e-6)
})

test('two runs that take turns do not feel each other', async ({ backend }) => {
  const alone = await Promise.all([
    result(backend, { fisher: forms.dense }),
    result(backend, { fisher: forms.samples }),
  ])
  const runs = [runOf(backend, { fisher: forms.dense }), runOf(backend, { fisher: forms.samples })]
  const iterators = runs.map((run) => run[Symbol.asyncIterator]())
  const ended = [false, false]
  while (ended.includes(false)) {
    const steps: IteratorResult<Progress>[] = await Promise.all(iterators.map((iterator) => iterator.next()))
    steps.forEach((step, i) => {
      ended[i] = step.done === true
    })
  }
  for (const [i, run] of runs.entries()) sameRun(await run.result, alone[i])
})

/** Posts observations as fast as they can be made. */
async function flooded(backend: Backend, settings: FisherSettings & { concurrent: boolean }, count: number) {
  const problem = randomReweighting(backend, { samples: 65, columns: 64, classes: 4 })
  const { oracles } = problem
  const point = problem.start()
  const { inner } = point
  const fisher = new Fisher(backend, oracles, point, settings)
  const sampler = new backend.Sampler(1, oracles.samples)
  const steps = Array.from({ length: 4 }, () => new backend.Step(inner.length, 'f64'))
  for (let t = 0; t < count; t++) {
    const step = steps[t % steps.length]
    oracles.innerStepFor(point, sampler.take(8), step, fisher.handle, sampler.seed())
    await fisher.observe(step)
    // The slot is written again long before the Fisher has looked at it.
    inner.axpy(-0.05, step.gradient)
  }
  const direction = problem.zeros(inner.length)
  await fisher.solve(inner, direction)
  return direction.readF64()
}

test('more observations than the queue holds: none is lost, none is out of order', async ({ backend }) => {
  for (const settings of [
    { form: 'dense' },
    { form: 'window', length: 50 },
    { form: 'eigenkronecker', basisEvery: 3 },
  ] as const) {
    const [beside, inLine] = [
      await flooded(backend, { ...settings, concurrent: true }, 100),
      await flooded(backend, { ...settings, concurrent: false }, 100),
    ]
    same(beside, inLine, settings.form)
    const fewer = await flooded(backend, { ...settings, concurrent: false }, 99)
    assert.ok(distance(fewer, inLine) > 1e-6, 'the last observation tells')
  }
})

test('solves that overlap are each answered', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const point = problem.start()
  const { inner } = point
  const fisher = new Fisher(backend, problem.oracles, point, { form: 'dense', damping: 0.5 })
  const rightSides = [1, 2, 3, 4].map((k) => problem.vector(new Float64Array(inner.length).fill(k)))
  const solutions = rightSides.map((b) => problem.zeros(b.length))
  await Promise.all(rightSides.map((b, i) => fisher.solve(b, solutions[i])))
  const [first] = solutions.map((x) => x.readF64())
  solutions.forEach((x, i) => {
    close(
      x.readF64(),
      first.map((y) => y * (i + 1)),
      1e-9,
    )
  })
})

test.run()
