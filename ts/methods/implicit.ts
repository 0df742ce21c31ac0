import type { Point, Sampler, Step, Vector } from '../backend/binding.ts'
import { Breather } from '../hypergradient/clock.ts'
import { Cross, type CrossSettings } from '../hypergradient/cross.ts'
import { type OptimizerSettings, optimizer } from '../hypergradient/optimizer.ts'
import { outerBatches } from '../hypergradient/outerBatches.ts'
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
  /** Share of the inner steps, the last ones, whose θ is averaged for the hypergradient; 0 takes θ^T. */
  readonly averaging?: number
  /** Samples of f that its gradient is taken from; all where absent. */
  readonly outerBatchSize?: number
}

/** Options with what is absent filled in, but for what means something by its absence. */
type Settings = Required<Omit<ImplicitOptions, 'outerBatchSize'>> & Pick<ImplicitOptions, 'outerBatchSize'>

/** The linear system C u = target where the inner loop led to, target = ∇_θ f. */
export interface LinearSystem {
  readonly point: Point
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
  observe?(step: Step, point: Point): void
}

/** Implicit differentiation: T inner steps from where θ stands, u ≈ C⁻¹ ∇_θ f there, then ∇_v f − Lᵀu. */
export function implicit(
  name: string,
  settings: Settings & Readonly<Record<string, unknown>>,
  solver: (context: Context, sampler: Sampler) => LinearSolver,
): Method {
  return { name, settings, start: (context) => start(settings, solver, context) }
}

function start(
  settings: Settings,
  solver: (context: Context, sampler: Sampler) => LinearSolver,
  context: Context,
): MethodRun {
  const { problem, point, seed, clock, frozen } = context
  const { backend, dtype, oracles } = problem
  const { inner, outer } = point
  const { innerSteps, batchSize, averaging, outerBatchSize } = settings
  const sampler = new backend.Sampler(seed, oracles.samples)
  const nextOuter = outerBatches(problem, outerBatchSize, seed)
  const linear = solver(context, sampler)
  const cross = new Cross(problem, settings.cross, sampler)
  const innerOptimizer = optimizer(backend, settings.innerOptimizer, frozen)
  const steps = Array.from({ length: innerSteps }, () => new backend.Step(inner.length, dtype))
  const [direct, target, u, average] = [outer, inner, inner, inner].map((x) => problem.zeros(x.length))
  const averaged = Math.ceil(averaging * innerSteps)
  const theta = averaged > 0 ? average : inner
  const end = point.at(theta)
  const breather = new Breather()
  const fallbacks: Record<string, number> = {}

  async function estimate(k: number): Promise<Estimate> {
    clock.enter('inner')
    average.fill(0)
    for (const [t, step] of steps.entries()) {
      oracles.innerStep(point, sampler.take(batchSize), step)
      cross.observe(step)
      linear.observe?.(step, point)
      innerOptimizer.step(inner, step.gradient)
      if (t >= innerSteps - averaged) average.axpy(1 / averaged, inner)
      await breather.due()
    }
    clock.enter('outer')
    oracles.refresh(end)
    const outerLoss = oracles.outerGradient(end, direct, target, nextOuter()) // ∇_v f, ∇_θ f
    clock.enter('hessian')
    const { residual, damping = 0, fallback } = await linear.solve({ point: end, target, k }, u)
    if (fallback) fallbacks[fallback] = (fallbacks[fallback] ?? 0) + 1
    clock.enter('cross')
    const hypergradient = cross.hypergradient(direct, u, end) // ∇_v f − Lᵀu
    clock.enter('')
    const operator = Number.isNaN(residual) ? 'none' : oracles.curvature
    return { outerLoss, hypergradient, inner: theta, residual, operator, damping, fallbacks }
  }
  return { estimate }
}
