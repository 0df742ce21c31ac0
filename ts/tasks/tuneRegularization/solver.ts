import type { PenaltyTerm } from './penaltyTerm.ts'

/** What a fold needs of its model: θ*(v), and products with the inverse Hessian there. */
export interface InnerSolver {
  /** θ ← argmin g(v, ·) from θ, or near to it where `rough` is enough; returns the number of steps. */
  minimize(theta: Float64Array, penalty: PenaltyTerm, rough?: boolean): Promise<number>
  /** u = H⁻¹ b with the true second derivatives of the penalty, or with those of its majorizer where H is indefinite. */
  direction(
    theta: Float64Array,
    penalty: PenaltyTerm,
    b: Float64Array,
  ): Promise<{ u: Float64Array; indefinite: boolean }>
}

/** A solver that is made when it is first asked. */
export function later(make: () => InnerSolver): InnerSolver {
  let solver: InnerSolver | undefined
  const made = () => {
    solver ??= make()
    return solver
  }
  return {
    minimize: (theta, penalty, rough) => made().minimize(theta, penalty, rough),
    direction: (theta, penalty, b) => made().direction(theta, penalty, b),
  }
}

export const dot = (x: Float64Array, y: Float64Array): number => {
  let sum = 0
  for (let j = 0; j < x.length; j++) sum += x[j] * y[j]
  return sum
}

/** x + t y. */
export const plus = (x: Float64Array, t: number, y: Float64Array): Float64Array => {
  const out = new Float64Array(x.length)
  for (let j = 0; j < x.length; j++) out[j] = x[j] + t * y[j]
  return out
}

/** The largest change of an entry, relative to the largest entry. */
export function largestChange(before: Float64Array, after: Float64Array): number {
  let [change, size] = [0, 1e-12]
  for (let j = 0; j < after.length; j++) {
    change = Math.max(change, Math.abs(after[j] - before[j]))
    size = Math.max(size, Math.abs(after[j]))
  }
  return change / size
}
