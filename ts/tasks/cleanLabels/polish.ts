import * as defaults from '../../defaults.ts'
import type { Theta, Trainer, Training } from '../trainer.ts'
import { alternate } from './alternate.ts'
import type { Prepared } from './prepare.ts'
import { transitionMargins, uniform } from './transition.ts'

/**
 * Lets weights and model settle with margin weights' v fixed and all trusted samples among the inner ones. Returns the
 * log-odds that each free row's label is right.
 */
export async function polish(
  trainer: Trainer,
  data: Prepared,
  { inner, outer: v, transition }: { inner: Theta; outer: ArrayLike<number>; transition?: Float64Array },
  training: Omit<Training, 'steps'>,
): Promise<Float64Array> {
  const { classes, free, freeLabels, trusted } = data
  const noise = transition ?? uniform(0.5, classes)
  const logits = (p: Theta) =>
    transitionMargins(p, classes, freeLabels, noise, v[classes]).map((m, i) => v[freeLabels[i]] + m)
  const { polishing } = defaults.cleanLabels.margin
  const model = await alternate(trainer, data, trusted, inner, polishing, training, logits)
  return logits(trainer.probabilities(model, free))
}
