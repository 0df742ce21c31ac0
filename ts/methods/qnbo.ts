import type { Step, Vector } from '../backend/binding.ts'
import { methods } from '../defaults.ts'
import { settingsOf } from './check.ts'
import { type ImplicitOptions, implicit } from './implicit.ts'
import type { Method } from './method.ts'

export interface QnboOptions extends ImplicitOptions {
  /** Pairs that the inverse is made of. */
  readonly memory?: number
  /** Q, quasi-Newton steps on the linear system. */
  readonly steps?: number
  /** Samples that the linear system is taken from. */
  readonly curvatureSamples?: number
}

/**
 * qNBO with limited-memory BFGS (Fang et al. 2025, arXiv 2502.01076, Algorithms 1 to 4): H⁻¹ is made of the pairs (s,
 * y) of the inner steps, y the difference of the gradients on the step's batch; Q steps along ∇_θ f add pairs of that
 * direction. Here these take the step of least residual energy, and y = Hs by a product.
 */
export function qnbo(options: QnboOptions = {}): Method {
  const settings = settingsOf(methods.qnbo, options)
  return implicit('qnbo', settings, ({ problem, point }, sampler) => {
    const { oracles } = problem
    const zeros = () => problem.zeros(point.inner.length)
    const [gradient, residual, product] = [zeros(), zeros(), zeros()]
    const pairs: { s: Vector; y: Vector; sy: number }[] = []
    let previous: Step | undefined

    function keep(s: Vector, y: Vector) {
      const sy = s.dot(y)
      if (!(sy > 1e-12 * s.dot(s))) return // flat, negatively curved, or no step at all
      pairs.push({ s, y, sy })
      if (pairs.length > settings.memory) pairs.shift()
    }

    /** x ← H⁻¹ x by the two-loop recursion. */
    function precondition(x: Vector) {
      const alphas = pairs.map(() => 0)
      for (let i = pairs.length - 1; i >= 0; i--) {
        const { s, y, sy } = pairs[i]
        alphas[i] = s.dot(x) / sy
        x.axpy(-alphas[i], y)
      }
      const last = pairs.at(-1)
      if (last) x.scale(last.sy / last.y.dot(last.y))
      for (const [i, { s, y, sy }] of pairs.entries()) x.axpy(alphas[i] - y.dot(x) / sy, s)
    }

    return {
      observe(step, point) {
        if (previous && previous !== step) {
          const [s, y] = [zeros(), zeros()]
          s.copyFrom(step.inner)
          s.axpy(-1, previous.inner)
          oracles.innerGradient(point.at(step.inner), previous.batch, gradient)
          y.copyFrom(gradient)
          y.axpy(-1, previous.gradient)
          keep(s, y)
        }
        previous = step
      },
      solve({ point, target }, u) {
        previous = undefined
        const batch = sampler.take(settings.curvatureSamples)
        u.fill(0)
        residual.copyFrom(target)
        for (let q = 0; q < settings.steps; q++) {
          const [s, y] = [zeros(), zeros()]
          s.copyFrom(residual)
          precondition(s)
          oracles.curvatureProduct(point, batch, s, product)
          y.copyFrom(product)
          const size = s.dot(residual) / s.dot(y)
          if (!(size > 0 && Number.isFinite(size))) break // solved, or negative curvature
          u.axpy(size, s)
          residual.axpy(-size, y)
          keep(s, y)
        }
        return { residual: Math.sqrt(residual.dot(residual) / target.dot(target)) }
      },
    }
  })
}
