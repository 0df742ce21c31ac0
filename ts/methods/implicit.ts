import type { Point, Sampler, Step, Vector } from '../backend/binding.ts'
import type { Stopped } from '../hypergradient/conjugateGradients.ts'
import { Cross, type CrossSettings } from '../hypergradient/cross.ts'
import {
  type InnerOptions,
  type InnerState,
  innerEnd,
  innerLoop,
  innerState,
} from '../hypergradient/innerLoop.ts'
import type { AnyProblem } from '../problems/problem.ts'
import type { Estimate, Method } from './method.ts'

/** Options shared by the methods that differ only in how they solve the linear system. */
export interface ImplicitOptions extends InnerOptions {
  /** Samples that the cross derivative is taken from. */
  readonly cross?: CrossSettings
  /** Samples of f that its gradient is taken from; all of them where absent. */
  readonly outerBatchSize?: number
}

/** Options with their defaults. `outerBatchSize` may stay absent, which stands for all samples. */
type Settings = Required<Omit<ImplicitOptions, 'outerBatchSize'>> & Pick<ImplicitOptions, 'outerBatchSize'>

/** The linear system C u = target at the point where the inner loop ended; target = ∇_θ f. */
export interface LinearSystem<Own> {
  readonly problem: AnyProblem
  readonly point: Point
  readonly target: Vector
  readonly state: ImplicitState<Own>
}

/** How good u is, as in {@link Estimate}. */
export interface Solution {
  readonly residual?: number
  readonly damping?: number
  readonly fallback?: string
  readonly stopped?: Stopped
  /** C, where it is not what the problem's curvature products multiply by. */
  readonly operator?: Estimate['operator']
}

export interface LinearSolver<Own = object> {
  /** Inner steps that it needs at a time, 1 where absent. */
  readonly slots?: number
  /** The state that it keeps from one outer iteration to the next. */
  init?(problem: AnyProblem): Own
  /** Looks at an inner step before it is taken. */
  observe?(step: Step, point: Point, problem: AnyProblem, own: Own): unknown
  /** Improves `u`, which is last iteration's, towards C⁻¹ target, in place. */
  solve(system: LinearSystem<Own>, u: Vector): Solution | Promise<Solution>
}

export interface ImplicitState<Own> extends InnerState {
  readonly own: Own
  /** Draws samples of f; absent where its gradient is over all samples. */
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

  function init(problem: AnyProblem, point: Point, seed: number): ImplicitState<Own> {
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

  async function step(problem: AnyProblem, point: Point, state: ImplicitState<Own>): Promise<Estimate> {
    const { oracles } = problem
    const { own, u, fallbacks, sampler, outerSampler } = state
    const { clock, direct, target } = state.scratch
    const cross = new Cross(problem, crossSettings, sampler)
    for await (const step of innerLoop(problem, point, state, settings)) {
      cross.observe(step)
      await solver.observe?.(step, point, problem, own)
    }
    const end = innerEnd(point, state, settings)
    clock.enter('outer')
    oracles.refresh(end)
    const batch = outerBatchSize && outerSampler ? outerSampler.take(outerBatchSize) : undefined
    const outerLoss = await oracles.outerGradient(end, direct, target, batch) // ∇_v f, ∇_θ f
    clock.enter('hessian')
    const solution = await solver.solve({ problem, point: end, target, state }, u)
    const { residual, damping = 0, fallback, stopped } = solution
    if (fallback) fallbacks[fallback] = (fallbacks[fallback] ?? 0) + 1
    clock.enter('cross')
    const hypergradient = await cross.subtract(direct, u, end) // ∇_v f − Lᵀu
    clock.enter('')
    state.outerStep++
    const operator = residual === undefined ? 'none' : (solution.operator ?? oracles.curvature)
    return { outerLoss, hypergradient, inner: end.inner, residual, operator, damping, fallbacks, stopped }
  }
  return { name, settings, init, step }
}
