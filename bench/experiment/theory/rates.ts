import type { Backend } from '../../../ts/backend/backend.ts'
import type { NhgdError } from '../../../ts/backend/errors.ts'
import type { Matrix } from '../../../ts/backend/matrix.ts'
import { amigo } from '../../../ts/methods/amigo.ts'
import type { Method } from '../../../ts/methods/method.ts'
import { neumann } from '../../../ts/methods/neumann.ts'
import { nhgd } from '../../../ts/methods/nhgd.ts'
import { soba } from '../../../ts/methods/soba.ts'
import { weightNetwork } from '../../../ts/problems/blocks.ts'
import { solve } from '../../../ts/run/solve.ts'
import { Random } from '../../harness/random.ts'
import { countCalls } from '../count.ts'
import { atMost, type Part } from './claim.ts'
import { fittedSlope, meanOf } from './slope.ts'
import { exactHypergradient, firstFeatures, minimize, World, type WorldSizes } from './world.ts'

export interface RateSizes extends WorldSizes {
  /** Inner samples. */
  readonly samples: number
  /** Samples that oracles are asked about, at which ‖∇Φ‖² is compared: each at least twice the one before. */
  readonly budgets: readonly number[]
  readonly runs: number
  readonly seed: number
}

/** Step sizes fall as the theory asks; `every` is the number of steps per outer iteration. */
const falling =
  (first: number, every = 1) =>
  (k: number) =>
    first / Math.sqrt(1 + k / (10 * every))

const loop = {
  innerSteps: 10,
  batchSize: 32,
  innerOptimizer: { kind: 'sgd', rate: falling(0.5, 10) },
  cross: 'trajectory',
} as const
const outerBatchSize = 32
/** Below 1 / ‖H‖. */
const linearRate = 0.5

const methods: Readonly<Record<string, () => Method>> = {
  nhgd: () =>
    nhgd({
      ...loop,
      fisher: {
        form: 'dense',
        statistic: 'expected',
        rows: 'perSample',
        smoothing: 'average',
        damping: 1e-3,
      },
      observe: { every: 1 },
      refine: 0,
      averaging: 0,
    }),
  stocBiO: () => neumann({ ...loop, outerBatchSize, rate: linearRate, terms: 40 }),
  AmIGO: () => amigo({ ...loop, outerBatchSize, rate: linearRate, steps: 10 }),
  SOBA: () => soba({ batchSize: 32, outerBatchSize, rate: falling(0.3, 10), linearRate: falling(0.3, 10) }),
}

/** First outer step sizes that each method may choose from, by the last three ‖∇Φ‖² of a run that is not reported. */
const firstRates = [1, 4, 16, 64]

/** ‖∇Φ‖² against the samples that were drawn, for step sizes that fall like 1/√k. */
export async function rates(backend: Backend, sizes: RateSizes): Promise<Part> {
  const { samples, budgets, runs, seed } = sizes
  const world = new World(backend, sizes, 0.5, seed)
  const network = (features: Matrix) => ({ weights: weightNetwork({ signals: firstFeatures(features, 3) }) })
  const problemOf = (seed: number) => world.draw(samples, new Random(seed), network)
  const results = []
  for (const [name, method] of Object.entries(methods)) {
    const trials: { rate: number; squares: number[] }[] = []
    for (const rate of firstRates) {
      trials.push({ rate, squares: await squaresOf(problemOf(seed), method(), rate, sizes, seed) })
    }
    const end = ({ squares }: (typeof trials)[0]) => {
      const product = squares.slice(-3).reduce((product, x) => product * x)
      return Number.isNaN(product) ? Number.POSITIVE_INFINITY : product
    }
    const { rate } = trials.toSorted((a, b) => end(a) - end(b))[0]
    const measured: number[][] = []
    for (let run = 1; run <= runs; run++) {
      measured.push(await squaresOf(problemOf(seed + run), method(), rate, sizes, seed + run))
    }
    results.push({ name, rate, measured })
  }
  return {
    name: 'rates',
    title: '‖∇Φ‖² against samples',
    setting: `Softmax regression with d = ${sizes.features * sizes.classes}, half of the labels random, ${samples} samples, v a network of weights; the inner problem is strongly convex by a fixed penalty. Samples are all that any oracle was asked about. ‖∇Φ‖² is exact, at θ*(v), and averaged over the iterates between half of a budget and the whole of it. All step sizes fall like 1/√k; that of v is α/√(1 + k/10), α out of ${firstRates.join(', ')} by a run that is not reported: ${results.map(({ name, rate }) => `${name} ${rate}`).join(', ')}. nhgd has every sample's gradient, expected, averaged over the run, and no correction. ${runs} runs.`,
    claims: results.map(({ name, measured }) =>
      atMost(`${name}: ‖∇Φ‖² against samples, slope`, -0.5, fittedSlope(budgets, measured)),
    ),
    charts: [
      {
        title: '‖∇Φ‖² against samples',
        x: 'samples',
        curves: results.map(({ name, measured }) => ({ name, x: budgets, y: meanOf(measured) })),
      },
    ],
  }
}

/**
 * Mean ‖∇Φ‖² over iterates between half of each budget and the whole of it; infinite where the run diverged, so that θ*
 * can't be found from where it was.
 */
async function squaresOf(
  problem: ReturnType<World['draw']>,
  method: Method,
  rate: number,
  sizes: RateSizes,
  seed: number,
): Promise<number[]> {
  try {
    return await measuredSquares(problem, method, rate, sizes, seed)
  } catch (error) {
    if ((error as NhgdError).code === 'ERR_NUMERIC') return sizes.budgets.map(() => Number.POSITIVE_INFINITY)
    throw error
  }
}

async function measuredSquares(
  problem: ReturnType<World['draw']>,
  method: Method,
  rate: number,
  { budgets }: RateSizes,
  seed: number,
): Promise<number[]> {
  const counts = countCalls(problem.oracles, problem.oracles.outerSamples)
  const last = budgets[budgets.length - 1]
  const marks: { samples: number; square: number }[] = []
  let next = budgets[0] / 2
  await solve(problem, {
    method,
    outerOptimizer: { kind: 'sgd', rate: falling(rate) },
    outerSteps: 1e9,
    seed,
    onStep({ point }) {
      const samples = Object.values(counts).reduce((sum, count) => sum + count.samples, 0)
      if (samples < next) return true
      next = samples * 1.12
      const saved = structuredClone(counts)
      const end = problem.point(problem.vector(point.inner.readF64()), problem.vector(point.outer.readF64()))
      minimize(problem, end)
      marks.push({ samples, square: exactHypergradient(problem, end).norm() ** 2 })
      for (const [kind, count] of Object.entries(saved))
        Object.assign(counts[kind as keyof typeof counts], count)
      return samples < last
    },
  }).result
  return budgets.map((budget) => {
    const within = marks.filter(({ samples }) => samples > budget / 2 && samples <= 1.05 * budget)
    return within.reduce((sum, { square }) => sum + square, 0) / within.length
  })
}
