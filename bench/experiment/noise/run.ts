import type { Backend } from '../../../ts/backend/backend.ts'
import { assignFolds, permutation } from '../../../ts/data/split.ts'
import * as defaults from '../../../ts/defaults.ts'
import type { Classifier } from '../../../ts/tasks/classifier.ts'
import { fit, fromGiven } from '../../../ts/tasks/cleanLabels/candidates.ts'
import { cleanLabels } from '../../../ts/tasks/cleanLabels/cleanLabels.ts'
import { settingsOf } from '../../../ts/tasks/cleanLabels/options.ts'
import { choosePenalty } from '../../../ts/tasks/cleanLabels/penalty.ts'
import { prepareChecked, usualScale } from '../../../ts/tasks/cleanLabels/prepare.ts'
import { accuracy, auc, detection, mostLikely } from '../../../ts/tasks/metrics.ts'
import { type Theta, Trainer } from '../../../ts/tasks/trainer.ts'
import { forwardCorrection } from './forward.ts'
import { type Kind, noisyLabels } from './labels.ts'
import { type LabelledData, loadSet } from './sets.ts'

/** What is cleaned. */
export interface Cell {
  readonly set: string
  readonly kind: Kind | 'real'
  readonly rate: number
  readonly checked: number
}

/** How well a way of cleaning did. */
export interface Quality {
  readonly accuracy: number
  readonly auc: number
  readonly f1: number
}

export interface Result extends Cell {
  readonly seed: number
  readonly ours: Quality
  /** The same without a step along the hypergradient. */
  readonly start: Quality
  readonly rivals: Readonly<Record<string, Quality>>
  readonly confirmed: boolean
  readonly seconds: number
}

/** One draw of a cell: ours, its own start, and the rivals, on the same features with penalties chosen in the same way. */
export async function runCell(
  backend: Backend,
  cell: Cell,
  seed: number,
  folder: string | undefined,
): Promise<Result> {
  const data = await loadSet(cell.set, folder, seed)
  const given =
    cell.kind === 'real' && data.given
      ? data.given
      : await noisyLabels(backend, data.features, data.truth, data.classes, {
          kind: cell.kind as Kind,
          rate: cell.rate,
          seed,
        })
  const rows = Uint32Array.from(permutation(data.truth.length, seed + 5)).slice(0, cell.checked)
  const checked = { rows, labels: Array.from(rows, (row) => data.truth[row]) }
  const options = { backend, features: data.features, labels: given, classes: data.classes, checked, seed }
  const clock = performance.now()
  const ours = await cleanLabels(options)
  const seconds = (performance.now() - clock) / 1000
  const start = await cleanLabels({ ...options, outerSteps: 0 })
  const judge: Judge = (...said) => quality(data, given, rows, ...said)
  return {
    ...cell,
    seed,
    ours: judge(ours.scores, ours.model, ours.threshold),
    start: judge(start.scores, start.model, start.threshold),
    rivals: await rivals(options, judge),
    confirmed: ours.bilevel?.confirmed ?? false,
    seconds,
  }
}

/** Figures over the rows that nobody checked, and accuracy on the test set. */
export function quality(
  { truth, classes, test }: LabelledData,
  given: Int32Array,
  checked: Uint32Array,
  scores: ArrayLike<number>,
  model: Classifier,
  threshold = 0.5,
): Quality {
  const seen = new Set(checked)
  const rows = Array.from(truth.keys()).filter((row) => !seen.has(row))
  const wrong = rows.map((row) => given[row] !== truth[row])
  const own = rows.map((row) => scores[row])
  return {
    accuracy: accuracy(model.probabilities(test.features), classes, test.labels),
    auc: auc(own, wrong),
    f1: detection(
      own.map((score) => score > threshold),
      wrong,
    ).f1,
  }
}

type Judge = (scores: ArrayLike<number>, model: Classifier, threshold?: number) => Quality

/** The simple ways: a model of the checked rows alone, and retrained; the filter; self-confidence; forward correction. */
async function rivals(
  options: Parameters<typeof settingsOf>[0],
  judge: Judge,
): Promise<Record<string, Quality>> {
  const { backend, seed = 0 } = options
  const data = prepareChecked(settingsOf(options))
  const { features, classes, given, known, truth, free } = data
  const n = given.length
  const samples = Uint32Array.from([...given.keys(), ...known])
  const labels = Uint32Array.from([...given, ...truth])
  const make = (regularization: number) =>
    new Trainer(backend, classes, { features, rows: samples, labels }, regularization)
  const training = { rate: await make(1e-3).rate(free, 0), batchSize: 1024, seed }
  const places = Uint32Array.from(known, (_, j) => n + j)
  const common = { make, training, classes }
  const penalty = await choosePenalty({
    ...common,
    positions: free,
    rows: free,
    labels: free.map((row) => given[row]),
  })
  const trusted = make(await choosePenalty({ ...common, positions: places, rows: known, labels: truth }))
  const trainer = make(penalty)
  const scoresOf = (theta: Theta) => {
    const p = trainer.probabilities(theta, Uint32Array.from(given.keys()))
    return Float64Array.from(given, (label, row) => doubt(p, classes, row, label))
  }
  const keep = (scores: Float64Array) =>
    Uint32Array.from([...free.filter((row) => scores[row] <= 0.5), ...places])
  const alone = await fit(trusted, training, 'last', places)
  const byAlone = scoresOf(alone)
  const again = await fit(trainer, training, 'last', keep(byAlone))
  let filter = again
  let scores = scoresOf(filter)
  for (let round = 0; round < 12; round++) {
    filter = await fit(trainer, training, 'last', keep(scores))
    const next = scoresOf(filter)
    const changed = next.filter((score, row) => score > 0.5 !== scores[row] > 0.5).length
    scores = next
    if (changed <= n / 1000) break
  }
  const folds = 5
  const logs = await fromGiven({
    trainer,
    given,
    fold: assignFolds(given, folds, seed),
    folds,
    classes,
    training,
  })
  const p = logs.map(Math.exp)
  const confidence = Float64Array.from(given, (label, row) => doubt(p, classes, row, label))
  const kept = await fit(trainer, training, 'last', keep(confidence))
  const matrix = data.matrix && { ...data.matrix, scale: usualScale(data.matrix, data.model) }
  const forward =
    matrix &&
    forwardCorrection(
      { matrix, classes, given, known, truth },
      { ...training, steps: defaults.cleanLabels.checked.steps.last, regularization: penalty },
    )
  return {
    ...(forward && {
      forwardCorrection: judge(
        Float64Array.from(given, (label, row) => doubt(forward.posteriors, classes, row, label)),
        data.classifier(Float32Array.from(forward.theta)),
      ),
    }),
    checkedAlone: judge(byAlone, data.classifier(alone)),
    checkedRetrained: judge(byAlone, data.classifier(again)),
    filter: judge(scores, data.classifier(filter)),
    selfConfidence: judge(confidence, data.classifier(kept)),
  }
}

/** 1 − p of the label, moved so that it is above ½ where another class is likelier. */
function doubt(p: ArrayLike<number>, classes: number, row: number, label: number): number {
  const other = mostLikely(p, classes, row)
  const own = p[row * classes + label]
  return other === label ? (1 - own) / 2 : 0.5 + (1 - own) / 2 + 1e-9
}
