import { methods } from '../defaults.ts'
import { settingsOf } from './check.ts'
import { type ImplicitOptions, implicit } from './implicit.ts'
import type { Method } from './method.ts'

export interface OneStepOptions extends ImplicitOptions {
  /** η in place of C⁻¹: the inner step that v is thought to act through. */
  readonly scale?: number
}

/**
 * One-step differentiation (T1–T2, Luketina et al. 2016, arXiv 1511.06727, section 3): v acts on f through the last
 * inner step alone, so that ∇_v f − η Lᵀ∇_θ f with L from that step's batch. There is one inner step per outer iteration.
 */
export function oneStep(options: OneStepOptions = {}): Method {
  const settings = settingsOf(methods.oneStep, options)
  return implicit('oneStep', settings, {
    solve({ target }, u) {
      u.copyFrom(target)
      u.scale(settings.scale)
      return {}
    },
  })
}
