import { upload } from '../../backend/backend.ts'
import { fingerprint, ofFeatures } from '../../backend/fingerprint.ts'
import { type Matrix, matrix } from '../../backend/matrix.ts'
import { type Standardization, standardize } from '../../data/standardize.ts'
import { Breather } from '../../hypergradient/clock.ts'
import { Classifier } from '../classifier.ts'
import { inStages, type Stages } from '../stages.ts'
import type { Theta } from '../trainer.ts'
import { bilevelRun } from './bilevelRun.ts'
import { analytic, classMeans, type Data, judge, randomSamples } from './contenders.ts'
import {
  type Contender,
  type DistillOptions,
  type DistillResult,
  type Judged,
  type Settings,
  type SmallSet,
  settingsOf,
} from './options.ts'
import { problemOn, type TrainingSet, train, variablesOf } from './train.ts'

export type {
  Contender,
  DistillOptions,
  DistillProgress,
  DistillResult,
  Judged,
  Labelled,
  SmallSet,
} from './options.ts'

/**
 * Makes a small training set that stands for a large one: features, and if `learnTargets` soft labels, of a few samples per
 * class follow the hypergradient of the loss that a model trained on them has on the real samples (Wang et al. 2018;
 * Kong et al. 2026, appendix E.2). A network is started anew in each outer step, so that the set serves every start.
 * Beside the set stand random samples, class means, and all samples.
 *
 * @throws NhgdError `ERR_SHAPE`, `ERR_RANGE` (labels, a class with too few samples, unknown or ill-typed options),
 * `ERR_NOT_FINITE`. The signal's reason where it aborts before the end of the first outer step, or at any time with a
 * `checkpoint`. `ERR_CHECKPOINT` where the checkpoint is that of other settings or data, or can't be written. All that it
 * takes in the backend is free again when it ends, fails or aborts.
 */
export async function distill(given: DistillOptions): Promise<DistillResult> {
  return inStages(settingsOf(given), about, make)
}

async function make(given: Settings, stages: Stages): Promise<DistillResult> {
  const began = performance.now()
  const { backend, model, signal, test } = given
  const scaled = given.standardize ? standardize(given.features) : undefined
  const settings = scaled ? { ...given, features: scaled.features } : given
  const real = { features: upload(backend, settings.features), labels: given.labels }
  const apart = test && {
    features: upload(backend, scaled ? standardize(test.features, scaled).features : test.features),
    labels: test.labels,
  }
  const data: Data = { real, test: apart ?? real }
  const run = await stages.take('bilevel', () => bilevelRun(settings, real, stages))
  const { judged, theta } = await compared(settings, data, run.set, stages)
  const { columns } = settings.features
  const classifier = new Classifier(backend, given.classes, columns, theta, model)
  const { features, ...set } = run.set
  const { status } = run.solve
  const { perClass, learnTargets, regularization, outerSteps, outerRate, trainings, seed } = given
  const told = { perClass, learnTargets, regularization, outerSteps, outerRate, trainings, seed }
  return {
    ...set,
    features: scaled ? restored(features, scaled) : features,
    model: scaled ? classifier.forStandardization(scaled) : classifier,
    judged: status === 'aborted' || signal?.aborted ? {} : judged,
    curves: run.curves,
    solve: run.solve,
    seconds: (performance.now() - began) / 1000,
    backend: backend.info(),
    settings: { model, standardize: given.standardize, ...told, ...run.method },
  }
}

/** Trains on the set and, unless the run was aborted, on what it is compared with. */
async function compared(settings: Settings, data: Data, set: SmallSet, stages: Stages) {
  const { signal, trainings } = settings
  const { real } = data
  const judged: Partial<Record<Contender, Judged>> = {}
  const breather = new Breather(() => signal?.throwIfAborted())
  const one = async (name: Contender, setOf: (training: number) => TrainingSet, times = trainings) => {
    const { theta, ...found } = await stages.take(name, () =>
      judge(settings, data, (problem) => problem.paced(() => breather.due()), setOf, times, stages.ranks),
    )
    judged[name] = found
    return theta
  }
  let theta: Theta | undefined
  try {
    theta = await one('distilled', () => set)
    if (!settings.compare) return { judged, theta }
    await one('random samples', randomSamples(settings))
    const means = classMeans(settings)
    await one('class means', () => means)
    const all = await one('all samples', () => real, 1)
    const exact = analytic(settings, all)
    if (exact) await one('analytic', () => exact)
  } catch (error) {
    if (!signal?.aborted || stages.kept) throw error
  }
  theta ??= await train(settings, problemOn(settings, real, set), variablesOf(settings, set), settings.seed)
  return { judged, theta }
}

/** Features in their own units. */
function restored({ data, rows, columns }: Matrix, { means, deviations }: Standardization): Matrix {
  const own = Float32Array.from(data, (x, k) => x * deviations[k % columns] + means[k % columns])
  return matrix(own, rows, columns)
}

const version = 1

/** What tells a run of the task from others; one that goes on may have other seconds. */
function about(settings: Settings): object {
  const { backend, signal, communicator, onProgress, checkpoint, ...given } = settings
  const { features, labels, test, method, seconds, ...own } = given
  const sets = [ofFeatures(features), labels, ...(test ? [ofFeatures(test.features), test.labels] : [])]
  const named = method && { method: method.name, ...method.settings }
  return { version, task: 'distill', ...own, ...named, data: fingerprint(sets) }
}
