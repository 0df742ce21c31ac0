import { listed } from '../../data/error.ts'
import { absentClasses } from '../../data/labels.ts'
import * as defaults from '../../defaults.ts'
import { Clock } from '../../hypergradient/clock.ts'
import { meanLoss, sigmoid } from '../metrics.ts'
import type { Stages } from '../stages.ts'
import { type Theta, Trainer } from '../trainer.ts'
import { bilevelRun } from './bilevelRun.ts'
import { issuesOf } from './issues.ts'
import type { CleanLabelsResult, TrustedSettings } from './options.ts'
import { polish } from './polish.ts'
import { type Prepared, prepare } from './prepare.ts'
import { score } from './score.ts'
import { concat, split } from './split.ts'
import { marginStart, perSampleStart } from './start.ts'

/**
 * Finds wrong labels with the help of rows that are right. A softmax regression is trained with a weight for each
 * sample. The few parameters of the weights follow the hypergradient of the loss on trusted samples. A last model is
 * trained on the samples whose weight stays above ½, and the weights and this model together score every label.
 */
export async function cleanTrusted(settings: TrustedSettings, stages: Stages): Promise<CleanLabelsResult> {
  const { backend, weighting, holdout, outerSteps, regularization, seed, signal } = settings
  const clock = new Clock()
  clock.enter('start')
  const data = prepare(settings)
  const { features, classes, labels, free, trusted } = data
  const parts = split(data, settings)
  const trainer = new Trainer(backend, classes, { features, labels }, regularization)
  const rate = await trainer.rate(free, 0)
  const { batchSize, haste, ...retraining } = defaults.cleanLabels.retraining
  const training = { rate: haste * rate, batchSize, seed, signal }
  const start =
    weighting === 'margin'
      ? await stages.take('start', () => marginStart(trainer, data, parts, training, stages.ranks))
      : perSampleStart(settings, data)

  clock.enter('')
  const run = await bilevelRun(settings, data, parts, start, rate, stages)
  const { solved, curves, bestStep, overfitting, outer } = run
  if (solved.steps === 0) signal?.throwIfAborted()

  clock.enter('polish')
  const { inner } = solved
  const { logits, model: polished } =
    weighting === 'margin'
      ? await stages.take('polish', () => polish(trainer, data, { ...start, inner, outer }, training))
      : { logits: Float64Array.from(outer), model: inner }
  const weights = logits.map(sigmoid)

  clock.enter('retrain')
  const positions = concat(
    free.filter((_, i) => weights[i] > 0.5),
    trusted,
  )
  const model =
    signal?.aborted && !stages.kept
      ? inner
      : await stages.take('last model', () =>
          trainer.train({ ...training, ...retraining }, { positions, start: polished }),
        )
  // A model that knows no more than chance of rows that it was not trained on condemns no label.
  const apart = parts.heldOut.length > 0 ? parts.heldOut : parts.outer
  const isApart = new Set(apart)
  const others = positions.filter((row) => !isApart.has(row))
  const chance = Math.min(Math.log(classes), lossOfShares(data.labelsOf(trusted), classes))
  const knowsNothing = (theta: Theta) =>
    !(
      meanLoss(trainer.probabilities(theta, apart), classes, data.labelsOf(apart)) <
      defaults.cleanLabels.knowing * chance
    )
  const blind =
    knowsNothing(inner) &&
    (others.length === 0 ||
      knowsNothing(await trainer.train({ ...training, ...retraining }, { positions: others })))
  const unseen = unseenClasses(data)
  const judged = score(trainer, data, logits, model, (label) => blind || unseen.includes(label))

  clock.enter('')
  const { total, ...phases } = solved.seconds
  const own = Object.values(clock.seconds).reduce((sum, s) => sum + s, 0)
  const all = new Float64Array(labels.length).fill(1)
  for (const [i, row] of free.entries()) all[row] = weights[i]
  const { scores, suggested, ranking } = judged
  return {
    rows: free,
    issues: issuesOf(ranking, labels, suggested, scores),
    ...judged,
    threshold: 0.5,
    weights: all,
    checked: { rows: trusted, right: Array.from(trusted, () => true) },
    warnings: [
      ...(unseen.length > 0
        ? [`no trusted row has the class ${listed(unseen)}: the labels of these classes are not judged`]
        : []),
      ...(blind ? ['the model knows no more of the trusted rows than chance: no label is doubted'] : []),
    ],
    theta: data.classifier(inner),
    model: data.classifier(model),
    curves,
    bestStep,
    overfitting,
    outer,
    solve: solved,
    seconds: { ...clock.seconds, ...phases, total: total + own },
    backend: backend.info(),
    settings: { weighting, holdout, outerSteps, regularization, seed, innerRate: rate, ...run.method },
  }
}

/** The mean loss of labels whose probabilities are their shares: the entropy of these. */
function lossOfShares(labels: Uint32Array, classes: number): number {
  const counts = new Float64Array(classes)
  for (const y of labels) counts[y]++
  return -counts.reduce(
    (sum, count) => sum + (count && (count / labels.length) * Math.log(count / labels.length)),
    0,
  )
}

/** Classes of which no trusted row is known: nothing says how their labels go wrong. */
function unseenClasses({ classes, trusted, labels }: Prepared): number[] {
  return absentClasses(
    Uint32Array.from(trusted, (row) => labels[row]),
    classes,
  )
}
