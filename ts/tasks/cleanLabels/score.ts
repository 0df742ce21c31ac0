import { margins, mostLikely, sigmoid } from '../metrics.ts'
import type { Theta, Trainer } from '../trainer.ts'
import type { CleanLabelsResult } from './options.ts'
import type { Prepared } from './prepare.ts'

/** Judges each free row's label by the log-odds of its weight and those of the retrained model, in equal parts. */
export function score(
  trainer: Trainer,
  { classes, free, freeLabels }: Prepared,
  logits: Float64Array,
  model: Theta,
): Pick<CleanLabelsResult, 'score' | 'ranking' | 'suggested'> {
  const p = trainer.probabilities(model, free)
  const trust = margins(p, classes, freeLabels)
  const score = logits.map((z, i) => sigmoid(-(z + trust[i]) / 2))
  return {
    score,
    ranking: Uint32Array.from(score.keys()).sort((a, b) => score[b] - score[a] || a - b),
    suggested: Int32Array.from(score, (_, i) => mostLikely(p, classes, i)),
  }
}
