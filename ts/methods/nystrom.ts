import { methods } from '../defaults.ts'
import { solveSymmetric } from '../hypergradient/small.ts'
import { settingsOf } from './check.ts'
import { type ImplicitOptions, implicit } from './implicit.ts'
import type { Method } from './method.ts'

export interface NystromOptions extends ImplicitOptions {
  /** Columns of the Hessian. */
  readonly rank?: number
  /** ρ, added to the approximation. */
  readonly damping?: number
  /** Samples that Hessian products are taken from. */
  readonly curvatureSamples?: number
}

/**
 * Nyström (Hataya & Yamada 2023, arXiv 2302.09726, section 2.2): H ≈ H_K H_KK⁻¹ H_Kᵀ from columns K drawn anew each
 * outer iteration, and by Woodbury u = ∇_θ f/ρ − H_K (H_KK + H_KᵀH_K/ρ)⁻¹ H_Kᵀ∇_θ f/ρ². One more product gives the
 * residual.
 */
export function nystrom(options: NystromOptions = {}): Method {
  const settings = settingsOf(methods.nystrom, options)
  const { damping } = settings
  return implicit('nystrom', settings, {
    init(problem) {
      const zeros = () => problem.zeros(problem.oracles.innerLength)
      const rank = Math.min(settings.rank, problem.oracles.innerLength)
      return { scratch: { columns: Array.from({ length: rank }, zeros), product: zeros() } }
    },
    async solve({ problem: { backend, oracles }, point, target, state: { sampler, own } }, u) {
      const { columns, product } = own.scratch
      const d = u.length
      const chosen = Array.from(new backend.Sampler(sampler.seed(), d).take(columns.length).positions)
      const batch = sampler.take(settings.curvatureSamples)
      const entries: number[][] = []
      for (const [j, column] of columns.entries()) {
        const unit = new Float64Array(d)
        unit[chosen[j]] = 1
        u.writeF64(unit)
        await oracles.curvatureProduct(point, batch, u, column)
        const all = column.readF64()
        entries.push(chosen.map((i) => all[i]))
      }
      const system = columns.map((a, i) => columns.map((b, j) => entries[i][j] + a.dot(b) / damping))
      const coefficients = solveSymmetric(
        system,
        columns.map((column) => column.dot(target)),
      )
      u.copyFrom(target)
      u.scale(1 / damping)
      columns.forEach((column, j) => {
        u.axpy(-coefficients[j] / damping ** 2, column)
      })
      await oracles.curvatureProduct(point, batch, u, product)
      product.axpy(-1, target)
      return { residual: product.norm() / target.norm(), damping }
    },
  })
}
