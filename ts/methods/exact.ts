import { checkWhole } from '../backend/check.ts'
import { Cross } from '../hypergradient/cross.ts'
import { type OptimizerSettings, optimizer } from '../hypergradient/optimizer.ts'
import type { Context, Estimate, Method, MethodRun } from './method.ts'

export interface ExactOptions {
  readonly innerSteps?: number
  readonly batchSize?: number
  readonly innerOptimizer?: OptimizerSettings
}

/**
 * Implicit differentiation without approximation: the dense Hessian over all samples and its Cholesky factor, the cross
 * derivative over all samples. The reference that other methods are held against.
 *
 * @throws NhgdError `ERR_RANGE` above 8192 parameters, `ERR_NUMERIC` where the Hessian is not positive definite.
 */
export function exact(options: ExactOptions = {}): Method {
  const settings = {
    innerSteps: 40,
    batchSize: 1024,
    innerOptimizer: { kind: 'momentum', rate: 0.1 } as const,
    ...options,
  }
  checkWhole('innerSteps', settings.innerSteps, 0)
  checkWhole('batchSize', settings.batchSize, 1)
  return { name: 'exact', settings, start: (context) => start(settings, context) }
}

function start(
  settings: Required<ExactOptions>,
  { problem, point, seed, clock, frozen }: Context,
): MethodRun {
  const { backend, dtype, oracles } = problem
  const { inner, outer } = point
  const sampler = new backend.Sampler(seed, oracles.samples)
  const innerOptimizer = optimizer(backend, settings.innerOptimizer, frozen)
  const step = new backend.Step(inner.length, dtype)
  const cross = new Cross(problem, 'all', sampler)
  const [direct, target] = [problem.zeros(outer.length), problem.zeros(inner.length)]
  const direction = problem.zeros(inner.length)

  async function estimate(): Promise<Estimate> {
    clock.enter('inner')
    for (let t = 0; t < settings.innerSteps; t++) {
      oracles.innerStep(inner, outer, sampler.take(settings.batchSize), step)
      innerOptimizer.step(inner, step.gradient)
    }
    clock.enter('outer')
    oracles.refresh(inner, outer)
    const outerLoss = oracles.outerGradient(inner, outer, direct, target) // ∇_v f, ∇_θ f
    clock.enter('hessian')
    oracles.exactDirection(inner, outer, target, direction) // H⁻¹ ∇_θ f
    clock.enter('cross')
    const hypergradient = cross.hypergradient(direct, direction, inner, outer) // ∇_v f − Lᵀ H⁻¹ ∇_θ f
    clock.enter('')
    return {
      outerLoss,
      hypergradient,
      inner,
      residual: 0,
      operator: oracles.curvature,
      damping: 0,
      fallbacks: {},
    }
  }
  return { estimate }
}
