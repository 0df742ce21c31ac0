import type { Vector } from '../../../ts/backend/binding.ts'
import { leastSquares } from '../../../ts/defaults.ts'
import { implicit } from '../../../ts/methods/implicit.ts'
import type { Method } from '../../../ts/methods/method.ts'

/**
 * Broyden's hypergradient (Hao et al., ICLR 2023, section 3.2): C u = ∇_θ f by Broyden's method with an inverse of the
 * form sI + Σ a bᵀ of at most `rank` terms, which starts anew in each outer iteration. s makes the first residual least.
 * The u of the least residual is kept.
 */
export function broyden({ rank }: { rank: number }): Method {
  const settings = { ...leastSquares, outerBatchSize: undefined, rank }
  return implicit('broyden', settings, {
    async solve({ problem, point, target, state }, u) {
      const { oracles } = problem
      const copy = (x: Vector) => {
        const y = problem.zeros(x.length)
        y.copyFrom(x)
        return y
      }
      const batch = state.sampler.take(settings.batchSize)
      const [next, r, y, x] = Array.from({ length: 4 }, () => problem.zeros(u.length))
      const left: Vector[] = []
      const right: Vector[] = []
      let scale = 1
      /** out ← H x, or Hᵀ x with the terms swapped. */
      const apply = (out: Vector, x: Vector, a = left, b = right) => {
        out.copyFrom(x)
        out.scale(scale)
        for (const [i, term] of a.entries()) out.axpy(b[i].dot(x), term)
      }
      const size = target.norm()
      if (size === 0) {
        u.fill(0)
        return { residual: 0 }
      }
      r.copyFrom(target)
      r.scale(-1)
      await oracles.curvatureProduct(point, batch, target, y)
      scale = target.dot(y) / y.dot(y)
      x.fill(0)
      u.fill(0)
      let least = 1
      for (let step = 0; step < rank; step++) {
        const s = problem.zeros(u.length)
        apply(s, r)
        s.scale(-1)
        x.axpy(1, s)
        await oracles.curvatureProduct(point, batch, s, y)
        r.axpy(1, y)
        const residual = r.norm() / size
        if (!Number.isFinite(residual)) break
        if (residual < least) {
          least = residual
          u.copyFrom(x)
        }
        apply(next, y)
        const by = s.dot(next)
        if (by === 0) break
        const a = copy(s)
        a.axpy(-1, next)
        a.scale(1 / by)
        const b = problem.zeros(u.length)
        apply(b, s, right, left)
        left.push(a)
        right.push(b)
        s.dispose()
      }
      for (const vector of [next, r, y, x, ...left, ...right]) vector.dispose()
      return { residual: least }
    },
  })
}
