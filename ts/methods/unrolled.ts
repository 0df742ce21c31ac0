import { methods } from '../defaults.ts'
import { Breather } from '../hypergradient/clock.ts'
import { optimizer } from '../hypergradient/optimizer.ts'
import { constantRates, settingsOf } from './check.ts'
import type { Context, Estimate, Method, MethodRun } from './method.ts'

export interface UnrolledOptions {
  /** T, inner SGD steps an outer iteration. */
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
  return { name: 'unrolled', settings, start: (context) => start(settings, context) }
}

function start(
  settings: Required<UnrolledOptions>,
  { problem, point, seed, clock, frozen }: Context,
): MethodRun {
  const { backend, dtype, oracles } = problem
  const { inner, outer } = point
  const { innerSteps, batchSize, rate, depth } = settings
  const sampler = new backend.Sampler(seed, oracles.samples)
  const innerOptimizer = optimizer(backend, { kind: 'sgd', rate }, frozen)
  const steps = Array.from(
    { length: Math.min(depth, innerSteps) },
    () => new backend.Step(inner.length, dtype),
  )
  const [direct, alpha, product] = [outer, inner, inner].map((x) => problem.zeros(x.length))
  const breather = new Breather()

  async function estimate(): Promise<Estimate> {
    clock.enter('inner')
    for (let t = 0; t < innerSteps; t++) {
      const step = steps[t % steps.length]
      oracles.innerStep(point, sampler.take(batchSize), step)
      innerOptimizer.step(inner, step.gradient)
      await breather.due()
    }
    clock.enter('outer')
    oracles.refresh(point)
    const outerLoss = oracles.outerGradient(point, direct, alpha) // ∇_v f, α_T = ∇_θ f
    clock.enter('hessian')
    for (let t = innerSteps - 1; t >= innerSteps - steps.length; t--) {
      const step = steps[t % steps.length]
      const at = point.at(step.inner)
      oracles.crossProduct(at, step.batch, alpha, -rate, direct) // h ← h − η L_tᵀα
      oracles.curvatureProduct(at, step.batch, alpha, product)
      alpha.axpy(-rate, product) // α ← (I − ηH_t) α
      await breather.due()
    }
    clock.enter('')
    const none = { residual: Number.NaN, operator: 'none', damping: 0, fallbacks: {} } as const
    return { outerLoss, hypergradient: direct, inner, ...none }
  }
  return { estimate }
}
