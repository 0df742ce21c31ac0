/** About how many labels are wrong, and how many of the doubted ones are. */
export interface Estimate {
  /** Wrong labels among the rows that nobody checked, with an interval of 95 %. */
  readonly wrong: { readonly count: number; readonly low: number; readonly high: number }
  /** Share of the doubted labels that are wrong, with an interval of 95 %; absent where no checked row was doubted. */
  readonly precision?: { readonly value: number; readonly low: number; readonly high: number }
}

const z = 1.96

/**
 * Counts wrong labels by the scores of the rows that nobody checked, and corrects the count by what the scores of the
 * checked rows missed (a difference estimator, Cassel et al. 1976). It takes the checked rows for a random sample.
 *
 * `scores` are of rows that nobody checked; `checked` of those that somebody did, from models that had not seen them, and
 * `wrong` says how these are.
 */
export function estimateWrong(
  scores: ArrayLike<number>,
  checked: ArrayLike<number>,
  wrong: readonly boolean[],
): Estimate {
  const [n, m] = [scores.length, checked.length]
  const sum = Array.from(scores).reduce((sum, score) => sum + score, 0)
  const missed = Array.from(checked, (score, i) => (wrong[i] ? 1 : 0) - score)
  const mean = missed.reduce((sum, x) => sum + x, 0) / m
  // One pseudo-row of either kind keeps the interval open where no score missed.
  const square = missed.reduce((sum, x) => sum + (x - mean) ** 2, 0.5) / m
  const half = (z * n * Math.sqrt(square)) / Math.sqrt(m)
  const inside = (count: number) => Math.min(n, Math.max(0, count))
  const count = inside(sum + n * mean)
  const doubted = wrong.filter((_, i) => checked[i] > 0.5)
  return {
    wrong: { count, low: inside(sum + n * mean - half), high: inside(sum + n * mean + half) },
    ...(doubted.length > 0 && { precision: wilson(doubted.filter(Boolean).length, doubted.length) }),
  }
}

/** A share with its interval by Wilson (1927). */
export function wilson(hits: number, of: number): { value: number; low: number; high: number } {
  const share = hits / of
  const middle = (share + z ** 2 / (2 * of)) / (1 + z ** 2 / of)
  const half = (z / (1 + z ** 2 / of)) * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2))
  return { value: share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) }
}
