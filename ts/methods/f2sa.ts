import { methods } from '../defaults.ts'
import { Breather } from '../hypergradient/clock.ts'
import { optimizer, type Rate } from '../hypergradient/optimizer.ts'
import { settingsOf } from './check.ts'
import type { Context, Estimate, Method, MethodRun } from './method.ts'

export interface F2saOptions {
  /** T, steps of y and z each an outer iteration. */
  readonly innerSteps?: number
  readonly batchSize?: number
  /** Step size of z, and of y on g + f/λ. */
  readonly rate?: Rate
  /** λ_k: the bias falls with 1/λ, the noise rises with it. */
  readonly multiplier?: number | ((k: number) => number)
}

/**
 * F2SA (Kwon et al. 2023, arXiv 2301.10945, Algorithm 1), first order alone: z follows min g, y follows min f + λg,
 * and ∇Φ is near ∇_v f(y) + λ (∇_v g(y) − ∇_v g(z)). The difference is the integral of Lᵀ(y − z) from z to y, taken by
 * Gauss–Legendre with two nodes: its error is of fourth order in ‖y − z‖ = O(1/λ), far below the method's own bias. f
 * and its gradients are over all trusted samples.
 */
export function f2sa(options: F2saOptions = {}): Method {
  const settings = settingsOf(methods.f2sa, options)
  return { name: 'f2sa', settings, start: (context) => start(settings, context) }
}

const nodes = [0.5 - Math.sqrt(1 / 12), 0.5 + Math.sqrt(1 / 12)]

function start(settings: Required<F2saOptions>, { problem, point, seed, clock, frozen }: Context): MethodRun {
  const { backend, oracles } = problem
  const { inner: z, outer } = point
  const { innerSteps, batchSize, rate, multiplier } = settings
  const sampler = new backend.Sampler(seed, oracles.samples)
  const stepOfZ = optimizer(backend, { kind: 'sgd', rate }, frozen)
  const stepOfY = optimizer(backend, { kind: 'sgd', rate })
  const [y, gradient, target, difference, node] = [z, z, z, z, z].map((x) => problem.zeros(x.length))
  const direct = problem.zeros(outer.length)
  const breather = new Breather()
  y.copyFrom(z)
  const [atY, atNode] = [point.at(y), point.at(node)]

  async function estimate(k: number): Promise<Estimate> {
    const lambda = typeof multiplier === 'number' ? multiplier : multiplier(k)
    clock.enter('inner')
    for (let t = 0; t < innerSteps; t++) {
      const batch = sampler.take(batchSize)
      oracles.innerGradient(point, batch, gradient)
      stepOfZ.step(z, gradient)
      oracles.innerGradient(atY, batch, gradient)
      oracles.outerGradient(atY, direct, target)
      gradient.axpy(1 / lambda, target)
      stepOfY.step(y, gradient)
      await breather.due()
    }
    clock.enter('outer')
    oracles.refresh(point)
    const outerLoss = oracles.outerLoss(point)
    oracles.outerGradient(atY, direct, target)
    clock.enter('cross')
    difference.copyFrom(y)
    difference.axpy(-1, z)
    const batch = backend.Batch.all(oracles.samples)
    for (const t of nodes) {
      node.copyFrom(z)
      node.axpy(t, difference)
      oracles.crossProduct(atNode, batch, difference, lambda / nodes.length, direct)
    }
    clock.enter('')
    const none = { residual: Number.NaN, operator: 'none', damping: 0, fallbacks: {} } as const
    return { outerLoss, hypergradient: direct, inner: z, ...none }
  }
  return { estimate }
}
