import type { Point } from '../backend/binding.ts'
import { methods } from '../defaults.ts'
import { innerLoop, innerState } from '../hypergradient/innerLoop.ts'
import type { AnyProblem } from '../problems/problem.ts'
import { constantRates, settingsOf } from './check.ts'
import { type Estimate, type Method, noSolve } from './method.ts'

export interface UnrolledOptions {
  /** T, inner SGD steps per outer iteration. */
  readonly innerSteps?: number
  readonly batchSize?: number
  /** η of the inner SGD. */
  readonly rate?: number
  /** K ≤ T, the last steps that are differentiated through. */
  readonly depth?: number
}

/**
 * Truncated back-propagation (Shaban et al. 2019, arXiv 1810.10667, equations 5 to 7): reverse mode through the last
 * K inner steps θ ← θ − η ∇_θ g, on their own batches. With a network the curvature is the Gauss–Newton matrix in place
 * of the Hessian.
 */
export function unrolled(options: UnrolledOptions = {}): Method {
  const settings = settingsOf(methods.unrolled, options, constantRates)
  const { innerSteps, rate } = settings
  const depth = Math.min(settings.depth, innerSteps)
  const loop = { ...settings, innerOptimizer: { kind: 'sgd', rate }, averaging: 0 } as const

  function init(problem: AnyProblem, { inner, outer }: Point, seed: number) {
    const start = innerState(problem, seed, loop, depth)
    const [direct, alpha, product] = [outer, inner, inner].map((x) => problem.zeros(x.length))
    return { ...start, scratch: { ...start.scratch, direct, alpha, product } }
  }

  async function step(problem: AnyProblem, point: Point, state: ReturnType<typeof init>): Promise<Estimate> {
    const { oracles } = problem
    const { clock, steps, direct, alpha, product } = state.scratch
    for await (const _ of innerLoop(problem, point, state, loop));
    clock.enter('outer')
    oracles.refresh(point)
    const outerLoss = await oracles.outerGradient(point, direct, alpha) // ∇_v f, α_T = ∇_θ f
    clock.enter('hessian')
    for (let t = innerSteps - 1; t >= innerSteps - depth; t--) {
      const { inner, batch } = steps[t % steps.length]
      const at = point.at(inner)
      await oracles.crossProduct(at, batch, alpha, -rate, direct) // h ← h − η L_tᵀα
      await oracles.curvatureProduct(at, batch, alpha, product)
      alpha.axpy(-rate, product) // α ← (I − ηH_t) α
    }
    clock.enter('')
    state.outerStep++
    return { outerLoss, hypergradient: direct, inner: point.inner, ...noSolve }
  }
  return { name: 'unrolled', settings, init, step }
}
