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
 * direction. Here these steps minimise the energy of the residual, and y = Hs comes from a product.
 */
export function qnbo(options: QnboOptions = {}): Method {
  const settings = settingsOf(methods.qnbo, options)
  return implicit('qnbo', settings, {
    slots: 2,
    init(problem) {
      const zeros = () => problem.zeros(problem.oracles.innerLength)
      const pairs: Pair[] = Array.from({ length: settings.memory }, () => ({ s: zeros(), y: zeros(), sy: 0 }))
      const scratch = { gradient: zeros(), residual: zeros(), product: zeros(), s: zeros(), y: zeros() }
      return { pairs, count: 0, scratch: { ...scratch, previous: undefined as Step | undefined } }
    },
    async observe(step, point, { oracles }, own) {
      const { previous, gradient, s, y } = own.scratch
      own.scratch.previous = step
      if (!previous || previous === step) return
      s.copyFrom(step.inner)
      s.axpy(-1, previous.inner)
      await oracles.innerGradient(point, previous.batch, gradient)
      y.copyFrom(gradient)
      y.axpy(-1, previous.gradient)
      keep(own, s, y)
    },
    async solve({ problem: { oracles }, point, target, state: { sampler, own } }, u) {
      const { residual, product, s, y } = own.scratch
      own.scratch.previous = undefined
      const batch = sampler.take(settings.curvatureSamples)
      const length = target.norm()
      u.fill(0)
      if (length === 0) return { residual: 0 }
      residual.copyFrom(target)
      residual.scale(1 / length) // squares of small or large gradients would leave single precision
      for (let q = 0; q < settings.steps; q++) {
        s.copyFrom(residual)
        precondition(own, s)
        await oracles.curvatureProduct(point, batch, s, product)
        y.copyFrom(product)
        const size = s.dot(residual) / s.dot(y)
        if (!(size > 0 && Number.isFinite(size))) break // solved, or negative curvature
        u.axpy(size, s)
        residual.axpy(-size, y)
        keep(own, s, y)
      }
      u.scale(length)
      return { residual: residual.norm() }
    },
  })
}

interface Pair {
  readonly s: Vector
  readonly y: Vector
  sy: number
}

/** Pairs, the oldest first, of which the first `count` are in use. */
interface Pairs {
  readonly pairs: Pair[]
  count: number
}

function keep(own: Pairs, s: Vector, y: Vector): void {
  const { pairs } = own
  const sy = s.dot(y)
  if (!(sy > 1e-12 * s.dot(s))) return // flat, negatively curved, or no step at all
  if (own.count === pairs.length) pairs.push(pairs.shift() as Pair)
  else own.count++
  const pair = pairs[own.count - 1]
  pair.s.copyFrom(s)
  pair.y.copyFrom(y)
  pair.sy = sy
}

/** x ← H⁻¹ x by the two-loop recursion. */
function precondition({ pairs, count }: Pairs, x: Vector): void {
  const used = pairs.slice(0, count)
  const alphas = used.map(() => 0)
  for (let i = count - 1; i >= 0; i--) {
    const { s, y, sy } = used[i]
    alphas[i] = s.dot(x) / sy
    x.axpy(-alphas[i], y)
  }
  const last = used.at(-1)
  if (last) x.scale(last.sy / last.y.dot(last.y))
  for (const [i, { s, y, sy }] of used.entries()) x.axpy(alphas[i] - y.dot(x) / sy, s)
}
