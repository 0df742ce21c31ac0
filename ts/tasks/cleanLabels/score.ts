import { margins, mostLikely, sigmoid } from '../metrics.ts'
import type { Theta, Trainer } from '../trainer.ts'
import type { CleanLabelsResult } from './options.ts'
import type { Prepared } from './prepare.ts'

/**
 * Judges each free row's label by the log-odds of its weight and those of the retrained model, in equal parts. No score
 * exceeds `most`.
 */
export function score(
  trainer: Trainer,
  { classes, labels, free, freeLabels }: Prepared,
  logits: Float64Array,
  model: Theta,
  most: number,
): Pick<CleanLabelsResult, 'scores' | 'ranking' | 'suggested'> {
  const p = trainer.probabilities(model, free)
  const trust = margins(p, classes, freeLabels)
  const scores = new Float64Array(labels.length)
  const suggested = Int32Array.from(labels)
  for (const [i, row] of free.entries()) {
    scores[row] = Math.min(most, sigmoid(-(logits[i] + trust[i]) / 2))
    if (most > 0.5) suggested[row] = mostLikely(p, classes, i)
  }
  return { scores, ranking: free.toSorted((a, b) => scores[b] - scores[a] || a - b), suggested }
}
