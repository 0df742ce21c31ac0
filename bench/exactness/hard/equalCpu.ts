/** An error at a CPU time. */
export interface Spot {
  readonly cpu: number
  readonly error: number
}

/**
 * The error that conjugate gradients reach in `cpu`: between two of the measured numbers of steps a power law joins them,
 * and beyond the last one it stays. A number of steps that a cheaper one beats counts as that one.
 */
export function errorAt(curve: readonly Spot[], cpu: number): number {
  const sorted = curve.toSorted((a, b) => a.cpu - b.cpu)
  let best = Number.POSITIVE_INFINITY
  const falling = sorted.filter(({ error }) => {
    const better = error < best
    best = Math.min(best, error)
    return better
  })
  const next = falling.findIndex((spot) => spot.cpu > cpu)
  if (next === 0) return falling[0].error
  if (next < 0) return best
  const [a, b] = [falling[next - 1], falling[next]]
  const share = Math.log(cpu / a.cpu) / Math.log(b.cpu / a.cpu)
  return a.error * (b.error / a.error) ** share
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, x) => sum + Math.log(Math.max(x, 1e-16)), 0) / values.length)
}
