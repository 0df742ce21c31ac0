import type { Backend } from '../../../ts/backend/backend.ts'
import { leastSquares } from '../../../ts/defaults.ts'
import { conjugateGradients } from '../../../ts/methods/conjugateGradients.ts'
import type { Method } from '../../../ts/methods/method.ts'
import { nhgd } from '../../../ts/methods/nhgd.ts'
import { preconditionedConjugateGradients } from '../../../ts/methods/preconditionedConjugateGradients.ts'
import { lbfgs } from '../../../ts/tasks/tuneRegularization/lbfgs.ts'
import { broyden } from './broyden.ts'
import { type Case, controlError } from './cases.ts'

/** CPU seconds of the process so far. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/**
 * Conjugate gradients preconditioned by Kronecker factors that contain the differential operator (Dangel, Müller & Zeinhofer
 * 2024), or these factors alone for 0 steps. The damping was chosen on the problems on the line with seed 100.
 */
const byFactors = (refine: number) =>
  preconditionedConjugateGradients({
    ...leastSquares,
    refine,
    refineSamples: leastSquares.batchSize,
    refineDamping: 0,
    fisher: {
      form: 'kronecker',
      statistic: 'expected',
      smoothing: 'average',
      kroneckerDamping: 'split',
      damping: 1e-2,
      keep: 0,
      refreshEvery: 1,
      refreshSamples: leastSquares.batchSize,
    },
  })

/** Methods with as many curvature products as Broyden's rank; the inner steps are the same. */
export const methods: Readonly<Record<string, () => Method>> = {
  nhgd: () => nhgd({ ...leastSquares, refine: 0 }),
  'K-FAC': () => byFactors(0),
  'conjugateGradients by K-FAC, 32': () => byFactors(32),
  'conjugateGradients, 32': () => conjugateGradients({ ...leastSquares, steps: 32, tolerance: 0 }),
  'conjugateGradients, 100': () => conjugateGradients({ ...leastSquares, steps: 100, tolerance: 0 }),
  'broyden, 32': () => broyden({ rank: 32 }),
}

/** How a method did on a case. */
export interface Entry {
  readonly case: string
  readonly method: string
  readonly seed: number
  /** Relative distance to the best control in L². */
  readonly error: number
  /** CPU seconds of the process, all threads together. */
  readonly seconds: number
  /** Hypergradients that the outer optimiser took. */
  readonly evaluations: number
  /** Φ at the end, where there is a network. */
  readonly outerLoss?: number
  /** Relative residual of the last linear system, where the method tells it. */
  readonly residual?: number
}

/** Minimises Φ by limited-memory BFGS with the hypergradients of a method, θ going on from where it was. */
export async function runCase(
  backend: Backend,
  { name, problem: make, basis, reach }: Case,
  best: ArrayLike<number>,
  method: string,
  seed: number,
  quick: boolean,
): Promise<Entry> {
  const began = cpuSeconds()
  const problem = make(backend)
  const point = problem.start(seed)
  const made = methods[method]()
  const state = await made.init(problem, point, seed)
  let evaluations = 0
  let residual: number | undefined
  const evaluate = async (v: Float64Array) => {
    evaluations++
    point.outer.writeF64(v)
    const { outerLoss: value, hypergradient, ...rest } = await made.step(problem, point, state)
    residual = rest.residual
    return { value, gradient: hypergradient.readF64() }
  }
  const start = point.outer.readF64()
  for (let k = 0; k < 5; k++) await evaluate(start) // a random network solves no equation yet
  let [v, outerLoss] = [start, Number.NaN]
  await lbfgs(start, evaluate, {
    steps: quick ? 15 : 60,
    tolerance: 1e-6,
    gain: 1e-7,
    reach,
    async onStep(x, { value }) {
      ;[v, outerLoss] = [x, value]
      return false
    },
  })
  const seconds = cpuSeconds() - began
  problem.dispose()
  const error = controlError(basis, v, best)
  return { case: name, method, seed, error, seconds, evaluations, outerLoss, residual }
}
