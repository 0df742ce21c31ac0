import { type Communicator, oneRank, rowsOfRank } from '../../backend/communicator.ts'
import * as defaults from '../../defaults.ts'
import { conjugateGradients } from '../../methods/conjugateGradients.ts'
import type { Method } from '../../methods/method.ts'
import { bilevel } from '../../problems/bilevel.ts'
import { learnedInputs, learnedTargets } from '../../problems/blocks.ts'
import { subsetPerClass } from '../../problems/distillation.ts'
import type { Problem } from '../../problems/problem.ts'
import type { LabelledSet } from '../../problems/samples.ts'
import type { SolveOptions } from '../../run/options.ts'
import { resume, save, solve } from '../../run/solve.ts'
import { curvatureRate } from '../rate.ts'
import type { Stages } from '../stages.ts'
import { type DistillResult, kindOf, type Settings, type SmallSet } from './options.ts'
import { seedOf } from './train.ts'

/** How the run went, and the set that it led to. */
export interface BilevelRun extends Pick<DistillResult, 'curves' | 'solve'> {
  readonly set: SmallSet
  /** Name and settings of the method. */
  readonly method: object
}

/** What a run has so far. */
interface Begun {
  readonly run: Uint8Array
  readonly curves: DistillResult['curves']
}

/** Follows the hypergradient of the loss on the real samples. The ranks share both the small set and these out. */
export async function bilevelRun(settings: Settings, real: LabelledSet, stages: Stages): Promise<BilevelRun> {
  const { backend, model, features, labels, perClass, learnTargets, outerSteps, seed, signal } = settings
  const { communicator = oneRank } = settings
  const start = subsetPerClass(backend, { features, labels }, perClass, seed)
  const problemOf = (train: LabelledSet, validation: LabelledSet) =>
    bilevel({
      backend,
      model,
      train,
      validation,
      hyperparameters: {
        inputs: learnedInputs(),
        ...(learnTargets && { targets: learnedTargets({ confidence: defaults.distill.confidence }) }),
      },
      regularization: settings.regularization,
    })
  const problem = problemOf(start, real)
  const shared =
    communicator.size > 1 ? problemOf(part(start, communicator), part(real, communicator)) : problem
  const kind = kindOf(model)
  const method = settings.method ?? (await ownMethod(problem, kind, seed))
  const begun = stages.begun<Begun>('bilevel')
  const curves = [...(begun?.curves ?? [])]
  const first = settings.outerRate * deviation(settings)
  const options: SolveOptions = {
    method,
    outerOptimizer: { kind: 'adam', rate: (k) => first * Math.max(0, 1 - k / outerSteps) },
    outerSteps,
    seconds: settings.seconds,
    seed,
    communicator,
    retryRate: defaults.distill.retryRate,
    // A run that is kept ends after a whole step.
    signal: stages.kept ? undefined : signal,
    async onStep({ step, outerLoss, seconds, point }) {
      curves.push({ step, outerLoss, seconds })
      settings.onProgress?.({ step, steps: outerSteps, outerLoss, seconds })
      // The set has to serve every start of a network, so the run sees another one in each outer step.
      if (kind === 'perceptron') point.inner.copyFrom(problem.oracles.initial(seedOf.start(seed, step)))
      await stages.soFar('bilevel', async () => ({ run: await save(run), curves }))
      return !(stages.kept && signal?.aborted)
    },
  }
  const run = begun ? resume(shared, begun.run, options) : solve(shared, options)
  const solved = await run.result
  if (stages.kept || solved.steps === 0) signal?.throwIfAborted()
  const { inputs, targets } = solved.hyperparameters
  const { status, advice, steps, residual, seconds } = solved
  return {
    set: {
      features: { data: inputs, rows: inputs.length / features.columns, columns: features.columns },
      labels: Uint32Array.from(start.labels),
      ...(targets && { targets }),
    },
    curves,
    solve: { status, advice, steps, seconds, ...(residual !== undefined && { residual }) },
    method: { method: method.name, ...method.settings },
  }
}

/** A rank's part of a set. */
function part({ features, labels }: LabelledSet, communicator: Communicator): LabelledSet {
  const { from, to } = rowsOfRank(labels.length, communicator)
  const rows = Uint32Array.from({ length: to - from }, (_, i) => from + i)
  return { features, rows, labels: rows.map((row) => labels[row]) }
}

/** Inner steps over all learned samples, and conjugate gradients with their curvature: both are cheap. */
async function ownMethod(problem: Problem, kind: 'linear' | 'perceptron', seed: number): Promise<Method> {
  const { backend, oracles } = problem
  const { samples, outerSamples } = oracles
  const rate = await curvatureRate(problem, problem.start(seed), backend.Batch.all(samples))
  const { outerBatchSize, ...own } = defaults.distill[kind]
  return conjugateGradients({
    ...own,
    batchSize: samples,
    curvatureSamples: samples,
    innerOptimizer: { kind: 'momentum', rate },
    outerBatchSize: Math.min(outerBatchSize, outerSamples),
  })
}

/** Root mean square deviation of the features from the means of their columns. */
function deviation({ features: { data, rows, columns, scale = 1 } }: Settings): number {
  const [sums, squares] = [new Float64Array(columns), new Float64Array(columns)]
  for (let i = 0, k = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, k++) {
      sums[j] += data[k]
      squares[j] += data[k] ** 2
    }
  }
  const total = squares.reduce((sum, square, j) => sum + square / rows - (sums[j] / rows) ** 2, 0)
  return scale * Math.sqrt(Math.max(0, total) / columns)
}
