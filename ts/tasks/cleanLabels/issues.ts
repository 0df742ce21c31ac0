import type { Issue } from './options.ts'

/** The doubted labels among ranked rows. */
export function issuesOf(
  ranking: Uint32Array,
  given: ArrayLike<number>,
  suggested: ArrayLike<number>,
  scores: ArrayLike<number>,
): Issue[] {
  return Array.from(
    ranking.filter((row) => scores[row] > 0.5),
    (row) => ({
      row,
      given: given[row],
      suggested: suggested[row],
      score: scores[row],
    }),
  )
}
