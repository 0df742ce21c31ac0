import { methods } from '../defaults.ts'
import { settingsOf } from './check.ts'
import { type ImplicitOptions, implicit } from './implicit.ts'
import type { Method } from './method.ts'

export interface ExactOptions extends ImplicitOptions {
  /**
   * C: the true Hessian, or the Gauss–Newton matrix, which is never indefinite. They differ for networks, and where the
   * option is absent C is what the problem's other methods take: the Gauss–Newton matrix for networks.
   */
  readonly operator?: 'hessian' | 'gauss-newton'
}

/**
 * Implicit differentiation without approximation: the dense curvature over all samples and its factorisation, the cross
 * derivative over all samples. The reference that other methods are held against.
 *
 * A network's Hessian that is indefinite is solved by its eigenvalues: ∇Φ is that of the stationary point near θ then.
 *
 * @throws NhgdError `ERR_RANGE` above 8192 parameters, `ERR_NUMERIC` where C is not positive definite, or an indefinite
 * Hessian is singular.
 */
export function exact(options: ExactOptions = {}): Method {
  const settings = settingsOf(methods.exact, options)
  const { operator } = settings
  return implicit('exact', settings, {
    async solve({ problem: { oracles }, point, target }, u) {
      const hessian = operator === 'hessian'
      const residual = await oracles.exactDirection(point, target, u, hessian) // u ← C⁻¹ ∇_θ f
      return { residual, ...(hessian && { operator }) }
    },
  })
}
