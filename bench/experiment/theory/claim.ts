import type { Interval } from './slope.ts'

export type Verdict = 'confirmed' | 'refuted' | 'undecided'

/** A claim with what was measured. */
export interface Claim {
  readonly claim: string
  readonly expected: string
  readonly measured: Interval
  readonly verdict: Verdict
}

/** A curve on doubly logarithmic axes. */
export interface Curve {
  readonly name: string
  readonly x: readonly number[]
  readonly y: readonly number[]
}

export interface Chart {
  readonly title: string
  readonly x: string
  readonly curves: readonly Curve[]
}

/** One question with its answers. */
export interface Part {
  readonly name: string
  readonly title: string
  /** What was measured, and how. */
  readonly setting: string
  readonly claims: readonly Claim[]
  readonly charts: readonly Chart[]
}

/** How far a slope may be from the theory's, since finite sizes bend a line. */
export const tolerance = 0.1

/** A rate is an upper bound: a slope that is steeper confirms it. */
export function atMost(claim: string, bound: number, measured: Interval, slack = tolerance): Claim {
  const limit = bound + slack
  const verdict = measured.high <= limit ? 'confirmed' : measured.low > limit ? 'refuted' : 'undecided'
  return { claim, expected: `≤ ${bound}`, measured, verdict }
}

/** A value that the theory names. */
export function equals(claim: string, wanted: number, measured: Interval, slack = tolerance): Claim {
  const [low, high] = [wanted - slack, wanted + slack]
  const inside = measured.low >= low && measured.high <= high
  const outside = measured.low > high || measured.high < low
  const verdict = inside ? 'confirmed' : outside ? 'refuted' : 'undecided'
  return { claim, expected: `${wanted}`, measured, verdict }
}
