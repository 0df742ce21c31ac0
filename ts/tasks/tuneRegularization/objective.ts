import { read } from '../../backend/backend.ts'
import { exponent } from '../../problems/blocks.ts'
import type { Folds } from './folds.ts'
import type { Evaluation } from './lbfgs.ts'
import { PenaltyTerm } from './penaltyTerm.ts'

/** Which strength each parameter has, −1 where it is free, and q where it is not learned. */
export interface PenaltyShape {
  readonly groups: Int32Array
  readonly strengths: number
  readonly power: number | 'learned'
}

/** R at v: exp v_k are the strengths, and q = 0.2 + 1.8 σ(v_q) where it is learned. */
export function penaltyAt({ groups, strengths, power }: PenaltyShape, v: Float64Array): PenaltyTerm {
  const q = power === 'learned' ? exponent.of(v[strengths]) : power
  const own = v.subarray(0, strengths).map(Math.exp)
  const all = new Float64Array(groups.length)
  for (let j = 0; j < all.length; j++) all[j] = groups[j] < 0 ? 0 : own[groups[j]]
  return new PenaltyTerm(all, q)
}

/**
 * Whether ∇f is wanted, which f may decide; without it in any case, θ is found roughly. What decides is asked of f near θ*
 * first, less about its error, whether to go on to θ*.
 */
export type Differentiate = boolean | ((value: number, rough: boolean) => boolean)

/** The share of f that a rough θ may change. */
const roughly = 0.01

/** f at one v, with what it is made of. */
export interface Evaluated extends Evaluation {
  /** f of each fold. */
  readonly losses: readonly number[]
  /** θ*(v) of each fold. */
  readonly thetas: readonly Float64Array[]
  /** Whether a Hessian was not positive definite, so that a majorizer took its place. */
  readonly indefinite: boolean
}

/**
 * f(v) = the mean over folds of the loss at θ*_k(v), and ∇f by implicit differentiation: ∇_v f − Lᵀ H⁻¹ ∇_θ f over all
 * folds at once. The ranks share the folds out. θ_k starts from `starts`, or from what a call gives in their place.
 */
export function objective(folds: Folds, shape: PenaltyShape, starts: readonly Float64Array[]) {
  const { together } = folds
  const { oracles } = together
  const all = together.backend.Batch.all(oracles.samples)
  const [direct, target] = [together.zeros(oracles.outerLength), together.zeros(oracles.innerLength)]
  const product = together.zeros(oracles.outerLength)
  const evaluate = async (
    v: Float64Array,
    differentiate: Differentiate,
    from: readonly Float64Array[],
  ): Promise<Evaluated> => {
    const penalty = penaltyAt(shape, v)
    const thetas = from.map((start) => start.slice())
    const { pace } = folds
    const count = folds.folds.length
    /** f at θ*, or near to it. */
    const found = async (rough: boolean) => {
      const minima = await pace.ranks.sharedOut(count, async (k) => {
        await pace.pause()
        const { problem, solver } = folds.folds[k]
        await solver.minimize(thetas[k], penalty, rough)
        const point = problem.start(0, { inner: thetas[k], outer: v })
        return { theta: thetas[k], loss: problem.oracles.outerLoss(point) }
      })
      const losses = minima.map(({ theta, loss }, k) => {
        thetas[k] = theta
        return loss
      })
      const value = losses.reduce((sum, loss) => sum + loss, 0) / losses.length
      return { value, gradient: new Float64Array(v.length), losses, thetas, indefinite: false }
    }
    const decides = typeof differentiate === 'function'
    if (differentiate === false) return found(true)
    if (decides && folds.isConvex) {
      const near = await found(true)
      if (!differentiate((1 - roughly) * near.value, true)) return near
    }
    const exact = await found(false)
    if (decides && !differentiate(exact.value, false)) return exact
    const point = together.start(0, { inner: joined(thetas), outer: v })
    await oracles.outerGradient(point, direct, target)
    const b = Float64Array.from(read(target))
    const d = b.length / thetas.length
    const solved = await pace.ranks.sharedOut(count, async (k) => {
      await pace.pause()
      return folds.folds[k].solver.direction(thetas[k], penalty, b.slice(k * d, (k + 1) * d))
    })
    product.copyFrom(direct)
    const u = together.vector(joined(solved.map(({ u }) => u)))
    await oracles.crossProduct(point, all, u, -1, product)
    const gradient = Float64Array.from(read(product))
    return { ...exact, gradient, indefinite: solved.some(({ indefinite }) => indefinite) }
  }
  return (v: Float64Array, differentiate: Differentiate = true, from = starts) =>
    folds.pace.once(() => evaluate(v, differentiate, from))
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.length * parts[0].length)
  for (const [k, part] of parts.entries()) all.set(part, k * part.length)
  return all
}
