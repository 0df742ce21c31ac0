import type { Batch, Point, Sampler, Step, Vector } from '../backend/binding.ts'
import { optimizer, type Rate, type Stepper } from '../hypergradient/optimizer.ts'
import { type State, startingState } from '../hypergradient/state.ts'
import type { AnyProblem } from '../problems/problem.ts'
import type { Estimate, Method } from './method.ts'

/** Options shared by the methods that move θ, u and v in every step. */
export interface SingleLoopOptions {
  /** B, samples per step. */
  readonly batchSize?: number
  /** Step size of θ. */
  readonly rate?: Rate
  /** Step size of u; that of θ where absent. */
  readonly linearRate?: Rate
  /** Samples of f per step. */
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

export interface SingleLoopState<Own> extends State {
  /** Draws samples of f. */
  readonly outerSampler: Sampler
  /** Moves u. */
  readonly linear: Stepper
  readonly u: Vector
  readonly own: Own
  readonly scratch: State['scratch'] & Omit<Sums, 'gradient'> & { readonly step: Step }
}

/** The parts in which such methods differ. */
export interface Variant<Own> {
  /** The state that it keeps from one step to the next. */
  init(problem: AnyProblem, point: Point, sampler: Sampler, outerSampler: Sampler): Own | Promise<Own>
  /** The samples of the next step, of g and of f. */
  next(state: SingleLoopState<Own>): { readonly batch: Batch; readonly outerBatch: Batch }
  /** Corrects the sums of the last batches, in place. */
  reduce?(sums: Sums, own: Own): void
  /** Changes ∇_v f − Lᵀu, in place. */
  smooth?(hypergradient: Vector, state: SingleLoopState<Own>): void
}

/**
 * The framework of Dagréou et al. (2022, arXiv 2201.13409, Algorithm 1). One batch of g's samples and one of f's give
 * D_θ = ∇_θ g, D_u = Cu − ∇_θ f and D_v = ∇_v f − Lᵀu at one point (θ, u, v); then θ, u and v each take a step.
 */
export function singleLoop<Own>(
  name: string,
  settings: SingleLoopOptions & { readonly rate: Rate } & Readonly<Record<string, unknown>>,
  { init: start, next, reduce, smooth }: Variant<Own>,
): Method<SingleLoopState<Own>> {
  const { rate, linearRate = rate } = settings

  async function init(problem: AnyProblem, point: Point, seed: number): Promise<SingleLoopState<Own>> {
    const { backend, dtype, oracles } = problem
    const { inner, outer } = point
    const state = startingState(problem, seed, { kind: 'sgd', rate })
    const outerSampler = new backend.Sampler(seed, oracles.outerSamples)
    const own = await start(problem, point, state.sampler, outerSampler)
    const [u, product, target] = [inner, inner, inner].map((x) => problem.zeros(x.length))
    const [direct, cross] = [outer, outer].map((x) => problem.zeros(x.length))
    const step = new backend.Step(inner.length, dtype)
    const scratch = { ...state.scratch, step, product, target, direct, cross }
    return {
      ...state,
      outerSampler,
      linear: optimizer(backend, { kind: 'sgd', rate: linearRate }),
      u,
      own,
      scratch,
    }
  }

  async function step({ oracles }: AnyProblem, point: Point, state: SingleLoopState<Own>): Promise<Estimate> {
    const { u, scratch } = state
    const { clock, step, product, target, direct, cross } = scratch
    const { inner } = point
    const { gradient } = step
    const { batch, outerBatch } = next(state)
    oracles.refresh(point)
    clock.enter('inner')
    await oracles.innerStep(point, batch, step)
    clock.enter('hessian')
    await oracles.curvatureProduct(point, batch, u, product)
    clock.enter('cross')
    cross.fill(0)
    await oracles.crossProduct(point, batch, u, 1, cross)
    clock.enter('outer')
    const outerLoss = await oracles.outerGradient(point, direct, target, outerBatch)
    reduce?.({ gradient, product, cross, target, direct }, state.own)
    product.axpy(-1, target) // D_u
    direct.axpy(-1, cross) // D_v
    smooth?.(direct, state)
    const residual = product.norm() / target.norm()
    state.optimizer.step(inner, gradient)
    state.linear.step(u, product)
    clock.enter('')
    state.outerStep++
    const { curvature: operator } = oracles
    return { outerLoss, hypergradient: direct, inner, residual, operator, damping: 0, fallbacks: {} }
  }
  return { name, settings, init, step }
}
