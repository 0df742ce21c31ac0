import type { Point } from '../backend/binding.ts'
import { methods } from '../defaults.ts'
import { innerLoop, innerState } from '../hypergradient/innerLoop.ts'
import { optimizer, type Rate, rateAt } from '../hypergradient/optimizer.ts'
import type { AnyProblem } from '../problems/problem.ts'
import { settingsOf } from './check.ts'
import { type Estimate, type Method, noSolve } from './method.ts'

export interface F2saOptions {
  /** T, steps of y and of z per outer iteration. */
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
  const { rate, multiplier } = settings
  const sgd = { kind: 'sgd', rate } as const
  const loop = { ...settings, innerOptimizer: sgd, averaging: 0 }

  function init(problem: AnyProblem, { inner, outer }: Point, seed: number) {
    const start = innerState(problem, seed, loop, 1)
    const [y, gradient, target, difference, node] = Array.from({ length: 5 }, () =>
      problem.zeros(inner.length),
    )
    y.copyFrom(inner)
    const scratch = {
      ...start.scratch,
      direct: problem.zeros(outer.length),
      gradient,
      target,
      difference,
      node,
    }
    return { ...start, y, stepOfY: optimizer(problem.backend, sgd), scratch }
  }

  async function step(problem: AnyProblem, point: Point, state: ReturnType<typeof init>): Promise<Estimate> {
    const { backend, oracles } = problem
    const { y, stepOfY, scratch } = state
    const { clock, gradient, target, difference, direct, node } = scratch
    const [{ inner: z }, atY, atNode] = [point, point.at(y), point.at(node)]
    const lambda = rateAt(multiplier, state.outerStep)
    for await (const { batch } of innerLoop(problem, point, state, loop)) {
      await oracles.innerGradient(atY, batch, gradient)
      await oracles.outerGradient(atY, direct, target)
      gradient.axpy(1 / lambda, target)
      stepOfY.step(y, gradient)
    }
    clock.enter('outer')
    oracles.refresh(point)
    const outerLoss = await oracles.outerLoss(point)
    await oracles.outerGradient(atY, direct, target)
    clock.enter('cross')
    difference.copyFrom(y)
    difference.axpy(-1, z)
    const batch = backend.Batch.all(oracles.samples)
    for (const t of nodes) {
      node.copyFrom(z)
      node.axpy(t, difference)
      await oracles.crossProduct(atNode, batch, difference, lambda / nodes.length, direct)
    }
    clock.enter('')
    state.outerStep++
    return { outerLoss, hypergradient: direct, inner: z, ...noSolve }
  }
  return { name: 'f2sa', settings, init, step }
}

const nodes = [0.5 - Math.sqrt(1 / 12), 0.5 + Math.sqrt(1 / 12)]
