import { methods } from '../defaults.ts'
import { settingsOf } from './check.ts'
import { type ImplicitOptions, implicit } from './implicit.ts'
import type { Method } from './method.ts'

export type ExactOptions = ImplicitOptions

/**
 * Implicit differentiation without approximation: the dense Hessian over all samples and its Cholesky factor, the cross
 * derivative over all samples. The reference that other methods are held against.
 *
 * @throws NhgdError `ERR_RANGE` above 8192 parameters, `ERR_NUMERIC` where the Hessian is not positive definite.
 */
export function exact(options: ExactOptions = {}): Method {
  return implicit('exact', settingsOf(methods.exact, options), {
    solve({ problem: { oracles }, point, target }, u) {
      return { residual: oracles.exactDirection(point, target, u) } // u ← H⁻¹ ∇_θ f
    },
  })
}
