import type { Backend } from '../../../ts/backend/backend.ts'
import type { Matrix } from '../../../ts/backend/matrix.ts'
import { weightNetwork } from '../../../ts/problems/blocks.ts'
import type { Problem } from '../../../ts/problems/problem.ts'
import { Random } from '../../harness/random.ts'
import { atMost, equals, type Part } from './claim.ts'
import { fittedSlope, meanInterval, meanOf } from './slope.ts'
import { firstFeatures, minimize, World, type WorldSizes } from './world.ts'

export interface CrossSizes extends WorldSizes {
  readonly samples: number
  /** B. */
  readonly batchSize: number
  /** Numbers of inner steps T, and of samples M at the end of the longest loop. */
  readonly steps: readonly number[]
  readonly terminal: readonly number[]
  /** Inner loops that give one estimate of bias and variance, and how many such estimates there are. */
  readonly loops: number
  readonly runs: number
  readonly seed: number
}

/** At which θ the products are taken: along the loop, at its end, or at θ*. */
type Which = 'trajectory' | 'end' | 'solution'

/** Of an estimator of Lᵀu, relative to ‖Lᵀu‖². The square of the bias is without bias itself. */
interface Moments {
  readonly squaredBias: number
  readonly variance: number
}

const rate = 0.2
const signals = 3

/**
 * The estimators of L against T and M. v is a network of weights, and has just moved: the inner loop starts at the θ* of
 * the v before. The truth is Lᵀu over all samples at θ*(v), for u = H⁻¹ ∇_θ f there.
 */
export async function crossDerivative(backend: Backend, sizes: CrossSizes): Promise<Part> {
  const { samples, batchSize, steps, terminal, loops, runs, seed } = sizes
  const world = new World(backend, sizes, 0.5, seed)
  const network = (features: Matrix) => ({
    weights: weightNetwork({ signals: firstFeatures(features, signals) }),
  })
  const estimators = estimatorsOf(world.draw(samples, new Random(seed), network), batchSize)
  const longest = Math.max(...steps)
  const measured: Record<Which, Moments[]>[] = []
  for (let run = 0; run < runs; run++) {
    const seeds = Array.from({ length: loops }, (_, i) => 1 + (seed * runs + run) * loops + i)
    const after: ReturnType<typeof estimators.loop>[] = []
    for (const seed of seeds) {
      after.push(estimators.loop(seed, steps))
      // The event loop collects what is no longer used.
      await new Promise((resolve) => setImmediate(resolve))
    }
    measured.push({
      trajectory: steps.map((t) => estimators.moments(after.map(({ trajectory }) => trajectory[t]))),
      end: terminal.map((m) => {
        return estimators.moments(after.map(({ inner }, i) => estimators.terminal(inner, m, seeds[i])))
      }),
      solution: terminal.map((m) => {
        return estimators.moments(seeds.map((seed) => estimators.terminal(estimators.solution, m, seed)))
      }),
    })
  }
  const of = (which: Which, pick: (moments: Moments) => number) => measured.map((run) => run[which].map(pick))
  const variance = (m: Moments) => m.variance
  const error = (m: Moments) => Math.sqrt(Math.max(0, m.squaredBias) + m.variance)
  const at = (runs: readonly (readonly number[])[], i: number) =>
    meanInterval(runs.map((run) => run.at(i) as number))
  const slack = 0.15
  const share = (m: Moments) => m.squaredBias / (m.squaredBias + m.variance)
  const ratio = meanInterval(
    measured.map(({ trajectory, end }) => {
      return end[terminal.indexOf(longest * batchSize)].variance / trajectory[steps.indexOf(longest)].variance
    }),
  )
  return {
    name: 'cross',
    title: 'The estimators of the cross derivative',
    setting: `Softmax regression with d = ${sizes.features * sizes.classes}, half of the labels random, ${samples} samples whose weights come from a network of ${signals} signals. The inner loop takes T steps on batches of ${batchSize} at rate ${rate}, from the θ* of another v. Bias and variance are those of Lᵀu, relative to Lᵀu over all samples at θ*(v), each from ${loops} loops, ${runs} times. The estimate from M samples at the end of the loop is after ${longest} steps.`,
    claims: [
      equals(
        'trajectory: variance against T, slope',
        -1,
        fittedSlope(steps, of('trajectory', variance)),
        slack,
      ),
      atMost(
        'trajectory: root mean square error against T, slope',
        -0.5,
        fittedSlope(steps, of('trajectory', error)),
      ),
      atMost(
        'trajectory: share of bias² in the square error, at the smallest T',
        0,
        at(of('trajectory', share), 0),
        0.05,
      ),
      atMost('trajectory: the same, at the largest T', 0, at(of('trajectory', share), -1), 0.05),
      equals(
        'M samples at θ*: variance against M, slope',
        -1,
        fittedSlope(terminal, of('solution', variance)),
        slack,
      ),
      equals(
        'M samples at θ^T: variance against M, slope',
        -1,
        fittedSlope(terminal, of('end', variance)),
        slack,
      ),
      atMost(
        'M samples at θ^T: share of bias² in the square error, at the largest M',
        0,
        at(of('end', share), -1),
        0.05,
      ),
      atMost('variance of M = T · B samples at θ^T over that of the trajectory', 1, ratio),
    ],
    charts: (['trajectory', 'end', 'solution'] as const).map((which) => {
      const x = which === 'trajectory' ? steps : terminal
      const [biases, variances] = [of(which, (m) => m.squaredBias), of(which, variance)].map(meanOf)
      // Below the noise of the mean over all loops a bias cannot be told.
      const told = biases.map((square, i) => Math.sqrt(Math.max(square, variances[i] / (loops * runs))))
      return {
        title: `Estimator ${{ trajectory: 'of the trajectory', end: 'at the end of the loop', solution: 'at θ*' }[which]}`,
        x: which === 'trajectory' ? 'inner steps T' : 'samples M',
        curves: [
          { name: 'bias, or its noise', x, y: told },
          { name: 'standard deviation', x, y: variances.map(Math.sqrt) },
        ],
      }
    }),
  }
}

