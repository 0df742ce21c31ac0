import { methods } from '../defaults.ts'
import { constantRates, settingsOf } from './check.ts'
import { type ImplicitOptions, implicit } from './implicit.ts'
import type { Method } from './method.ts'

export interface AmigoOptions extends ImplicitOptions {
  /** N, SGD steps on the linear system per outer iteration. */
  readonly steps?: number
  /** β_k, their size. */
  readonly rate?: number
}

/**
 * AmIGO (Arbel & Mairal 2022, arXiv 2111.14580, Algorithms 1 to 3): SGD on ½ uᵀHu − uᵀ∇_θ f, from last iteration's u.
 * The residual is that on the last batch, before the step it led to.
 */
export function amigo(options: AmigoOptions = {}): Method {
  const settings = settingsOf(methods.amigo, options, constantRates)
  const { steps, rate, batchSize } = settings
  return implicit('amigo', settings, {
    init: (problem) => ({ scratch: { gradient: problem.zeros(problem.oracles.innerLength) } }),
    async solve({ problem: { oracles }, point, target, state: { sampler, own } }, u) {
      const { gradient } = own.scratch
      for (let n = 0; n < steps; n++) {
        await oracles.curvatureProduct(point, sampler.take(batchSize), u, gradient)
        gradient.axpy(-1, target) // Hu − ∇_θ f
        u.axpy(-rate, gradient)
      }
      return { residual: gradient.norm() / target.norm() }
    },
  })
}
