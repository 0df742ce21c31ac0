import type { Batch, Sampler, Vector } from '../backend/binding.ts'
import { type OptimizerSettings, optimizer, type Rate } from '../hypergradient/optimizer.ts'
import type { Context, Estimate, Method, MethodRun } from './method.ts'

/** What methods that move θ, u and v at once have in common. */
export interface SingleLoopOptions {
  /** B, samples a step. */
  readonly batchSize?: number
  /** Step size of θ. */
  readonly rate?: Rate
  /** Step size of u; that of θ where absent. */
  readonly linearRate?: Rate
  /** Samples of f a step. */
  readonly outerBatchSize?: number
}

/** The sums that a step is made of: over a batch of g's samples, and of f's. */
export interface Sums {
  /** ∇_θ g. */
  readonly gradient: Vector
  /** Cu. */
  readonly product: Vector
  /** Lᵀu. */
  readonly cross: Vector
  /** ∇_θ f. */
  readonly target: Vector
  /** ∇_v f. */
  readonly direct: Vector
}

/** What tells such methods apart. */
export interface Variant {
  /** The samples of the next step, of g and of f. */
  next(): { readonly batch: Batch; readonly outerBatch: Batch }
  /** Corrects the sums of the last batches, in place. */
  reduce?(sums: Sums): void
  /** Changes ∇_v f − Lᵀu, in place. */
  smooth?(hypergradient: Vector): void
}

/**
 * The framework of Dagréou et al. (2022, arXiv 2201.13409, Algorithm 1): at one point (θ, u, v) and from one batch of
 * g's samples and one of f's D_θ = ∇_θ g, D_u = Cu − ∇_θ f, D_v = ∇_v f − Lᵀu, then a step along each.
 */
export function singleLoop(
  name: string,
  settings: SingleLoopOptions & { readonly rate: Rate } & Readonly<Record<string, unknown>>,
  variant: (context: Context, sampler: Sampler, outerSampler: Sampler) => Variant,
): Method {
  return { name, settings, start: (context) => start(settings, variant, context) }
}

function start(
  { rate, linearRate = rate }: SingleLoopOptions & { readonly rate: Rate },
  variant: (context: Context, sampler: Sampler, outerSampler: Sampler) => Variant,
  context: Context,
): MethodRun {
  const { problem, point, seed, clock, frozen } = context
  const { backend, dtype, oracles } = problem
  const { inner, outer } = point
  const sampler = new backend.Sampler(seed, oracles.samples)
  const outerSampler = new backend.Sampler(seed, oracles.outerSamples)
  const { next, reduce, smooth } = variant(context, sampler, outerSampler)
  const sgd = (rate: Rate): OptimizerSettings => ({ kind: 'sgd', rate })
  const innerOptimizer = optimizer(backend, sgd(rate), frozen)
  const linearOptimizer = optimizer(backend, sgd(linearRate))
  const step = new backend.Step(inner.length, dtype)
  const [u, product, target] = [inner, inner, inner].map((x) => problem.zeros(x.length))
  const [direct, cross] = [problem.zeros(outer.length), problem.zeros(outer.length)]
  const { gradient } = step

  async function estimate(): Promise<Estimate> {
    const { batch, outerBatch } = next()
    oracles.refresh(point)
    clock.enter('inner')
    oracles.innerStep(point, batch, step)
    clock.enter('hessian')
    oracles.curvatureProduct(point, batch, u, product)
    clock.enter('cross')
    cross.fill(0)
    oracles.crossProduct(point, batch, u, 1, cross)
    clock.enter('outer')
    const outerLoss = oracles.outerGradient(point, direct, target, outerBatch)
    reduce?.({ gradient, product, cross, target, direct })
    product.axpy(-1, target) // D_u
    direct.axpy(-1, cross) // D_v
    smooth?.(direct)
    const residual = Math.sqrt(product.dot(product) / target.dot(target))
    innerOptimizer.step(inner, gradient)
    linearOptimizer.step(u, product)
    clock.enter('')
    const { curvature: operator } = oracles
    return { outerLoss, hypergradient: direct, inner, residual, operator, damping: 0, fallbacks: {} }
  }
  return { estimate }
}
