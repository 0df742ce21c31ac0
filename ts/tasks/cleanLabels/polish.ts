import type { Vector } from '../../backend/binding.ts'
import * as defaults from '../../defaults.ts'
import type { Theta, Trainer, Training } from '../trainer.ts'
import { alternate } from './alternate.ts'
import type { Prepared } from './prepare.ts'

/**
 * Lets weights and model settle while v is fixed and all trusted samples are among the inner ones (margin weights).
 * Returns the model, and the log-odds by it that each free row's label is right.
 */
export async function polish(
  trainer: Trainer,
  data: Prepared,
  { inner, outer: v, transition }: { inner: Theta; outer: ArrayLike<number>; transition?: Float64Array },
  training: Omit<Training, 'steps'>,
): Promise<{ readonly model: Theta; readonly logits: Float64Array }> {
  const { classes, free, freeLabels, trusted } = data
  const { Transition } = trainer.backend
  const noise = transition ? new Transition(transition, classes) : Transition.uniform(0.5, classes)
  const logitsOf = (p: Vector) => noise.margins(p, freeLabels, v[classes]).map((m, i) => v[freeLabels[i]] + m)
  const { polishing } = defaults.cleanLabels.margin
  const model = await alternate(trainer, data, trusted, inner, polishing, training, logitsOf)
  return { model, logits: logitsOf(trainer.predict(model, free)) }
}
