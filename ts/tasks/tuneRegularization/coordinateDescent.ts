import type { PenaltyTerm } from './penaltyTerm.ts'

const sweeps = 50

/**
 * Minimises slopeᵀΔ + ½ ΔᵀHΔ + R(θ + Δ) by coordinate descent with a majorizer of R, until no coefficient changes by more
 * than the share `settled` of the largest. θ ← θ + Δ; H is k × k.
 */
export function descend(
  h: Float64Array,
  slope: Float64Array,
  theta: Float64Array,
  penalty: PenaltyTerm,
  settled: number,
): void {
  const k = theta.length
  const left = slope.slice()
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let [largest, size] = [0, 1e-12]
    for (let j = 0; j < k; j++) {
      const own = h[j * k + j]
      const before = theta[j]
      const x = penalty.minimum(j, before, own, own * before - left[j])
      const change = x - before
      if (change !== 0) for (let i = 0; i < k; i++) left[i] += change * h[j * k + i]
      theta[j] = x
      largest = Math.max(largest, Math.abs(change))
      size = Math.max(size, Math.abs(x))
    }
    if (largest < settled * size) return
  }
}
