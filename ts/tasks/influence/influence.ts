import { checkOptions, something } from '../../backend/check.ts'
import { sampleSet, uploadedSet } from '../../problems/samples.ts'
import { InfluenceModel } from './influenceModel.ts'
import type {
  DataValueOptions,
  DataValueResult,
  InfluenceControl,
  InfluenceModelOptions,
  InfluenceOptions,
  InfluenceResult,
  SelfInfluenceResult,
} from './options.ts'
import { modelChecks, testChecks } from './options.ts'
import { prepareTest } from './prepare.ts'

const { signal: _, seconds: __, onProgress: ___, communicator: ____, ...fitChecks } = modelChecks

/** What is done to a model once it is there; what is left says how it is made. */
type Fit = Omit<InfluenceModelOptions, keyof InfluenceControl>

/** What was trained on the way. */
export interface FittedInfluence {
  /** θ and the inverse Fisher, for further questions and to be saved. */
  readonly model: InfluenceModel
}

/** A model, and what is asked of it with the seconds that are left. The test samples are looked at first. */
async function fitted<T extends InfluenceControl & Partial<DataValueOptions>>(
  fit: Fit,
  asked: T,
): Promise<[InfluenceModel, T]> {
  const began = performance.now()
  const { signal, seconds, onProgress, communicator, test } = asked
  const { backend, model } = checkOptions(fit, fitChecks, ['backend', 'model', 'train'])
  const train = uploadedSet(backend, sampleSet('train', fit.train))
  if ('test' in asked) prepareTest({ backend, model }, train, sampleSet('test', test)).dispose()
  const made = await InfluenceModel.fit({ ...fit, train, signal, seconds, onProgress, communicator })
  const left = seconds !== undefined && { seconds: Math.max(0, seconds - (performance.now() - began) / 1000) }
  return [made, { ...asked, ...left }]
}

/**
 * What removing each training sample does to the loss of each test sample: trains a model and asks it, see
 * {@link InfluenceModel.influence}.
 *
 * @throws NhgdError as {@link InfluenceModel.fit}; `ERR_SHAPE` for test samples of other columns, or none; `ERR_RANGE` for
 * labels beyond the model's classes.
 */
export async function influence(
  options: InfluenceModelOptions & InfluenceOptions,
): Promise<InfluenceResult & FittedInfluence> {
  const { test, top, signal, seconds, onProgress, communicator, ...fit } = something(
    'options',
    options,
  ) as typeof options
  if (top !== undefined) testChecks.top('top', top)
  const [model, asked] = await fitted(fit, { test, top, signal, seconds, onProgress, communicator })
  return { ...(await model.influence(asked)), model }
}

/** By about how much the mean test loss changes when a training sample is removed, see {@link InfluenceModel.valueData}. */
export async function valueData(
  options: InfluenceModelOptions & DataValueOptions,
): Promise<DataValueResult & FittedInfluence> {
  const { test, signal, seconds, onProgress, communicator, ...fit } = something(
    'options',
    options,
  ) as typeof options
  const [model, asked] = await fitted(fit, { test, signal, seconds, onProgress, communicator })
  return { ...(await model.valueData(asked)), model }
}

/** By about how much the loss of each training sample rises when it is removed, see {@link InfluenceModel.selfInfluence}. */
export async function selfInfluence(
  options: InfluenceModelOptions,
): Promise<SelfInfluenceResult & FittedInfluence> {
  const { signal, seconds, onProgress, communicator, ...fit } = something(
    'options',
    options,
  ) as typeof options
  const [model, asked] = await fitted(fit, { signal, seconds, onProgress, communicator })
  return { ...(await model.selfInfluence(asked)), model }
}
