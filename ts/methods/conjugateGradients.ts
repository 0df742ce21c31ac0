import type { Vector } from '../backend/binding.ts'
import { methods } from '../defaults.ts'
import { conjugateGradients as solve } from '../hypergradient/conjugateGradients.ts'
import { rateAt } from '../hypergradient/optimizer.ts'
import { settingsOf } from './check.ts'
import { type ImplicitOptions, implicit } from './implicit.ts'
import type { Method } from './method.ts'

export interface ConjugateGradientsOptions extends ImplicitOptions {
  /** Steps per outer iteration at the most. */
  readonly steps?: number
  /** Relative residual ε_k at which outer iteration k stops. */
  readonly tolerance?: number | ((k: number) => number)
  /** Samples that Hessian products are taken from. */
  readonly curvatureSamples?: number
}

/**
 * Hyperparameter optimisation with approximate gradient (Pedregosa 2016, arXiv 1602.02355, Algorithm 1): C u = ∇_θ f
 * by conjugate gradients from last iteration's u, to a tolerance ε_k that tightens as the outer iterations go on. The
 * inner problem gets a fixed number of steps from where it stood.
 */
export function conjugateGradients(options: ConjugateGradientsOptions = {}): Method {
  const settings = settingsOf(methods.conjugateGradients, options)
  const { steps, curvatureSamples, tolerance } = settings
  const identity = async (b: Vector, x: Vector) => x.copyFrom(b)
  return implicit('conjugateGradients', settings, {
    solve({ state, ...system }, u) {
      const batch = state.sampler.take(curvatureSamples)
      const enough = rateAt(tolerance, state.outerStep)
      return solve({ ...system, batch, damping: 0, tolerance: enough }, identity, u, steps)
    },
  })
}
