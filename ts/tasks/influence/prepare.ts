import type { FisherSettings } from '../../backend/fisher.ts'
import * as defaults from '../../defaults.ts'
import { riskOf } from '../../problems/bilevel.ts'
import { isNetwork, type Model } from '../../problems/model.ts'
import type { Problem } from '../../problems/problem.ts'
import { type SampleSet, uploadedSet } from '../../problems/samples.ts'
import type { InfluenceModelOptions } from './options.ts'

/** What a model is besides its data. */
export interface Settings {
  readonly model: Model
  readonly regularization: number
  readonly dtype: 'f32' | 'f64'
  readonly fisher: FisherSettings
  /** Absent where each call takes its own default. */
  readonly refine?: number
}

type Given = Pick<InfluenceModelOptions, 'backend' | 'model'> & Partial<Settings>

/** Settings with nothing absent, and the problem of the training samples, which are uploaded, as inner and outer samples. */
export function prepare({ backend, model, ...given }: Given, set: SampleSet) {
  const { regularization, fisher } = defaults.influence
  const usual = isNetwork(model) ? fisher.network : fisher.linear
  const settings: Settings = { model, regularization, dtype: 'f32', fisher: usual, ...given }
  const train = uploadedSet(backend, set)
  const { dtype } = settings
  const base = { backend, model, regularization: settings.regularization, dtype, hyperparameters: {} }
  return { problem: riskOf({ ...base, train, validation: train }, 'train'), settings, train }
}

/**
 * The problem whose outer samples are the test samples.
 *
 * @throws NhgdError `ERR_SHAPE` for other columns than those of the training samples, `ERR_RANGE` for other classes.
 */
export function prepareTest(
  { backend, model, dtype }: Given,
  train: SampleSet,
  validation: SampleSet,
): Problem {
  const problem = riskOf({ backend, model, dtype, train, validation, hyperparameters: {} }, 'test')
  problem.oracles // which looks at the samples
  return problem
}
