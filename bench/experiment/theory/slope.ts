/** An estimate with the ends of its 95 % interval. */
export interface Interval {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** Quantiles 0.975 of Student's t distribution for 1, 2, … degrees of freedom. */
const quantiles = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
]

/** The mean of independent values, with Student's interval. */
export function meanInterval(values: readonly number[]): Interval {
  const n = values.length
  const value = values.reduce((sum, x) => sum + x, 0) / n
  const square = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (n - 1)
  const half = (quantiles[n - 2] ?? 1.96 + 2.5 / (n - 1)) * Math.sqrt(square / n)
  return { value, low: value - half, high: value + half }
}

/** The slope of the least-squares line through (log x, log y). */
export function logSlope(x: readonly number[], y: readonly number[]): number {
  const [a, b] = [x, y].map((values) => values.map(Math.log))
  const [meanA, meanB] = [a, b].map((values) => values.reduce((sum, v) => sum + v, 0) / values.length)
  const [cross, square] = [
    a.reduce((sum, v, i) => sum + (v - meanA) * (b[i] - meanB), 0),
    a.reduce((sum, v) => sum + (v - meanA) ** 2, 0),
  ]
  return cross / square
}

/** The slope of log y against log x: one line per independent run, and the interval of their mean. */
export function fittedSlope(x: readonly number[], runs: readonly (readonly number[])[]): Interval {
  return meanInterval(runs.map((y) => logSlope(x, y)))
}

/** Entry by entry. */
export function meanOf(runs: readonly (readonly number[])[]): number[] {
  return runs[0].map((_, i) => runs.reduce((sum, run) => sum + run[i], 0) / runs.length)
}

/** The median, with the interval of the sign test, which outliers do not move. */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = values.toSorted((a, b) => a - b)
  const n = sorted.length
  const below = Math.max(0, Math.floor((n - 1.96 * Math.sqrt(n)) / 2))
  const value = (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2
  return { value, low: sorted[below], high: sorted[n - 1 - below] }
}
