/** About how many labels are wrong, and how many of the doubted ones are. */
export interface Estimate {
  /** Wrong labels among the rows that nobody checked, with an interval of 95 %. */
  readonly wrong: { readonly count: number; readonly low: number; readonly high: number }
  /** Share of the doubted labels that are wrong, with an interval of 95 %; absent where no row of the sample was doubted. */
  readonly precision?: { readonly value: number; readonly low: number; readonly high: number }
  /** What this rests on: the number of rows, and whether they are known to be drawn at random. */
  readonly sample: { readonly rows: number; readonly random: boolean }
}

/** Rows that somebody checked. */
export interface CheckedScores {
  /** How likely each label is wrong, by models that had not seen the row. */
  readonly scores: ArrayLike<number>
  readonly wrong: readonly boolean[]
  /** Whether each was drawn at random; all of them are taken for a random sample where absent. */
  readonly random?: readonly boolean[]
}

const z = 1.96

/**
 * Counts wrong labels by the scores of the rows that nobody checked, and corrects the count by what the scores of a random
 * sample of all rows missed (a difference estimator, Cassel et al. 1976). What the scores missed of checked rows is known.
 *
 * `scores` are those of the rows that nobody checked, and labels are doubted above the `threshold`. Nothing comes back
 * where no checked row was drawn at random.
 */
export function estimateWrong(
  scores: ArrayLike<number>,
  checked: CheckedScores,
  threshold = 0.5,
): Estimate | undefined {
  const { wrong, random } = checked
  const missed = wrong.map((wrong, i) => (wrong ? 1 : 0) - checked.scores[i])
  const sample = [...missed.keys()].filter((i) => random?.[i] ?? true)
  if (sample.length === 0) return undefined
  const [free, m] = [scores.length, sample.length]
  const all = free + missed.length
  const sum = Array.from(scores).reduce((sum, score) => sum + score, 0)
  const mean = sample.reduce((sum, i) => sum + missed[i], 0) / m
  const middle = sum + all * mean - missed.reduce((sum, x) => sum + x, 0)
  // One pseudo-row of either kind keeps the interval open where no score missed.
  const square = sample.reduce((sum, i) => sum + (missed[i] - mean) ** 2, 0.5) / m
  const half = z * Math.sqrt((all * (all - m) * square) / m)
  const inside = (count: number) => Math.min(free, Math.max(0, count))
  const doubted = sample.filter((i) => checked.scores[i] > threshold)
  const hits = doubted.filter((i) => wrong[i]).length
  return {
    wrong: { count: inside(middle), low: inside(middle - half), high: inside(middle + half) },
    ...(doubted.length > 0 && { precision: wilson(hits, doubted.length) }),
    sample: { rows: m, random: random !== undefined },
  }
}

/** A share with its interval by Wilson (1927). */
export function wilson(hits: number, of: number): { value: number; low: number; high: number } {
  const share = hits / of
  const middle = (share + z ** 2 / (2 * of)) / (1 + z ** 2 / of)
  const half = (z / (1 + z ** 2 / of)) * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2))
  return { value: share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) }
}
