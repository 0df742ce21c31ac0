import * as defaults from '../../defaults.ts'
import type { Issue } from './options.ts'

const { most, least, f1: enough } = defaults.cleanLabels.threshold

/**
 * The score above which labels are doubted: where the F1 that the scores expect is largest, which is about half this F1
 * (Lipton et al. 2014). It stays between `least` and `most`, so that a set without wrong labels has few doubted ones,
 * and is `most` where this F1 is low, as of features that say nothing.
 */
export function thresholdOf(scores: ArrayLike<number>): number {
  const ranked = Float64Array.from(scores).sort().reverse()
  const all = ranked.reduce((sum, score) => sum + score, 0)
  let best = { f1: 0, next: most as number }
  let hits = 0
  for (const [i, score] of ranked.entries()) {
    hits += score
    const f1 = (2 * hits) / (i + 1 + all)
    if (f1 > best.f1) best = { f1, next: ranked[i + 1] ?? 0 }
  }
  return best.f1 < enough ? most : Math.min(most, Math.max(least, best.next))
}

/** The doubted labels among ranked rows. */
export function issuesOf(
  ranking: Uint32Array,
  given: ArrayLike<number>,
  suggested: ArrayLike<number>,
  scores: ArrayLike<number>,
  threshold: number = most,
): Issue[] {
  return Array.from(
    ranking.filter((row) => scores[row] > threshold),
    (row) => ({
      row,
      given: given[row],
      suggested: suggested[row],
      score: scores[row],
    }),
  )
}
