import type { Backend } from '../backend/backend.ts'
import type { DType } from '../backend/binding.ts'
import { backendCheck, checkOptions, doubles, dtypeCheck, is, numbers } from '../backend/check.ts'
import { entriesCheck, type MatrixLike } from '../backend/matrixLike.ts'
import { customFisher } from '../defaults.ts'
import { Problem, type ProblemStart } from './problem.ts'

export interface QuadraticOptions {
  readonly backend: Backend
  /** d × d, row-major, symmetric positive definite. */
  readonly h: ArrayLike<number> | MatrixLike
  /** d × p, row-major. */
  readonly c: ArrayLike<number> | MatrixLike
  /** d. */
  readonly c0: ArrayLike<number>
  /** d × d, row-major, symmetric. */
  readonly q: ArrayLike<number> | MatrixLike
  /** d. */
  readonly t: ArrayLike<number>
  /** Weight of ½‖v‖². */
  readonly mu: number
  readonly dtype?: DType
}

const required = ['backend', 'h', 'c', 'c0', 'q', 't', 'mu'] as const
/** The engine refuses a μ that is not finite. */
const mu = is('a number', (value) => typeof value === 'number')
const arrays = { h: entriesCheck, c: entriesCheck, c0: numbers, q: entriesCheck, t: numbers }
const checks = { backend: backendCheck, ...arrays, mu, dtype: dtypeCheck }

/**
 * A problem whose answer is known: g = ½ θᵀHθ − θᵀ(Cv + c₀), f = ½ (θ − t)ᵀQ(θ − t) + ½ μ‖v‖², so that
 * θ*(v) = H⁻¹(Cv + c₀) and ∇Φ = μv + CᵀH⁻¹Q(θ* − t).
 *
 * @throws NhgdError `ERR_SHAPE`, `ERR_NOT_FINITE`, `ERR_RANGE` (H or Q not symmetric, H not positive definite) when it is
 * first used.
 */
export function quadratic(options: QuadraticOptions): Problem {
  const { backend, dtype = 'f64', mu, ...parts } = checkOptions(options, checks, required)
  const [h, c, c0, q, t] = (['h', 'c', 'c0', 'q', 't'] as const).map((name) =>
    doubles(name, parts[name] as ArrayLike<number>).slice(),
  )
  const bytes = 8 * (3 * h.length + c.length + c0.length + t.length)
  const build = () =>
    Object.assign(backend.Problem.quadratic(dtype, h, c, c0, q, t, mu), { usualFisher: customFisher })
  const start: ProblemStart = ({ innerLength, outerLength }) => ({
    inner: new Float64Array(innerLength),
    outer: new Float64Array(outerLength),
  })
  return new Problem(backend, dtype, bytes, build, start, {}, {}, () => [h, c, c0, q, t, [mu]])
}
