import * as defaults from '../../defaults.ts'
import type { Model } from '../../problems/model.ts'
import { Ranks } from '../../run/ranks.ts'
import { mostLikely } from '../metrics.ts'
import type { Theta, Trainer, Training } from '../trainer.ts'

const { checked, perceptron } = defaults.cleanLabels
const { rounds, smoothing } = checked

/** Log class probabilities of every row by each candidate model, rows × classes. */
export type Candidates = Readonly<Record<string, Float64Array>>

/** What all candidates are made from. Labels are those of all rows; places of checked rows follow them in the trainers. */
export interface CandidateData {
  readonly classes: number
  readonly given: Uint32Array
  /** Checked rows whose true class is known, and that class. */
  readonly known: Uint32Array
  readonly truth: Uint32Array
  /** Folds of all rows, so that no model judges a label that it was trained on. */
  readonly fold: Int32Array
  readonly folds: number
  /** Trainers on given labels and on true ones, which have their own penalties. */
  readonly trainer: Trainer
  readonly trustedTrainer: Trainer
  readonly training: Omit<Training, 'steps'>
}

/**
 * Log probabilities by models of the given labels that are `kept`, each of rows that it was not trained on. The ranks share
 * the folds out.
 */
export async function fromGiven(
  {
    trainer,
    given,
    fold,
    folds,
    classes,
    training,
  }: Pick<CandidateData, 'trainer' | 'given' | 'fold' | 'folds' | 'classes' | 'training'>,
  kept: (row: number) => boolean = () => true,
  ranks = new Ranks(),
): Promise<Float64Array> {
  const out = new Float64Array(given.length * classes)
  const all = Uint32Array.from(given.keys())
  const inFold = (f: number) => all.filter((row) => fold[row] === f)
  const parts = await ranks.sharedOut(folds, async (f) => {
    const rest = all.filter((row) => fold[row] !== f)
    const learned = rest.filter(kept)
    const theta = await fit(trainer, training, 'first', learned.length > 0 ? learned : rest)
    return logsOf(trainer, theta, inFold(f))
  })
  for (const [f, logs] of parts.entries()) place(logs, inFold(f), classes, out)
  return out
}

/**
 * The candidates that learn from checked rows, those of `use` (places in `known`) alone:
 *
 * - `trusted`: a model of these rows,
 * - `retrained`: one of these and of the rows with whose label `trusted` agrees,
 * - `filter`: the same again, some rounds on,
 * - `posterior`: what `filter` says once the given label is known, by counted noise (Patrini et al. 2017).
 */
export async function fromChecked(
  data: CandidateData,
  use: Uint32Array,
): Promise<{
  readonly candidates: Candidates
  /** A model of the filter to start from. */
  readonly theta: Theta
}> {
  const { classes, given, known, truth, fold, folds, trainer, trustedTrainer, training } = data
  const n = given.length
  const all = Uint32Array.from(given.keys())
  const places = Uint32Array.from(use, (j) => n + j)
  const used = new Set(Array.from(use, (j) => known[j]))
  const seen = new Set(Array.from(use, (j) => truth[j]))
  const trusted = logsOf(trustedTrainer, await fit(trustedTrainer, training, 'first', places), all)
  // A class that no checked row has is not known to the model, which can't disagree with its labels.
  const agrees = (logs: Float64Array, row: number) =>
    !seen.has(given[row]) || mostLikely(logs, classes, row) === given[row]
  let logs = trusted
  let retrained = trusted
  const thetas: (Theta | undefined)[] = Array(folds).fill(undefined)
  for (let round = 0; round < rounds; round++) {
    const next = new Float64Array(n * classes)
    for (let f = 0; f < folds; f++) {
      const kept = all.filter((row) => fold[row] !== f && !used.has(row) && agrees(logs, row))
      const positions = new Uint32Array(kept.length + places.length)
      positions.set(kept)
      positions.set(places, kept.length)
      const start = thetas[f]
      const theta = await fit(trainer, training, start ? 'next' : 'first', positions, start)
      thetas[f] = theta
      const unseen = all.filter((row) => fold[row] === f)
      place(logsOf(trainer, theta, unseen), unseen, classes, next)
    }
    logs = next
    if (round === 0) retrained = next
  }
  const noise = countedNoise(data, use)
  const posterior = logs.map((log, k) => log + noise[(k % classes) * classes + given[(k / classes) | 0]])
  normalize(posterior, classes)
  const theta = thetas[0] as Theta
  return { candidates: { trusted, retrained, filter: logs, posterior }, theta }
}

/** log P(given y | true k), classes × classes, counted on checked rows with some confidence in right labels. */
function countedNoise({ classes, given, known, truth }: CandidateData, use: Uint32Array): Float64Array {
  const counts = new Float64Array(classes * classes).fill(smoothing.any)
  for (let c = 0; c < classes; c++) counts[c * classes + c] += smoothing.right
  for (const j of use) counts[truth[j] * classes + given[known[j]]]++
  const totals = Float64Array.from({ length: classes }, (_, c) =>
    counts.subarray(c * classes, (c + 1) * classes).reduce((sum, count) => sum + count, 0),
  )
  return counts.map((count, k) => Math.log(count / totals[(k / classes) | 0]))
}

/** Makes the exponentials of each row sum to one. */
export function normalize(logs: Float64Array, classes: number): void {
  for (let at = 0; at < logs.length; at += classes) {
    const row = logs.subarray(at, at + classes)
    const most = row.reduce((most, log) => Math.max(most, log), Number.NEGATIVE_INFINITY)
    let total = 0
    for (const log of row) total += Math.exp(log - most)
    for (let c = 0; c < classes; c++) row[c] -= most + Math.log(total)
  }
}

/** θ of a training on the positions: the first one, one that goes on, or the last one. */
export async function fit(
  trainer: Trainer,
  training: Omit<Training, 'steps'>,
  length: keyof typeof checked.steps,
  positions: Uint32Array,
  start?: Theta,
): Promise<Theta> {
  training.signal?.throwIfAborted()
  const batchSize = Math.min(training.batchSize, positions.length)
  const steps = stepsOf(trainer.model)[length]
  return trainer.train({ ...training, batchSize, steps, averaging: 0.5 }, { positions, start })
}

/** Steps of trainings of a model. */
export const stepsOf = ({ kind }: Model) => (kind === 'mlp' ? perceptron : checked).steps

const least = 1e-6

/** What a model says of rows. */
function logsOf(trainer: Trainer, theta: Theta, rows: Uint32Array): Float64Array {
  return Float64Array.from(trainer.probabilities(theta, rows), (p) => Math.log(Math.max(least, p)))
}

/** Puts what is said of rows at their places among all. */
function place(logs: Float64Array, rows: Uint32Array, classes: number, out: Float64Array): void {
  for (const [i, row] of rows.entries()) out.set(logs.subarray(i * classes, (i + 1) * classes), row * classes)
}
