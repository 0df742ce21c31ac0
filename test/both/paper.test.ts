import * as assert from 'uvu/assert'
import type { ObserveOptions } from '../../ts/hypergradient/observer.ts'
import { optimizer } from '../../ts/hypergradient/optimizer.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { paper } from '../../ts/methods/nhgdOptions.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { solve } from '../../ts/run/solve.ts'
import { close, distance } from '../support/close.ts'
import { denseSolve, identity } from '../support/dense.ts'
import { randomReweighting } from '../support/problems.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('paper')
const batchSize = 16
const outerOptimizer = { kind: 'sgd', rate: 0.5 } as const

/**
 * Algorithm 1 as printed, with F inverted densely where the method updates A. F sees the first `samples` of the batches
 * of every `every`-th step.
 */
function printed(
  problem: Problem,
  outerSteps: number,
  seed: number,
  { every = 1, samples = batchSize }: ObserveOptions = {},
): Float64Array {
  const { backend, oracles } = problem
  const { inner, outer } = problem.start()
  const d = inner.length
  const sampler = new backend.Sampler(seed, oracles.samples)
  const stepper = optimizer(backend, paper.innerOptimizer)
  for (let k = 0; k < outerSteps; k++) {
    let fisher = identity(d)
    const trajectory: { theta: Float64Array; batch: ReturnType<typeof sampler.take> }[] = []
    for (let t = 0; t < paper.innerSteps; t++) {
      const batch = sampler.take(batchSize)
      const gradient = problem.zeros(d)
      oracles.innerGradient(problem.point(inner, outer), batch, gradient)
      const theta = inner.readF64()
      if (t % every === 0) {
        sampler.seed()
        const seen = problem.zeros(d)
        const some = backend.Batch.of(batch.positions.slice(0, samples))
        oracles.innerGradient(problem.point(inner, outer), some, seen)
        // The regulariser's part is known and no part of F.
        const g = seen.readF64().map((x, i) => x - 2 * 0.02 * theta[i])
        const beta = paper.fisher.smoothing
        fisher = fisher.map((x, i) => beta * x + (1 - beta) * g[Math.floor(i / d)] * g[i % d])
      }
      trajectory.push({ theta, batch })
      stepper.step(inner, gradient)
    }
    const [direct, target] = [problem.zeros(outer.length), problem.zeros(d)]
    oracles.outerGradient(problem.point(inner, outer), direct, target)
    const direction = problem.vector(denseSolve(fisher, target.readF64()))
    for (const { theta, batch } of trajectory) {
      oracles.crossProduct(
        problem.point(problem.vector(theta), outer),
        batch,
        direction,
        -1 / trajectory.length,
        direct,
      )
    }
    outer.axpy(-outerOptimizer.rate, direct)
  }
  return outer.readF64()
}

test('the preset is the printed algorithm', async ({ backend }) => {
  const problem = randomReweighting(backend)
  const expected = printed(randomReweighting(backend), 5, 7)
  const method = nhgd({ ...paper, batchSize })
  const options = { method, outerOptimizer, outerSteps: 5, seed: 7 }
  const { outer, residual, operator, status } = await solve(problem, options).result
  assert.is(status, 'outerSteps')
  close(outer, expected, 1e-9)
  // Nobody asked for the product that a residual costs.
  assert.equal([residual, operator], [undefined, 'none'])
})

for (const observe of [{ every: 3 }, { samples: 5 }, { every: 2, samples: 7 }]) {
  test(`the Fisher sees what ${JSON.stringify(observe)} says`, async ({ backend }) => {
    const problem = randomReweighting(backend)
    const method = nhgd({ ...paper, batchSize, observe })
    const { outer } = await solve(problem, { method, outerOptimizer, outerSteps: 3, seed: 7 }).result
    close(outer, printed(problem, 3, 7, observe), 1e-9)
    assert.ok(distance(outer, printed(problem, 3, 7)) > 1e-6)
  })
}

test('in a window with a decaying start it is the same', async ({ backend }) => {
  const run = (form: { form: 'dense' } | { form: 'window'; length: number }) => {
    const method = nhgd({ ...paper, batchSize, fisher: { ...paper.fisher, ...form } })
    return solve(randomReweighting(backend), { method, outerOptimizer, outerSteps: 5 }).result
  }
  const dense = await run({ form: 'dense' })
  close((await run({ form: 'window', length: 10 })).outer, dense.outer, 1e-9)
  // A window that is shorter than the inner loop forgets.
  assert.ok(distance((await run({ form: 'window', length: 4 })).outer, dense.outer) > 1e-6)
})

test('without the reset A winds up; with a held start it does not', async ({ backend }) => {
  // More features than samples: trusted ones reach where no inner gradient does.
  const largest = async (start: 'held' | 'decaying', reset: 'outer' | 'never') => {
    const method = nhgd({ ...paper, batchSize, fisher: { ...paper.fisher, start, reset } })
    const sizes: number[] = []
    await solve(randomReweighting(backend, { columns: 60, samples: 20 }), {
      method,
      outerOptimizer: { kind: 'sgd', rate: 0 },
      outerSteps: 25,
      onStep: ({ hypergradientNorm }) => void sizes.push(hypergradientNorm),
    }).result
    return Math.max(...sizes)
  }
  const wound = await largest('decaying', 'never')
  assert.ok(wound > 1e4 * (await largest('decaying', 'outer')), `${wound}`)
  assert.ok(wound > 1e4 * (await largest('held', 'never')), `${wound}`)
})

test('the residual of A∇f is told where a product is asked for', async ({ backend }) => {
  const problem = quadratic({ backend, h: [2], c: [1], c0: [0], q: [1], t: [1], mu: 0.1, dtype: 'f64' })
  const at = async (residual?: boolean) => {
    const fisher = {
      form: 'dense',
      rows: 'perSample',
      smoothing: 'average',
      damping: 1,
      tolerance: 1e-12,
    } as const
    const method = nhgd({ fisher, refine: 0, refineDamping: 0, innerSteps: 2, cross: 'all', residual })
    return hypergradient(problem, { inner: [0], outer: [1], method })
  }
  const [without, told] = [await at(), await at(true)]
  assert.is(without.residual, undefined)
  // u = b / (2 + 1) leaves b − 2u = b / 3.
  close([told.residual ?? Number.NaN], [1 / 3], 1e-9)
  assert.equal(told.hypergradient, without.hypergradient)
})

test.run()
