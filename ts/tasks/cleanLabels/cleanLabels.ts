import { cleanChecked } from './checked.ts'
import { type CleanLabelsOptions, type CleanLabelsResult, settingsOf, trustedSettings } from './options.ts'
import { cleanTrusted } from './trusted.ts'
import { cleanUnchecked } from './unchecked.ts'

export type { Estimate } from './estimate.ts'
export type {
  BilevelGain,
  Checked,
  CleaningProgress,
  CleanLabelsOptions,
  CleanLabelsResult,
  Issue,
} from './options.ts'

/**
 * Finds wrong labels with the help of rows that somebody `checked`, or of some that are right (`trusted`). Without either,
 * models that never saw a label judge it (cross-validated self-confidence), which is not the bilevel method.
 *
 * @throws NhgdError `ERR_SHAPE`, `ERR_RANGE` (labels, checked or trusted rows out of range or twice, an absent class,
 * unknown or ill-typed options), `ERR_NOT_FINITE`. The signal's reason where it aborts before there is a result: with
 * `trusted` before the end of the first outer step, with `checked` at any time.
 */
export async function cleanLabels(given: CleanLabelsOptions): Promise<CleanLabelsResult> {
  const settings = settingsOf(given)
  if (settings.checked) return cleanChecked(settings)
  return settings.trusted ? cleanTrusted(trustedSettings(settings)) : cleanUnchecked(settings)
}
