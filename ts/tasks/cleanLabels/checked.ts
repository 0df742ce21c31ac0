import type { Backend } from '../../backend/backend.ts'
import { listed } from '../../data/error.ts'
import { assignFolds } from '../../data/split.ts'
import * as defaults from '../../defaults.ts'
import { Breather, Clock } from '../../hypergradient/clock.ts'
import type { Tensor } from '../../run/archive.ts'
import { logit, mostLikely, sigmoid } from '../metrics.ts'
import type { Stages } from '../stages.ts'
import { certain, type Theta, Trainer } from '../trainer.ts'
import {
  type CandidateData,
  type Candidates,
  type fit,
  fromChecked,
  fromGiven,
  stepsOf,
} from './candidates.ts'
import { type Combined, combine, fitCombination, signals } from './combination.ts'
import { disagreement } from './disagreement.ts'
import { estimateWrong } from './estimate.ts'
import { issuesOf, thresholdOf } from './issues.ts'
import { neighbourShares } from './neighbours.ts'
import type { CleanLabelsResult, Settings } from './options.ts'
import { choosePenalty } from './penalty.ts'
import { type CheckedRows, prepareChecked } from './prepare.ts'
import { type Fold, fitSignalModel, scoresOf, weightLogits } from './signalModel.ts'

const { checked: constants } = defaults.cleanLabels

/**
 * Finds wrong labels with the help of rows whose given and true labels are both known. Candidates judge every label, a
 * combination of them suggests labels, and a signal model weighs these; its few coefficients follow the hypergradient of
 * the loss on folds of the checked rows.
 */
