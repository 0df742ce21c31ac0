import { margins, mostLikely, sigmoid } from '../metrics.ts'
import type { Theta, Trainer } from '../trainer.ts'
import type { CleanLabelsResult } from './options.ts'
import type { Prepared } from './prepare.ts'

/**
 * Judges each free row's label by the log-odds of its weight and those of the retrained model, in equal parts. What is a
 * guess is not doubted: its score is at most ½.
 */
export function score(
  trainer: Trainer,
  { classes, labels, free, freeLabels }: Prepared,
  logits: Float64Array,
  model: Theta,
  isGuess: (label: number) => boolean,
): Pick<CleanLabelsResult, 'scores' | 'ranking' | 'suggested'> {
  const p = trainer.probabilities(model, free)
  const trust = margins(p, classes, freeLabels)
  const scores = new Float64Array(labels.length)
  const suggested = Int32Array.from(labels)
  for (const [i, row] of free.entries()) {
    const score = sigmoid(-(logits[i] + trust[i]) / 2)
    const guess = isGuess(labels[row])
    scores[row] = guess ? Math.min(0.5, score) : score
    if (!guess) suggested[row] = mostLikely(p, classes, i)
  }
  return { scores, ranking: free.toSorted((a, b) => scores[b] - scores[a] || a - b), suggested }
}
