import { Fisher, type FisherSettings } from '../backend/fisher.ts'
import { Breather } from '../hypergradient/clock.ts'
import { Cross, type CrossSettings } from '../hypergradient/cross.ts'
import { type OptimizerSettings, optimizer } from '../hypergradient/optimizer.ts'
import { type RefineSettings, refine } from '../hypergradient/refine.ts'
import { checkOptions } from './check.ts'
import type { Context, Estimate, Method, MethodRun } from './method.ts'

export interface NhgdOptions {
  /** The inverse Fisher; `refreshEvery` takes it anew from `size` fresh samples every so many outer iterations
   * instead of from each inner step, `reset` forgets it at the start of each outer iteration. */
  readonly fisher?: FisherSettings & { readonly refreshEvery?: number; readonly reset?: 'outer' | 'never' }
  /** Corrections of A∇_θf by curvature products, 0 for the paper's method. */
  readonly refine?: RefineSettings
  /** Samples that curvature products are taken from, and damping added to them. */
  readonly refineSamples?: number
  readonly refineDamping?: number
  readonly cross?: CrossSettings
  /** T, inner steps an outer iteration. */
  readonly innerSteps?: number
  /** B, samples an inner step. */
  readonly batchSize?: number
  readonly innerOptimizer?: OptimizerSettings
  /** Share of the inner steps, the last ones, whose θ is averaged for the hypergradient; 0 takes θ^T. */
  readonly averaging?: number
  /** Whether the Fisher works on a thread of its own; the results are the same. */
  readonly concurrent?: boolean
}

const defaults = {
  fisher: { form: 'kronecker', statistic: 'expected', damping: 1e-3, size: 8192, refreshEvery: 10 },
  refine: 6,
  refineSamples: 8192,
  refineDamping: 0,
  cross: 'all',
  innerSteps: 40,
  batchSize: 1024,
  innerOptimizer: { kind: 'momentum', rate: 0.1, momentum: 0.9 },
  averaging: 0,
  concurrent: true,
} as const satisfies NhgdOptions

/** The method as printed: smoothed rank-1 updates from raw mini-batch gradients, the start decaying, begun anew in each
 * outer iteration; cross derivative averaged over the trajectory (arXiv 2602.10905, Algorithm 1). */
export const paper = {
  fisher: { form: 'dense', rows: 'mean', smoothing: 0.9, damping: 1, start: 'decaying', reset: 'outer' },
  refine: 0,
  cross: 'trajectory',
  innerSteps: 10,
  innerOptimizer: { kind: 'sgd', rate: 0.3 },
} as const satisfies NhgdOptions

/**
 * Natural hypergradient descent (Kong, Chen, Zhang, Mou; arXiv 2602.10905): the inverse Hessian in the hypergradient is
 * an inverse Fisher A, built beside the inner loop from the samples that the loop looks at anyway.
 */
export function nhgd(options: NhgdOptions = {}): Method {
  const settings = { ...defaults, ...options } as Required<NhgdOptions>
  checkOptions(settings)
  return { name: 'nhgd', settings: { ...settings }, start: (context) => start(settings, context) }
}

function start(settings: Required<NhgdOptions>, { problem, point, seed, clock, frozen }: Context): MethodRun {
  const { backend, dtype, oracles } = problem
  const { inner, outer } = point
  const { innerSteps, batchSize, averaging, concurrent } = settings
  const { refreshEvery = 0, reset = 'never', ...form } = settings.fisher
  const fisher = new Fisher(backend, oracles, outer, { ...form, concurrent })
  const sampler = new backend.Sampler(seed, oracles.samples)
  const cross = new Cross(problem, settings.cross, sampler)
  const innerOptimizer = optimizer(backend, settings.innerOptimizer, frozen)
  const steps = Array.from({ length: innerSteps }, () => new backend.Step(inner.length, dtype))
  const sample = new backend.Step(inner.length, dtype)
  const [direct, target] = [problem.zeros(outer.length), problem.zeros(inner.length)]
  const [direction, average] = [problem.zeros(inner.length), problem.zeros(inner.length)]
  const averaged = Math.ceil(averaging * innerSteps)
  const breather = new Breather()
  const fallbacks: Record<string, number> = {}

  async function estimate(k: number): Promise<Estimate> {
    if (reset === 'outer') fisher.reset()
    if (refreshEvery > 0 && k % refreshEvery === 0) {
      clock.enter('fisher')
      oracles.observe(
        inner,
        outer,
        sampler.take(form.size ?? batchSize),
        sample,
        fisher.handle,
        sampler.seed(),
      )
      await fisher.refresh(sample) // its factors are computed while the inner loop runs
    }
    clock.enter('inner')
    average.fill(0)
    for (const [t, step] of steps.entries()) {
      const batch = sampler.take(batchSize)
      if (refreshEvery > 0) oracles.innerStep(inner, outer, batch, step)
      else {
        oracles.innerStepFor(inner, outer, batch, step, fisher.handle, sampler.seed())
        await fisher.observe(step) // waits for a place in the queue alone
      }
      cross.observe(step)
      innerOptimizer.step(inner, step.gradient)
      if (t >= innerSteps - averaged) average.axpy(1 / averaged, inner)
      await breather.due()
    }
    const theta = averaged > 0 ? average : inner
    clock.enter('outer')
    oracles.refresh(theta, outer)
    const outerLoss = oracles.outerGradient(theta, outer, direct, target) // ∇_v f, ∇_θ f
    clock.enter('fisher')
    const batch = sampler.take(settings.refineSamples)
    const system = { problem, inner: theta, outer, batch, target, damping: settings.refineDamping }
    let damping = 0
    const precondition = async (b: typeof target, x: typeof target) => {
      const report = await fisher.solve(b, x)
      damping = report.damping
      if (report.fallbacks > 0) fallbacks['damping raised'] = report.fallbacks
    }
    const refined = await refine(system, precondition, direction, settings.refine) // A ∇_θ f, then corrections
    if (refined.fallback) fallbacks[refined.fallback] = (fallbacks[refined.fallback] ?? 0) + 1
    clock.enter('cross')
    const hypergradient = cross.hypergradient(direct, direction, theta, outer) // ∇_v f − Lᵀ A ∇_θ f
    clock.enter('')
    const { residual } = refined
    return {
      outerLoss,
      hypergradient,
      inner: theta,
      residual,
      operator: oracles.curvature,
      damping,
      fallbacks,
    }
  }
  return { estimate }
}
