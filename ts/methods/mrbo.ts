import type { Point, Vector } from '../backend/binding.ts'
import { methods } from '../defaults.ts'
import type { Rate } from '../hypergradient/optimizer.ts'
import { startingState } from '../hypergradient/state.ts'
import type { AnyProblem } from '../problems/problem.ts'
import { constantRates, settingsOf } from './check.ts'
import type { Estimate, Method } from './method.ts'

export interface MrboOptions {
  readonly batchSize?: number
  /** Step size of θ. */
  readonly rate?: Rate
  /** α, share of the fresh hypergradient, and β, of the fresh inner gradient, in (0, 1]. */
  readonly outerShare?: number
  readonly innerShare?: number
  /** Q, terms of the Neumann series, and their η. */
  readonly terms?: number
  readonly linearRate?: number
  /** Samples of f per step. */
  readonly outerBatchSize?: number
}

/**
 * MRBO (Yang, Ji & Liang 2021, arXiv 2106.04692, Algorithm 1): one step of θ and v each along gradients with
 * recursive momentum, m ← ∇(x; B) + (1 − α)(m − ∇(x_before; B)), both terms from the same samples; the hypergradient by
 * a Neumann series.
 */
export function mrbo(options: MrboOptions = {}): Method {
  const settings = settingsOf(methods.mrbo, options, { linearRate: constantRates.linearRate })
  const { batchSize, outerBatchSize, outerShare, innerShare, terms, linearRate } = settings

  function init(problem: AnyProblem, { inner, outer }: Point, seed: number) {
    const { backend, oracles } = problem
    const start = startingState(problem, seed, { kind: 'sgd', rate: settings.rate })
    const like = (...vectors: Vector[]) => vectors.map((x) => problem.zeros(x.length))
    const [innerBefore, outerBefore, innerMomentum, outerMomentum] = like(inner, outer, inner, outer)
    const [gradient, gradientBefore, direct, directBefore] = like(inner, inner, outer, outer)
    const [target, u, product] = like(inner, inner, inner)
    const before = new backend.Point(innerBefore, outerBefore, problem.zeros(oracles.signalsLength))
    const room = { before, gradient, gradientBefore, direct, directBefore, target, u, product }
    const outerSampler = new backend.Sampler(seed, oracles.outerSamples)
    const moments = { innerBefore, outerBefore, innerMomentum, outerMomentum }
    return { ...start, outerSampler, ...moments, scratch: { ...start.scratch, ...room } }
  }

  async function step(
    { oracles }: AnyProblem,
    point: Point,
    state: ReturnType<typeof init>,
  ): Promise<Estimate> {
    const { sampler, outerSampler, optimizer, outerStep: k, scratch } = state
    const { innerBefore, outerBefore, innerMomentum, outerMomentum } = state
    const { clock, before, gradient, gradientBefore, direct, directBefore, target, u, product } = scratch
    const batches = Array.from({ length: terms }, () => sampler.take(batchSize))
    const outerBatch = outerSampler.take(outerBatchSize)

    /** into ← ∇_v f − Lᵀ η Σ_q Π (I − ηH_j) ∇_θ f; returns f and the size of the series' remainder. */
    async function neumann(at: Point, into: Vector) {
      oracles.refresh(at)
      const outerLoss = await oracles.outerGradient(at, into, target, outerBatch)
      const size = target.norm()
      u.fill(0)
      for (const batch of batches) {
        u.axpy(linearRate, target)
        await oracles.curvatureProduct(at, batch, target, product)
        target.axpy(-linearRate, product)
      }
      await oracles.crossProduct(at, batches[0], u, -1, into)
      return { outerLoss, residual: target.norm() / size }
    }

    clock.enter('hessian')
    const { outerLoss, residual } = await neumann(point, direct)
    if (k > 0) await neumann(before, directBefore)
    recur(outerMomentum, direct, directBefore, k > 0 ? outerShare : 1)
    clock.enter('inner')
    await oracles.innerGradient(point, batches[0], gradient)
    if (k > 0) await oracles.innerGradient(before, batches[0], gradientBefore)
    recur(innerMomentum, gradient, gradientBefore, k > 0 ? innerShare : 1)
    const { inner, outer } = point
    innerBefore.copyFrom(inner)
    outerBefore.copyFrom(outer)
    optimizer.step(inner, innerMomentum)
    direct.copyFrom(outerMomentum) // the outer optimiser may change what it is given
    clock.enter('')
    state.outerStep++
    const { curvature: operator } = oracles
    return { outerLoss, hypergradient: direct, inner, residual, operator, damping: 0, fallbacks: {} }
  }
  return { name: 'mrbo', settings, init, step }
}

/** momentum ← fresh + (1 − share)(momentum − before). */
function recur(momentum: Vector, fresh: Vector, before: Vector, share: number): void {
  momentum.axpy(-1, before)
  momentum.scale(1 - share)
  momentum.axpy(1, fresh)
}
