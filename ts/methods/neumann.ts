import { methods } from '../defaults.ts'
import { constantRates, settingsOf } from './check.ts'
import { type ImplicitOptions, implicit } from './implicit.ts'
import type { Method } from './method.ts'

export interface NeumannOptions extends ImplicitOptions {
  /** Q, terms of the series. */
  readonly terms?: number
  /** η < 1 / ‖H‖. */
  readonly rate?: number
}

/**
 * stocBiO (Ji, Yang & Liang 2021, arXiv 2010.07962, Algorithms 1 and 2): the Neumann series u = η Σ_{q<Q} Π_{j≤q} (I
 * − ηH_j) ∇_θ f, each factor from a batch of its own. The residual ‖Π (I − ηH_j) ∇_θ f‖ / ‖∇_θ f‖ is that of the series
 * on those batches.
 */
export function neumann(options: NeumannOptions = {}): Method {
  const settings = settingsOf(methods.neumann, options, constantRates)
  const { terms, rate, batchSize } = settings
  return implicit('neumann', settings, {
    init(problem) {
      const zeros = () => problem.zeros(problem.oracles.innerLength)
      return { scratch: { power: zeros(), product: zeros() } }
    },
    async solve({ problem: { oracles }, point, target, state: { sampler, own } }, u) {
      const { power, product } = own.scratch
      u.fill(0)
      power.copyFrom(target)
      for (let q = 0; q < terms; q++) {
        u.axpy(rate, power)
        await oracles.curvatureProduct(point, sampler.take(batchSize), power, product)
        power.axpy(-rate, product) // (I − ηH) of it
      }
      return { residual: power.norm() / target.norm() }
    },
  })
}