export async function cleanChecked(settings: Settings, stages: Stages): Promise<CleanLabelsResult> {
  const { backend, seed, signal, outerSteps } = settings
  const { ranks } = stages
  const clock = new Clock()
  clock.enter('prepare')
  const data = prepareChecked(settings)
  const { features, classes, given, known, truth, wrong, free } = data
  const make = trainers(backend, data)
  const rate = await make(constants.regularizations[4]).rate(free, 0)
  const training = { rate, batchSize: constants.batchSize, seed, signal }

  clock.enter('penalty')
  const places = Uint32Array.from(known, (_, j) => given.length + j)
  const all = { make, training, classes, ranks }
  const regularization =
    settings.regularization ??
    (await stages.take('penalty', () =>
      choosePenalty({ ...all, positions: free, rows: free, labels: free.map((row) => given[row]) }),
    ))
  const trustedPenalty = await stages.take('penalty of checked rows', () =>
    choosePenalty({ ...all, positions: places, rows: known, labels: truth }),
  )

  clock.enter('candidates')
  const candidateData: CandidateData = {
    ...data,
    fold: assignFolds(given, constants.folds.given, seed),
    folds: constants.folds.given,
    trainer: make(regularization),
    trustedTrainer: make(trustedPenalty),
    training,
  }
  const alone: Record<string, Float64Array> = {
    given: await stages.take('models of given labels', () => fromGiven(candidateData, undefined, ranks)),
  }
  const { matrix } = data
  if (matrix) {
    const shares = () => neighbourShares(backend, matrix, given, classes, seed, signal, ranks)
    alone.neighbours = await stages.take('neighbours', shares)
  }
  if (data.predicted) alone.predicted = data.predicted
  const everyone = Uint32Array.from(known.keys())
  const fold = assignFolds(truth, constants.folds.checked, seed)
  const uses = Array.from({ length: constants.folds.checked }, (_, k) => ({
    name: `but for fold ${k}`,
    rows: everyone.filter((j) => fold[j] !== k),
  }))
  uses.unshift({ name: 'all', rows: everyone })
  const [full, ...perFold] = await stages.takeEach(
    uses.map(({ name }) => `models of checked rows, ${name}`),
    (k) => fromChecked(candidateData, uses[k].rows),
  )

  clock.enter('combination')
  const breather = new Breather(() => signal?.throwIfAborted())
  const candidates = { ...alone, ...full.candidates }
  const crossed = crossFitted(candidates, perFold, known, fold, classes)
  const combination = fitCombination(data, wrong, crossed)
  await breather.due()
  const together = combine(combination, candidates, classes, given)
  const folds: Fold[] = []
  for (const [k, own] of perFold.entries()) {
    await breather.due()
    const theirs = { ...alone, ...own.candidates }
    const combined = combine(combination, theirs, classes, given)
    const anchors = everyone.filter((j) => fold[j] !== k)
    const heldOut = everyone.filter((j) => fold[j] === k)
    const heldOutRows = heldOut.map((j) => known[j])
    folds.push({
      rows: free,
      labels: free.map((row) => combined.suggested[row]),
      signals: signals(theirs, combined, classes, given, free),
      anchors: anchors.map((j) => known[j]),
      anchorLabels: anchors.map((j) => truth[j]),
      heldOut: heldOutRows,
      heldOutLabels: heldOut.map((j) => truth[j]),
      heldOutSignals: signals(theirs, combined, classes, given, heldOutRows),
      right: Array.from(heldOut, (j) => combined.suggested[known[j]] === truth[j]),
      theta: own.theta,
    })
  }

  clock.enter('bilevel')
  const { model, curves } = await stages.take('bilevel', async () => {
    const begun = stages.begun<{ fit: Record<string, Tensor>; curves: CleanLabelsResult['curves'] }>(
      'bilevel',
    )
    const curves = [...(begun?.curves ?? [])]
    const began = performance.now()
    const model = await fitSignalModel(backend, features, data.model, folds, {
      innerRate: rate,
      regularization,
      outerSteps,
      seed,
      signal,
      ranks,
      begun: begun?.fit,
      onState: (save) => stages.soFar('bilevel', async () => ({ fit: await save(), curves: [...curves] })),
      onStep(step, outerLoss) {
        const seconds = (performance.now() - began) / 1000
        const progress = { step, outerLoss, heldOutLoss: outerLoss, residual: Number.NaN, seconds }
        curves.push(progress)
        const steps = outerSteps ?? constants.signalModel.outerSteps
        const secondsLeft = (seconds / (step + 1)) * (steps - step)
        const classifier = () => data.classifier(full.theta)
        settings.onProgress?.({ ...progress, steps, secondsLeft, classifier })
      },
    })
    return { model, curves }
  })

  clock.enter('retrain')
  const logits = weightLogits(signals(candidates, together, classes, given, free), model.weights)
  const theta = await stages.take('last model', () =>
    retrain(backend, data, together.suggested, logits, model.regularization, training),
  )

  signal?.throwIfAborted()

  clock.enter('')
  const seen = combine(combination, crossed, classes, given)
  const checkedScores = judge([...known, ...wrong], crossed, seen, given, classes, model.scores)
  const blind = !(lossOf(seen.logs, known, truth, classes) < Math.log(classes))
  const scores = new Float64Array(given.length)
  const weights = new Float64Array(given.length).fill(1)
  const suggested = Int32Array.from(together.suggested)
  const judged = judge(free, candidates, together, given, classes, model.scores)
  const unseen = new Set(data.unseen)
  const isWrong = [
    ...Array.from(known, (row, j) => given[row] !== truth[j]),
    ...Array.from(wrong, () => true),
  ]
  const sampled = [...known, ...wrong].map((row) => data.random?.has(row) ?? true)
  // Labels that can't be judged count as often as wrong ones were in the sample.
  const share = isWrong.filter((wrong, j) => wrong && sampled[j]).length / sampled.filter(Boolean).length
  const isGuess = (row: number) => blind || unseen.has(given[row])
  const counted = judged.map((score, i) => (isGuess(free[i]) ? share : score))
  const threshold = thresholdOf(judged.filter((_, i) => !isGuess(free[i])))
  for (const [i, row] of free.entries()) {
    scores[row] = isGuess(row) ? Math.min(threshold, judged[i]) : judged[i]
    weights[row] = sigmoid(logits[i])
    const doubted = scores[row] > threshold
    if (!doubted) suggested[row] = given[row]
    else if (suggested[row] === given[row]) suggested[row] = secondBest(together.logs, classes, row)
  }
  for (const [j, row] of known.entries()) {
    scores[row] = truth[j] === given[row] ? 0 : 1
    suggested[row] = truth[j]
  }
  for (const row of wrong) {
    scores[row] = 1
    weights[row] = 0
    if (suggested[row] === given[row]) suggested[row] = secondBest(together.logs, classes, row)
  }
  const ranking = free.toSorted((a, b) => scores[b] - scores[a] || a - b)
  const { seconds } = clock
  const fitted = data.classifier(theta)
  return {
    rows: free,
    issues: issuesOf(ranking, given, suggested, scores, threshold),
    scores,
    threshold,
    disagreement: disagreement(Object.values(candidates), classes),
    weights,
    suggested,
    ranking,
    checked: { rows: data.checked, right: Array.from(data.checked, (row) => scores[row] === 0) },
    estimate: estimateWrong(
      counted,
      { scores: checkedScores, wrong: isWrong, random: data.random && sampled },
      threshold,
    ),
    warnings: warningsOf(data, blind),
    model: fitted,
    theta: fitted,
    curves,
    bestStep: model.gain.bestStep,
    overfitting: false,
    outer: model.weights,
    bilevel: model.gain,
    seconds: { ...seconds, total: Object.values(seconds).reduce((sum, s) => sum + s, 0) },
    backend: backend.info(),
    settings: {
      regularization,
      trustedPenalty,
      penalty: model.regularization,
      outerSteps: model.gain.steps,
      seed,
      innerRate: rate,
      ...constants.signalModel.method,
    },
  }
}

