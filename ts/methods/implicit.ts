import type { Point, Sampler, Step, Vector } from '../backend/binding.ts'
import { Cross, type CrossSettings } from '../hypergradient/cross.ts'
import {
  type InnerOptions,
  type InnerState,
  innerEnd,
  innerLoop,
  innerState,
} from '../hypergradient/innerLoop.ts'
import type { Problem } from '../problems/problem.ts'
import type { Estimate, Method } from './method.ts'

/** What methods that differ in their linear solve alone have in common. */
export interface ImplicitOptions extends InnerOptions {
  /** Samples that the cross derivative is taken from. */
  readonly cross?: CrossSettings
  /** Samples of f that its gradient is taken from; all where absent. */
  readonly outerBatchSize?: number
}

/** Options with what is absent filled in, but for what means something by its absence. */
type Settings = Required<Omit<ImplicitOptions, 'outerBatchSize'>> & Pick<ImplicitOptions, 'outerBatchSize'>

/** The linear system C u = target where the inner loop led to, target = ∇_θ f. */
export interface LinearSystem<Own> {
  readonly problem: Problem
  readonly point: Point
  readonly target: Vector
  readonly state: ImplicitState<Own>
}

/** How good u is, as in {@link Estimate}. */
export interface Solution {
  readonly residual?: number
  readonly damping?: number
  readonly fallback?: string
}

export interface LinearSolver<Own = object> {
  /** Inner steps that it looks back on, 1 where absent. */
  readonly slots?: number
  /** What it goes on with from one outer iteration to the next. */
  init?(problem: Problem): Own
  /** Looks at an inner step before it is taken. */
  observe?(step: Step, point: Point, problem: Problem, own: Own): void
  /** Improves `u`, which is last iteration's, towards C⁻¹ target, in place. */
  solve(system: LinearSystem<Own>, u: Vector): Solution | Promise<Solution>
}

export interface ImplicitState<Own> extends InnerState {
  readonly own: Own
  /** Draws samples of f where its gradient is not over all. */
  readonly outerSampler?: Sampler
  /** Direction of the last outer iteration. */
  readonly u: Vector
  readonly fallbacks: Record<string, number>
  readonly scratch: InnerState['scratch'] & { readonly direct: Vector; readonly target: Vector }
}

/** Implicit differentiation: T inner steps from where θ stands, u ≈ C⁻¹ ∇_θ f there, then ∇_v f − Lᵀu. */
export function implicit<Own extends object>(
  name: string,
  settings: Settings & Readonly<Record<string, unknown>>,
  solver: LinearSolver<Own>,
): Method<ImplicitState<Own>> {
  const { outerBatchSize, cross: crossSettings, innerSteps } = settings

  function init(problem: Problem, point: Point, seed: number): ImplicitState<Own> {
    const { backend, oracles } = problem
    const slots = Math.max(solver.slots ?? 1, Cross.slots(crossSettings, innerSteps))
    const start = innerState(problem, seed, settings, slots)
    const [direct, target, u] = [point.outer, point.inner, point.inner].map((x) => problem.zeros(x.length))
    return {
      ...start,
      ...(outerBatchSize && { outerSampler: new backend.Sampler(seed, oracles.outerSamples) }),
      own: solver.init?.(problem) ?? ({} as Own),
      u,
      fallbacks: {},
      scratch: { ...start.scratch, direct, target },
    }
  }

  async function step(problem: Problem, point: Point, state: ImplicitState<Own>): Promise<Estimate> {
    const { oracles } = problem
    const { own, u, fallbacks, sampler, outerSampler } = state
    const { clock, direct, target } = state.scratch
    const cross = new Cross(problem, crossSettings, sampler)
    for await (const step of innerLoop(problem, point, state, settings)) {
      cross.observe(step)
      solver.observe?.(step, point, problem, own)
    }
    const end = innerEnd(point, state, settings)
    clock.enter('outer')
    oracles.refresh(end)
    const batch = outerBatchSize && outerSampler ? outerSampler.take(outerBatchSize) : undefined
    const outerLoss = oracles.outerGradient(end, direct, target, batch) // ∇_v f, ∇_θ f
    clock.enter('hessian')
    const solution = await solver.solve({ problem, point: end, target, state }, u)
    const { residual, damping = 0, fallback } = solution
    if (fallback) fallbacks[fallback] = (fallbacks[fallback] ?? 0) + 1
    clock.enter('cross')
    const hypergradient = cross.subtract(direct, u, end) // ∇_v f − Lᵀu
    clock.enter('')
    state.outerStep++
    const operator = residual === undefined ? 'none' : oracles.curvature
    return { outerLoss, hypergradient, inner: end.inner, residual, operator, damping, fallbacks }
  }
  return { name, settings, init, step }
}
