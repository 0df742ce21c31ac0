import { read, taken } from '../../backend/backend.ts'
import { oneRank, rowsOfRank } from '../../backend/communicator.ts'
import * as defaults from '../../defaults.ts'
import { preconditionedConjugateGradients } from '../../methods/preconditionedConjugateGradients.ts'
import { predictor, softmaxRegression } from '../../problems/model.ts'
import { reweighting } from '../../problems/reweighting.ts'
import type { SolveOptions } from '../../run/options.ts'
import { resume, type SolveResult, save, solve } from '../../run/solve.ts'
import { meanLoss } from '../metrics.ts'
import type { Stages } from '../stages.ts'
import { Keeper } from './keep.ts'
import type { CleanLabelsResult, TrustedSettings } from './options.ts'
import type { Prepared } from './prepare.ts'
import { concat, type Parts } from './split.ts'
import type { Start } from './start.ts'

/** How the bilevel run went, and the v that it is kept for. */
export interface BilevelRun extends Pick<CleanLabelsResult, 'curves' | 'bestStep' | 'overfitting' | 'outer'> {
  readonly solved: SolveResult
  /** Settings of the method. */
  readonly method: object
}

/** What a run has so far. */
interface Begun {
  readonly run: Uint8Array
  readonly curves: CleanLabelsResult['curves']
  readonly kept: Keeper['state']
}

/**
 * Follows the hypergradient of the loss on the outer part of the trusted samples, and keeps the v that the held-out
 * samples think best. The ranks share the samples out.
 */
export async function bilevelRun(
  settings: TrustedSettings,
  { features, classes, free, labelsOf, classifier: classifierOf }: Prepared,
  { anchors, outer, heldOut }: Parts,
  start: Start,
  innerRate: number,
  stages: Stages,
): Promise<BilevelRun> {
  const { backend, weighting, regularization, outerSteps, outerRate, seed, signal } = settings
  const communicator = (weighting === 'perSample' && settings.communicator) || oneRank
  const part = (rows: Uint32Array) => {
    const { from, to } = rowsOfRank(rows.length, communicator)
    const own = rows.subarray(from, to)
    return { features, rows: own, labels: labelsOf(own) }
  }
  const model = softmaxRegression({ classes })
  const problem = reweighting({
    backend,
    model,
    train: part(concat(free, anchors)),
    trusted: part(outer),
    regularization,
    weighting,
    anchors: anchors.length,
    prior: start.prior,
    transition: start.transition,
  })
  const own = defaults.cleanLabels[weighting]
  const method = {
    ...defaults.cleanLabels.method,
    innerOptimizer: { kind: 'momentum', rate: innerRate },
    ...own.method,
    ...settings.method,
  } as const
  const rate = weighting === 'margin' ? (k: number) => outerRate * (1 - k / outerSteps) : outerRate
  const held = { batch: backend.Batch.of(heldOut), labels: labelsOf(heldOut) }
  const scorer = predictor(backend, model)
  const begun = stages.begun<Begun>('bilevel')
  const keeper = begun ? Keeper.from(begun.kept) : new Keeper(Float64Array.from(start.outer))
  const curves = [...(begun?.curves ?? [])]
  const options: SolveOptions = {
    method: preconditionedConjugateGradients(method),
    outerOptimizer: { ...own.outerOptimizer, rate },
    outerSteps,
    inner: start.inner,
    outer: start.outer,
    seed,
    communicator,
    // A run that is kept ends after a whole step.
    signal: stages.kept ? undefined : signal,
    async onStep({ step, outerLoss, residual = Number.NaN, seconds, estimate, point }) {
      const heldOutLoss =
        heldOut.length === 0
          ? Number.NaN
          : meanLoss(taken(scorer.probabilities(estimate.inner, features, held.batch)), classes, held.labels)
      keeper.judge(step, heldOutLoss, read(point.outer))
      const progress = { step, outerLoss, heldOutLoss, residual, seconds }
      curves.push(progress)
      const secondsLeft = (seconds / step) * (outerSteps - step)
      const classifier = () => classifierOf(read(estimate.inner))
      settings.onProgress?.({ ...progress, steps: outerSteps, secondsLeft, classifier })
      await stages.soFar('bilevel', async () => ({ run: await save(run), curves, kept: keeper.state }))
      return !(stages.kept && signal?.aborted)
    },
  }
  const run = begun ? resume(problem, begun.run, options) : solve(problem, options)
  const solved = await run.result
  if (stages.kept) signal?.throwIfAborted()
  const { step: bestStep, outer: kept } = keeper.best
  const overfitting = solved.steps - bestStep >= Math.max(1, outerSteps / 5)
  return { solved, method, curves, bestStep, outer: kept, overfitting }
}
