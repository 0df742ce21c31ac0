import { assignFolds } from '../../data/split.ts'
import * as defaults from '../../defaults.ts'
import { Clock } from '../../hypergradient/clock.ts'
import { mostLikely, sigmoid } from '../metrics.ts'
import { Trainer } from '../trainer.ts'
import { fit, fromGiven, normalize } from './candidates.ts'
import { issuesOf } from './issues.ts'
import { neighbourShares } from './neighbours.ts'
import type { CleanLabelsResult, Settings } from './options.ts'
import { choosePenalty } from './penalty.ts'
import { prepareUnchecked } from './prepare.ts'

const { checked: constants, unchecked } = defaults.cleanLabels

/**
 * Judges labels without any that were checked: by models that never saw them (cross-validated self-confidence, the idea
 * of confident learning, Northcutt et al. 2021) by nearest neighbours, and by a model of the user's own, in equal parts of log probabilities. The last
 * model is trained on the labels that are not doubted.
 */
export async function cleanUnchecked(settings: Settings): Promise<CleanLabelsResult> {
  const { backend, seed, signal } = settings
  const clock = new Clock()
  clock.enter('prepare')
  const data = prepareUnchecked(settings)
  const { features, classes, given, matrix, predicted } = data
  const rows = Uint32Array.from(given.keys())
  const make = (regularization: number) =>
    new Trainer(backend, classes, { features, labels: given }, regularization)
  const rate = make(constants.regularizations[4]).rate(rows, 0)
  const training = { rate, batchSize: constants.batchSize, seed, signal }

  clock.enter('penalty')
  const chosen = { make, training, classes, positions: rows, rows, labels: given }
  const regularization = settings.regularization ?? (await choosePenalty(chosen))

  clock.enter('candidates')
  const trainer = make(regularization)
  const { folds } = unchecked
  const fold = assignFolds(given, folds, seed)
  const judges = [await fromGiven({ trainer, given, fold, folds, classes, training })]
  if (matrix) judges.push(neighbourShares(backend, matrix, given, classes, seed))
  if (predicted) judges.push(predicted)
  const logs = judges[0].map((_, k) => judges.reduce((sum, logs) => sum + logs[k], 0) / judges.length)
  normalize(logs, classes)
  const suggested = Int32Array.from(rows, (row) => mostLikely(logs, classes, row))
  const scores = Float64Array.from(rows, (row) => {
    const others = logs.slice(row * classes, (row + 1) * classes).fill(-Infinity, given[row], given[row] + 1)
    return sigmoid(others[mostLikely(others, classes, 0)] - logs[row * classes + given[row]])
  })

  clock.enter('retrain')
  const kept = rows.filter((row) => scores[row] <= 0.5)
  const theta = await fit(trainer, training, constants.steps.last, kept)
  clock.enter('')
  const ranking = rows.toSorted((a, b) => scores[b] - scores[a] || a - b)
  const model = data.classifier(theta)
  const { seconds } = clock
  return {
    rows,
    issues: issuesOf(ranking, given, suggested, scores),
    scores,
    weights: scores.map((score) => 1 - score),
    suggested,
    ranking,
    checked: { rows: new Uint32Array(0), right: [] },
    warnings: [],
    model,
    theta: model,
    curves: [],
    bestStep: 0,
    overfitting: false,
    outer: new Float64Array(0),
    seconds: { ...seconds, total: Object.values(seconds).reduce((sum, s) => sum + s, 0) },
    backend: backend.info(),
    settings: { regularization, folds, seed, innerRate: rate },
  }
}
