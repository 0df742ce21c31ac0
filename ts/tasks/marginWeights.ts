import type { Backend } from '../backend/backend.ts'
import { read } from '../backend/backend.ts'
import { NhgdError } from '../backend/errors.ts'
import { softmaxRegression } from '../problems/model.ts'
import { reweighting } from '../problems/reweighting.ts'
import { Classifier, descend, type Training, train } from './classifier.ts'
import { accuracy, sigmoid } from './metrics.ts'
import { estimateTransition, transitionMargins, uniform } from './transition.ts'
import { concat, type Parts, type Prepared } from './trusted.ts'

/** Steps of the first models, rounds and steps before the bilevel run, and after it. */
const schedule = { first: 1000, settling: 10, settlingSteps: 80, rounds: 8, round: 150 }

/** Where the bilevel run starts. */
export interface Start {
  readonly inner?: ArrayLike<number>
  readonly outer: ArrayLike<number>
  readonly prior?: { readonly mean: readonly number[]; readonly precision: readonly number[] }
  readonly transition?: Float64Array
}

/**
 * Where margin weights start: biases 0, a slope above 1 since a model that is trained on such labels is less sure than it
 * should be, a model of the anchors, and the noise transition. The share of right labels follows from how often models of
 * one half of the trusted samples agree with the labels, given how often they are right on the other half; from uniform
 * noise of that share the transition is estimated by expectation maximisation while the model learns.
 */
export async function marginStart(
  backend: Backend,
  data: Prepared,
  parts: Parts,
  training: Omit<Training, 'steps'>,
): Promise<Start> {
  const { features, classes, free, freeLabels, labelsOf } = data
  const halves = [parts.anchors, concat(parts.outer, parts.heldOut)]
  const shares: number[] = []
  let first: Classifier | undefined
  for (const [rows, others] of [halves, halves.toReversed()]) {
    const set = { features, rows, labels: labelsOf(rows) }
    const model = await train(backend, classes, set, { ...training, steps: schedule.first })
    const right = accuracy(model.probabilities(features, others), classes, labelsOf(others))
    const agree = accuracy(model.probabilities(features, free), classes, freeLabels)
    const chance = (1 - right) / (classes - 1)
    shares.push((agree - chance) / Math.max(0.05, right - chance))
    first ??= model
  }
  if (!first) throw new NhgdError('ERR_INTERNAL', 'no first model')
  const share = Math.min(0.98, Math.max(0.02, (shares[0] + shares[1]) / 2))
  const slope = 1.5
  const settled = await settle(backend, data, parts, first, uniform(share, classes), slope, training)
  const mean = [...Array<number>(classes).fill(0), slope]
  const count = Math.min(500, parts.outer.length)
  const precision = [...Array<number>(classes).fill(1 / 0.5 ** 2 / count), 1 / 0.25 ** 2 / count]
  return { ...settled, outer: mean, prior: { mean, precision } }
}

/** Rounds of expectation (who is right, and what is the noise) and of training on the weights that follow. */
async function settle(
  backend: Backend,
  { features, classes, free, freeLabels, labelsOf }: Prepared,
  { anchors }: Parts,
  first: Classifier,
  start: Float64Array,
  slope: number,
  training: Omit<Training, 'steps'>,
): Promise<{ inner: ArrayLike<number>; transition: Float64Array }> {
  const rows = concat(free, anchors)
  const set = { features, rows, labels: labelsOf(rows) }
  let [model, transition] = [first, start]
  for (let round = 0; round < schedule.settling && !training.signal?.aborted; round++) {
    const p = model.probabilities(features, free)
    transition = estimateTransition(p, classes, freeLabels, transition, slope)
    const odds = transitionMargins(p, classes, freeLabels, transition, slope)
    const weights = new Float64Array(rows.length).fill(1)
    weights.set(odds.map(sigmoid))
    const steps = { ...training, seed: training.seed + round, steps: schedule.settlingSteps, averaging: 0.5 }
    model = await train(backend, classes, set, steps, { weights, start: model.theta })
  }
  return { inner: model.theta, transition }
}

/**
 * Lets weights and model settle with v fixed and all trusted samples among the inner ones: rounds of margins and
 * averaged SGD. Returns the log-odds of every label.
 */
export async function polish(
  backend: Backend,
  { features, classes, free, freeLabels, trusted, labelsOf }: Prepared,
  { inner, outer: v, transition = uniform(0.5, classes) }: Start,
  training: Omit<Training, 'steps'>,
): Promise<Float64Array> {
  const rows = concat(free, trusted)
  const settled = reweighting({
    backend,
    model: softmaxRegression({ classes }),
    train: { features, rows, labels: labelsOf(rows) },
    trusted: { features, rows: trusted, labels: labelsOf(trusted) },
    regularization: training.regularization,
    weighting: 'margin',
    anchors: trusted.length,
    transition,
  })
  const point = settled.start(0, { inner, outer: v })
  for (let round = 0; round < schedule.rounds && !training.signal?.aborted; round++) {
    settled.oracles.refresh(point)
    const seed = training.seed + round
    await descend(settled, point, { ...training, seed, steps: schedule.round, averaging: 0.5 })
  }
  const model = new Classifier(backend, classes, features.columns, read(point.inner))
  const m = transitionMargins(
    model.probabilities(features, free),
    classes,
    freeLabels,
    transition,
    v[classes],
  )
  return m.map((m, i) => v[freeLabels[i]] + m)
}
