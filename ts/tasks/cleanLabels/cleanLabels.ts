import { fingerprint, ofFeatures } from '../../backend/fingerprint.ts'
import { inStages, type Stages } from '../stages.ts'
import { cleanChecked } from './checked.ts'
import {
  type CleanLabelsOptions,
  type CleanLabelsResult,
  type Settings,
  settingsOf,
  trustedSettings,
} from './options.ts'
import { cleanTrusted } from './trusted.ts'
import { cleanUnchecked } from './unchecked.ts'

export type { Estimate } from './estimate.ts'
export type {
  BilevelGain,
  Checked,
  CleaningProgress,
  CleanLabelsOptions,
  CleanLabelsResult,
  HeldOutGain,
  Issue,
} from './options.ts'

/**
 * Finds wrong labels with the help of rows that somebody `checked`, or of some that are right (`trusted`). Without either,
 * models that never saw a label judge it (cross-validated self-confidence), which is not the bilevel method.
 *
 * @throws NhgdError `ERR_SHAPE`, `ERR_RANGE` (labels, checked or trusted rows out of range or twice, an absent class,
 * unknown or ill-typed options), `ERR_NOT_FINITE`. The signal's reason where it aborts before there is a result: with
 * `trusted` before the end of the first outer step, with `checked` or a `checkpoint` at any time. `ERR_CHECKPOINT` where
 * the checkpoint is that of other settings or data, or can't be written. All that it takes in the backend is free again
 * when it ends, fails or aborts.
 */
export async function cleanLabels(given: CleanLabelsOptions): Promise<CleanLabelsResult> {
  return inStages(settingsOf(given), about, clean)
}

function clean(settings: Settings, stages: Stages): Promise<CleanLabelsResult> {
  if (settings.checked) return cleanChecked(settings, stages)
  return settings.trusted ? cleanTrusted(trustedSettings(settings), stages) : cleanUnchecked(settings, stages)
}

const version = 2

/** What tells a run of the task from others. */
function about(settings: Settings): object {
  const { backend, signal, communicator, onProgress, checkpoint, ...all } = settings
  const { features, labels, checked, trusted, weights, predicted, ...own } = all
  const arrays = [labels, ...Object.values(checked ?? {}), trusted, weights, predicted?.data]
  const numbers = arrays.map((array) => array && Array.from(array as ArrayLike<unknown>, Number))
  const data = fingerprint([ofFeatures(features), ...numbers])
  return { version, task: 'cleanLabels', given: Object.keys(all).sort().join(), ...own, data }
}
