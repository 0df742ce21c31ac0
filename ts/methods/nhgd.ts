import { Fisher } from '../backend/fisher.ts'
import { Breather } from '../hypergradient/clock.ts'
import { Cross } from '../hypergradient/cross.ts'
import { optimizer, rateAt } from '../hypergradient/optimizer.ts'
import { refine } from '../hypergradient/refine.ts'
import type { Context, Estimate, Method, MethodRun } from './method.ts'
import { type NhgdOptions, withDefaults } from './nhgdOptions.ts'

/**
 * Natural hypergradient descent (Kong, Chen, Zhang, Mou; arXiv 2602.10905): the inverse Hessian in the hypergradient is
 * an inverse Fisher A, built beside the inner loop from the samples that the loop looks at anyway.
 */
export function nhgd(options: NhgdOptions = {}): Method {
  const settings = withDefaults(options)
  return { name: 'nhgd', settings: { ...settings }, start: (context) => start(settings, context) }
}

function start(settings: Required<NhgdOptions>, { problem, point, seed, clock, frozen }: Context): MethodRun {
  const { backend, dtype, oracles } = problem
  const { inner, outer } = point
  const { innerSteps, batchSize, averaging, concurrent } = settings
  const { refreshEvery = 0, reset = 'never', ...form } = settings.fisher
  const fisher = new Fisher(backend, oracles, point, { ...form, concurrent })
  const sampler = new backend.Sampler(seed, oracles.samples)
  const cross = new Cross(problem, settings.cross, sampler)
  const innerOptimizer = optimizer(backend, settings.innerOptimizer, frozen)
  const steps = Array.from({ length: innerSteps }, () => new backend.Step(inner.length, dtype))
  const sample = new backend.Step(inner.length, dtype)
  const [direct, target] = [problem.zeros(outer.length), problem.zeros(inner.length)]
  const [direction, average] = [problem.zeros(inner.length), problem.zeros(inner.length)]
  const averaged = Math.ceil(averaging * innerSteps)
  const theta = averaged > 0 ? average : inner
  const end = point.at(theta)
  const breather = new Breather()
  const fallbacks: Record<string, number> = {}

  async function estimate(k: number): Promise<Estimate> {
    if (reset === 'outer') fisher.reset()
    if (refreshEvery > 0 && k % refreshEvery === 0) {
      clock.enter('fisher')
      const fresh = sampler.take(form.size ?? batchSize)
      oracles.observe(point, fresh, sample, fisher.handle, sampler.seed())
      await fisher.refresh(sample) // its factors are computed while the inner loop runs
    }
    clock.enter('inner')
    average.fill(0)
    for (const [t, step] of steps.entries()) {
      const batch = sampler.take(batchSize)
      if (refreshEvery > 0) oracles.innerStep(point, batch, step)
      else {
        oracles.innerStepFor(point, batch, step, fisher.handle, sampler.seed())
        await fisher.observe(step) // waits for a place in the queue alone
      }
      cross.observe(step)
      innerOptimizer.step(inner, step.gradient)
      if (t >= innerSteps - averaged) average.axpy(1 / averaged, inner)
      await breather.due()
    }
    clock.enter('outer')
    oracles.refresh(end)
    const outerLoss = oracles.outerGradient(end, direct, target) // ∇_v f, ∇_θ f
    clock.enter('fisher')
    const batch = sampler.take(settings.refineSamples)
    const system = { problem, point: end, batch, target, damping: rateAt(settings.refineDamping, k) }
    let damping = 0
    const precondition = async (b: typeof target, x: typeof target) => {
      const report = await fisher.solve(b, x)
      damping = report.damping
      if (report.fallbacks > 0) fallbacks['damping raised'] = report.fallbacks
    }
    const refined = await refine(system, precondition, direction, settings.refine) // A ∇_θ f, then corrections
    if (refined.fallback) fallbacks[refined.fallback] = (fallbacks[refined.fallback] ?? 0) + 1
    clock.enter('cross')
    const hypergradient = cross.hypergradient(direct, direction, end) // ∇_v f − Lᵀ A ∇_θ f
    clock.enter('')
    const { residual } = refined
    const operator = oracles.curvature
    return { outerLoss, hypergradient, inner: theta, residual, operator, damping, fallbacks }
  }
  return { estimate }
}
