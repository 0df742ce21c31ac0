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
  return implicit('sama', settings, ({ point: { inner } }) => {
    const [first, second] = [new Float64Array(inner.length), new Float64Array(inner.length)]
    let gradient: Float64Array = first
    let t = 0
    return {
      /** Adam's moments once more, since an optimiser keeps its own to itself. */
      observe(step) {
        t++
        gradient = step.gradient.readF64()
        for (const [i, g] of gradient.entries()) {
          first[i] = beta1 * first[i] + (1 - beta1) * g
          second[i] = beta2 * second[i] + (1 - beta2) * g * g
        }
      },
      solve({ target }, u) {
        const [c1, c2] = [1 - beta1 ** t, 1 - beta2 ** t]
        const adapted = target.readF64().map((b, i) => {
          const root = Math.sqrt(second[i] / c2)
          // ∂/∂g of rate · m̂ / (√ŝ + ε); a parameter that never had a gradient has not moved.
          if (root === 0) return 0
          const through = (1 - beta1) / c1 / (root + epsilon)
          const scaled = ((first[i] / c1) * (1 - beta2) * gradient[i]) / c2 / root / (root + epsilon) ** 2
          return rate * (through - scaled) * b
        })
        u.writeF64(adapted)
        return { residual: Number.NaN }
      },
    }
  })
}
