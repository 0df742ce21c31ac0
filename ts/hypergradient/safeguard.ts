import type { Vector } from '../backend/binding.ts'

/**
 * Scales a hypergradient down to at most `factor` times the median norm of the last 21 hypergradients, this one
 * included. `norms` keeps their norms. Returns the norm before scaling.
 */
export function capJump(norms: number[], factor: number, hypergradient: Vector): number {
  const norm = hypergradient.norm()
  norms.push(norm)
  if (norms.length > 21) norms.shift()
  const median = norms.toSorted((a, b) => a - b)[norms.length >> 1]
  if (norm > factor * median) hypergradient.scale((factor * median) / norm)
  return norm
}

/** Backtracking on the outer loss: where the loss rose by more than the slack, v goes back half of its last step. */
export class Backtracking {
  /** The loss of the last accepted v; a step may exceed it by the slack. */
  least = Number.POSITIVE_INFINITY
  /** Share of a step that is taken. */
  share = 1
  /** v before the last step. */
  readonly before: Vector
  readonly #move: Vector

  /** `before` and `move` are room for two vectors like v. */
  constructor(before: Vector, move: Vector) {
    this.before = before
    this.#move = move
  }

  /** Judges v by its loss; `slack` is relative. Returns true where v went back, and the estimate must not be used. */
  wentBack(outer: Vector, loss: number, slack: number): boolean {
    // Before the first loss the bound is infinite, or not a number where the slack is 0: nothing exceeds it.
    if (!(loss > this.least + slack * Math.abs(this.least)) || this.share < 1e-3) {
      this.least = loss
      this.share = Math.min(1, 2 * this.share)
      return false
    }
    this.share /= 2
    outer.axpy(1, this.before)
    outer.scale(0.5)
    return true
  }

  /** Takes `step` from v, shortened to the current share. */
  take(outer: Vector, step: () => void): void {
    this.before.copyFrom(outer)
    step()
    this.#move.copyFrom(outer)
    this.#move.axpy(-1, this.before)
    outer.copyFrom(this.before)
    outer.axpy(this.share, this.#move)
  }
}

/** The nearest point with entries ≥ 0 that sum to `sum` (Duchi et al. 2008, Figure 1), in place. */
export function projectOnSimplex(v: Vector, sum: number): void {
  const entries = v.readF64()
  let total = 0
  let shift = 0
  for (const [i, x] of entries.toSorted((a, b) => b - a).entries()) {
    total += x
    if (x > (total - sum) / (i + 1)) shift = (total - sum) / (i + 1)
  }
  v.writeF64(entries.map((x) => Math.max(0, x - shift)))
}