type Entries = Float64Array

function estimatorsOf(problem: Problem, batchSize: number) {
  const { backend, oracles } = problem
  const point = problem.start()
  const { outer } = point
  // Strengths of the penalty stay; the network's parameters move from all −½ to all ½.
  const network = oracles.blocks[0]
  const moved = (to: number) => problem.vector(outer.readF64().map((v, j) => (j < network ? to : v)))
  const before = problem.point(point.inner, moved(-0.5))
  minimize(problem, before)
  const start = before.inner.readF64()
  const v = moved(0.5)
  const at = (inner: ArrayLike<number>) => problem.point(problem.vector(inner), v)
  const end = at(start)
  minimize(problem, end)
  const [direct, target, u] = [outer, end.inner, end.inner].map(({ length }) => problem.zeros(length))
  oracles.outerGradient(end, direct, target)
  oracles.exactDirection(end, target, u, true)
  const product = (inner: ArrayLike<number>, batch: ReturnType<typeof backend.Batch.all>) => {
    const out = problem.zeros(outer.length)
    oracles.crossProduct(at(inner), batch, u, 1, out)
    return out.readF64().subarray(0, network)
  }
  const truth = product(end.inner.readF64(), backend.Batch.all(oracles.samples))
  const size = truth.reduce((sum, x) => sum + x * x, 0)

  return {
    solution: end.inner.readF64(),
    /** The trajectory's estimates after each of `steps`, and θ at the end. */
    loop(seed: number, steps: readonly number[]) {
      const sampler = new backend.Sampler(seed, oracles.samples)
      const step = new backend.Step(oracles.innerLength, problem.dtype)
      const here = at(start)
      const sum = new Float64Array(network)
      const trajectory: Record<number, Entries> = {}
      for (let t = 1; t <= Math.max(...steps); t++) {
        const batch = sampler.take(batchSize)
        product(here.inner.readF64(), batch).forEach((x, j) => {
          sum[j] += x
        })
        oracles.innerStep(here, batch, step)
        here.inner.axpy(-rate, step.gradient)
        if (steps.includes(t)) trajectory[t] = sum.map((x) => x / t)
      }
      return { trajectory, inner: here.inner.readF64() }
    },
    /** The estimate from `samples` samples at the end of a loop. */
    terminal(inner: Entries, samples: number, seed: number): Entries {
      return product(inner, new backend.Sampler(2 ** 31 + seed, oracles.samples).take(samples))
    },
    moments(estimates: readonly Entries[]): Moments {
      const n = estimates.length
      const mean = truth.map((_, j) => estimates.reduce((sum, x) => sum + x[j], 0) / n)
      const distance = (a: Entries, b: Entries) => a.reduce((sum, x, j) => sum + (x - b[j]) ** 2, 0)
      const variance = estimates.reduce((sum, x) => sum + distance(x, mean), 0) / (n - 1)
      return {
        squaredBias: (distance(mean, truth) - variance / n) / size,
        variance: variance / size,
      }
    },
  }
}