/** How likely the given labels of rows are wrong: the combination and the signal model in equal parts of log-odds. */
function judge(
  rows: Iterable<number>,
  candidates: Candidates,
  { right, logs, suggested }: Combined,
  given: Uint32Array,
  classes: number,
  coefficients: Float64Array,
): Float64Array {
  const all = Uint32Array.from(rows)
  const z = scoresOf(signals(candidates, { right, logs, suggested }, classes, given, all), coefficients)
  return Float64Array.from(all, (row, i) => {
    let odds = -z[i]
    if (suggested[row] !== given[row]) {
      // If the suggested label is wrong, the given one is as likely as it is among the others.
      const others = -Math.expm1(Math.min(-1e-9, logs[row * classes + suggested[row]]))
      const share = Math.exp(logs[row * classes + given[row]]) / others
      odds = logit(Math.min(1 - 1e-6, Math.max(1e-6, 1 - share * sigmoid(-z[i]))))
    }
    return sigmoid((odds - right[row]) / 2)
  })
}

/** The last model: all rows that nobody checked with their suggested labels, and the checked ones with their true ones. */
async function retrain(
  backend: Backend,
  { features, classes, free, known, truth, model }: CheckedRows,
  suggested: Uint32Array,
  logits: Float64Array,
  regularization: number,
  training: Parameters<typeof fit>[1],
): Promise<Theta> {
  const labels = Uint32Array.from([...free.map((row) => suggested[row]), ...truth])
  const rows = Uint32Array.from([...free, ...known])
  const trainer = new Trainer(backend, classes, { features, rows, labels }, regularization, model)
  const all = Float64Array.from([...logits, ...Array.from(known, () => certain)])
  const positions = Uint32Array.from(rows.keys())
  const batchSize = Math.min(training.batchSize, rows.length)
  return trainer.train(
    { ...training, batchSize, steps: stepsOf(model).last, averaging: 0.5 },
    { positions, logits: all },
  )
}

function secondBest(logs: Float64Array, classes: number, row: number): number {
  const own = logs.slice(row * classes, (row + 1) * classes)
  own[mostLikely(own, classes, 0)] = Number.NEGATIVE_INFINITY
  return mostLikely(own, classes, 0)
}

function lossOf(logs: Float64Array, rows: Uint32Array, labels: Uint32Array, classes: number): number {
  return -rows.reduce((sum, row, j) => sum + logs[row * classes + labels[j]], 0) / rows.length
}

function warningsOf({ unseen, random }: CheckedRows, blind: boolean): string[] {
  return [
    ...(unseen.length > 0
      ? [`no checked row has the class ${listed(unseen)}: the labels of these classes are not judged`]
      : []),
    ...(blind ? ['the models know no more of the checked rows than chance: no label is doubted'] : []),
    ...(random?.size === 0
      ? ['no checked row was drawn at random: they do not tell how many labels are wrong']
      : []),
  ]
}

/** Trainers on all given labels, followed by the true ones of the checked rows, by their penalty. */
function trainers(backend: Backend, { features, classes, given, known, truth, model }: CheckedRows) {
  const rows = new Uint32Array(given.length + known.length)
  const labels = new Uint32Array(rows.length)
  for (let i = 0; i < given.length; i++) rows[i] = i
  rows.set(known, given.length)
  labels.set(given)
  labels.set(truth, given.length)
  return (regularization: number) =>
    new Trainer(backend, classes, { features, rows, labels }, regularization, model)
}

/** The candidates, where each checked row is judged by models that have not learned from it. */
function crossFitted(
  candidates: Candidates,
  perFold: readonly { candidates: Candidates }[],
  known: Uint32Array,
  fold: Int32Array,
  classes: number,
): Candidates {
  return Object.fromEntries(
    Object.entries(candidates).map(([name, logs]) => {
      const out = logs.slice()
      for (const [j, row] of known.entries()) {
        const own = perFold[fold[j]].candidates[name]
        if (own) out.set(own.subarray(row * classes, (row + 1) * classes), row * classes)
      }
      return [name, out]
    }),
  )
}
