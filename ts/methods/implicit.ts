import type { Sampler, Step, Vector } from '../backend/binding.ts'
import { Breather } from '../hypergradient/clock.ts'
import { Cross, type CrossSettings } from '../hypergradient/cross.ts'
import { type OptimizerSettings, optimizer } from '../hypergradient/optimizer.ts'
import { checkNumbers } from './check.ts'
import type { Context, Estimate, Method, MethodRun } from './method.ts'

/** What methods that differ in their linear solve alone have in common. */
export interface ImplicitOptions {
  /** Samples that the cross derivative is taken from. */
  readonly cross?: CrossSettings
  /** T, inner steps an outer iteration. */
  readonly innerSteps?: number
  /** B, samples an inner step. */
  readonly batchSize?: number
  readonly innerOptimizer?: OptimizerSettings
}

export const implicitDefaults = {
  cross: 'all',
  innerSteps: 10,
  batchSize: 1024,
  innerOptimizer: { kind: 'sgd', rate: 0.1 },
} as const satisfies ImplicitOptions

/** The linear system C u = target at θ^T, target = ∇_θ f. */
export interface LinearSystem {
  readonly inner: Vector
  readonly outer: Vector
  readonly target: Vector
  /** Outer iteration. */
  readonly k: number
}

/** How good u is, as in {@link Estimate}. */
export interface Solution {
  readonly residual: number
  readonly damping?: number
  readonly fallback?: string
}

/** Improves `u`, which is last iteration's, towards C⁻¹ target, in place. */
export interface LinearSolver {
  solve(system: LinearSystem, u: Vector): Solution | Promise<Solution>
  /** Looks at an inner step before it is taken. */
  observe?(step: Step, outer: Vector): void
}

/** Implicit differentiation: T inner steps from where θ stands, u ≈ C⁻¹ ∇_θ f there, then ∇_v f − Lᵀu. */
export function implicit(
  name: string,
  settings: Required<ImplicitOptions> & Readonly<Record<string, unknown>>,
  solver: (context: Context, sampler: Sampler) => LinearSolver,
): Method {
  checkNumbers(settings)
  return { name, settings, start: (context) => start(settings, solver, context) }
}

function start(
  settings: Required<ImplicitOptions>,
  solver: (context: Context, sampler: Sampler) => LinearSolver,
  context: Context,
): MethodRun {
  const { problem, point, seed, clock, frozen } = context
  const { backend, dtype, oracles } = problem
  const { inner, outer } = point
  const { innerSteps, batchSize } = settings
  const sampler = new backend.Sampler(seed, oracles.samples)
  const linear = solver(context, sampler)
  const cross = new Cross(problem, settings.cross, sampler)
  const innerOptimizer = optimizer(backend, settings.innerOptimizer, frozen)
  const steps = Array.from({ length: innerSteps }, () => new backend.Step(inner.length, dtype))
  const [direct, target, u] = [outer, inner, inner].map((x) => problem.zeros(x.length))
  const breather = new Breather()
  const fallbacks: Record<string, number> = {}

  async function estimate(k: number): Promise<Estimate> {
    clock.enter('inner')
    for (const step of steps) {
      oracles.innerStep(inner, outer, sampler.take(batchSize), step)
      cross.observe(step)
      linear.observe?.(step, outer)
      innerOptimizer.step(inner, step.gradient)
      await breather.due()
    }
    clock.enter('outer')
    oracles.refresh(inner, outer)
    const outerLoss = oracles.outerGradient(inner, outer, direct, target) // ∇_v f, ∇_θ f
    clock.enter('hessian')
    const { residual, damping = 0, fallback } = await linear.solve({ inner, outer, target, k }, u)
    if (fallback) fallbacks[fallback] = (fallbacks[fallback] ?? 0) + 1
    clock.enter('cross')
    const hypergradient = cross.hypergradient(direct, u, inner, outer) // ∇_v f − Lᵀu
    clock.enter('')
    const operator = Number.isNaN(residual) ? 'none' : oracles.curvature
    return { outerLoss, hypergradient, inner, residual, operator, damping, fallbacks }
  }
  return { estimate }
}
