import { assignFolds } from '../../data/split.ts'
import * as defaults from '../../defaults.ts'
import { Clock } from '../../hypergradient/clock.ts'
import { sigmoid } from '../metrics.ts'
import type { Stages } from '../stages.ts'
import { Trainer } from '../trainer.ts'
import { fit, fromGiven, normalize } from './candidates.ts'
import { confidentDoubts, knowsNothing } from './confidence.ts'
import { disagreement } from './disagreement.ts'
import { issuesOf } from './issues.ts'
import { neighbourShares } from './neighbours.ts'
import type { CleanLabelsResult, Settings } from './options.ts'
import { choosePenalty } from './penalty.ts'
import { prepareUnchecked } from './prepare.ts'

const { checked: constants, unchecked } = defaults.cleanLabels

/**
 * Judges labels without any that were checked: by models that never saw them, by nearest neighbours, by a model of the
 * user's own, and by models of the labels that these do not doubt, in equal parts of log probabilities. Confident learning
 * decides how many are doubted. The last model is trained on the others.
 */
export async function cleanUnchecked(settings: Settings, stages: Stages): Promise<CleanLabelsResult> {
  const { backend, seed, signal } = settings
  const { ranks } = stages
  const clock = new Clock()
  clock.enter('prepare')
  const data = prepareUnchecked(settings)
  const { features, classes, given, matrix, predicted, model: kind } = data
  const rows = Uint32Array.from(given.keys())
  const make = (regularization: number) =>
    new Trainer(backend, classes, { features, labels: given }, regularization, kind)
  const rate = await make(constants.regularizations[4]).rate(rows, 0)
  const training = { rate, batchSize: constants.batchSize, seed, signal }

  clock.enter('penalty')
  const chosen = { make, training, classes, positions: rows, rows, labels: given, ranks }
  const regularization =
    settings.regularization ?? (await stages.take('penalty', () => choosePenalty(chosen)))

  clock.enter('candidates')
  const trainer = make(regularization)
  const { folds } = unchecked
  const fold = assignFolds(given, folds, seed)
  const made = { trainer, given, fold, folds, classes, training }
  const judges = [await stages.take('models', () => fromGiven(made, undefined, ranks))]
  if (matrix) {
    const shares = () => neighbourShares(backend, matrix, given, classes, seed, signal, ranks)
    judges.push(await stages.take('neighbours', shares))
  }
  if (predicted) judges.push(predicted)
  const blind = knowsNothing(together(judges, classes), given, classes, unchecked.sure)
  if (!blind) {
    const { odds } = confidentDoubts(together(judges, classes), given, classes)
    const kept = () => fromGiven(made, (row) => odds[row] <= 0, ranks)
    judges.push(await stages.take('models of labels that are not doubted', kept))
  }
  const { odds, others } = confidentDoubts(together(judges, classes), given, classes)
  const scores = odds.map((x) => sigmoid(blind ? Math.min(0, x) : x))
  const suggested = Int32Array.from(rows, (row) => (scores[row] > 0.5 ? others[row] : given[row]))

  clock.enter('retrain')
  const kept = rows.filter((row) => scores[row] <= 0.5)
  const theta = await stages.take('last model', () =>
    fit(trainer, training, 'last', kept.length > 0 ? kept : rows),
  )
  clock.enter('')
  const ranking = rows.toSorted((a, b) => scores[b] - scores[a] || a - b)
  const model = data.classifier(theta)
  const { seconds } = clock
  return {
    rows,
    issues: issuesOf(ranking, given, suggested, scores),
    scores,
    threshold: 0.5,
    disagreement: disagreement(judges, classes),
    weights: scores.map((score) => 1 - score),
    suggested,
    ranking,
    checked: { rows: new Uint32Array(0), right: [] },
    warnings: blind ? ['the models know no more of the labels than chance: no label is doubted'] : [],
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

/** Log probabilities that are the mean of others', but for their sum. */
function together(judges: readonly Float64Array[], classes: number): Float64Array {
  const logs = judges[0].map((_, k) => judges.reduce((sum, own) => sum + own[k], 0) / judges.length)
  normalize(logs, classes)
  return logs
}
