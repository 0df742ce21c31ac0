import { methods } from '../defaults.ts'
import { constantRates, settingsOf } from './check.ts'
import { type ImplicitOptions, implicit } from './implicit.ts'
import type { Method } from './method.ts'

export interface SamaOptions extends Omit<ImplicitOptions, 'innerOptimizer'> {
  /** Step size of the inner Adam. */
  readonly rate?: number
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
}

/**
 * SAMA (Choe et al. 2023, arXiv 2310.05674, section 3.2): C⁻¹ is the identity, adapted to the inner optimiser: u =
 * ∂step/∂∇_θg ⊙ ∇_θ f with the derivative of Adam's last step. Lᵀu is a product here, where the paper takes a
 * difference of gradients.
 */
export function sama(options: SamaOptions = {}): Method {
  const usual = settingsOf(methods.sama, options, constantRates)
  const { rate, beta1, beta2, epsilon } = usual
  const settings = { ...usual, innerOptimizer: { kind: 'adam', rate, beta1, beta2, epsilon } as const }
  return implicit('sama', settings, {
    solve({ target, state: { optimizer, scratch } }, u) {
      const last = scratch.steps[(settings.innerSteps - 1) % scratch.steps.length]
      if (last) optimizer.adaptation(last.gradient, target, u)
      else u.fill(0) // no step that v could act through
      return {}
    },
  })
}
