import { type Backend, type BackendInfo, read, upload } from '../backend/backend.ts'
import type { Features } from '../backend/binding.ts'
import { NhgdError } from '../backend/errors.ts'
import type { Matrix } from '../backend/matrix.ts'
import { absentClasses } from '../data/labels.ts'
import { permutation } from '../data/split.ts'
import { Clock } from '../hypergradient/clock.ts'
import { type NhgdOptions, nhgd } from '../methods/nhgd.ts'
import { softmaxRegression } from '../problems/model.ts'
import type { Problem } from '../problems/problem.ts'
import { reweighting } from '../problems/reweighting.ts'
import { type SolveResult, solve } from '../solve.ts'
import { Classifier, descend, innerRate, type Training, train } from './classifier.ts'
import { accuracy, logit, margins, meanLoss, mostLikely, sigmoid } from './metrics.ts'
import { estimateTransition, transitionMargins, uniform } from './transition.ts'

export interface CleanLabelsOptions {
  readonly backend: Backend
  /** All samples, one a row; an uploaded matrix is taken at the scale it has. */
  readonly features: Matrix | Features
  /** A class for each sample, 0 to C − 1; those of the trusted ones are right. */
  readonly labels: ArrayLike<number>
  /** Rows whose labels are known to be right. */
  readonly trusted: ArrayLike<number>
  /** C; one more than the largest label where absent. */
  readonly classes?: number
  /** How samples are weighed: by their margin, with few outer variables, or by a logit each. */
  readonly weighting?: 'margin' | 'perSample'
  /** Share of the trusted samples that neither objective sees: it chooses the outer step to keep. 0 keeps the last. */
  readonly holdout?: number
  readonly outerSteps?: number
  /** First step size of the outer optimiser, Adam; 0 keeps the start, the posterior of a mixture of right and uniform
   * labels. */
  readonly outerRate?: number
  /** Factor of ‖θ‖². */
  readonly regularization?: number
  /** Brings the features to a usual scale by one common factor, so that step sizes need no tuning. */
  readonly normalize?: boolean
  readonly method?: NhgdOptions
  /** Weights to start from, one a sample (`perSample` alone). */
  readonly weights?: ArrayLike<number>
  readonly seed?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: CleaningProgress) => void
}

/** One outer step. */
export interface CleaningProgress {
  readonly step: number
  readonly steps: number
  /** Mean loss on the trusted samples of the outer objective, a prior's term included. */
  readonly outerLoss: number
  /** Mean loss on those held back, NaN where none are. */
  readonly heldOutLoss: number
  /** Of the linear solve. */
  readonly residual: number
  readonly seconds: number
  readonly secondsLeft: number
  /** The classifier as it is at this step. */
  readonly classifier: () => Classifier
}

export interface CleanLabelsResult {
  /** Rows that were not trusted; all that follows is in their order. */
  readonly rows: Uint32Array
  /** Weight of each label, 0 to 1; below ½ a sample is left out of the last training. */
  readonly weights: Float64Array
  /** How likely each label is wrong, 0 to 1: weight and retrained model together. */
  readonly score: Float64Array
  /** Positions in `rows`, the most doubtful label first. */
  readonly ranking: Uint32Array
  /** The class that the retrained model would give. */
  readonly suggested: Int32Array
  /** The model at the end of the bilevel run, θ^T. */
  readonly theta: Classifier
  /** The model retrained on the kept and the trusted samples. */
  readonly model: Classifier
  readonly curves: readonly Omit<CleaningProgress, 'classifier' | 'steps' | 'secondsLeft'>[]
  /** The outer step whose v was kept. */
  readonly bestStep: number
  /** Whether the held-out loss rose from there: over-fitting of the trusted samples. */
  readonly overfitting: boolean
  readonly outer: Float32Array | Float64Array
  readonly solve: SolveResult
  readonly seconds: Readonly<Record<string, number>>
  readonly backend: BackendInfo
  readonly settings: Readonly<Record<string, unknown>>
}

/** Steps of the first models, rounds and steps before and after the bilevel run, steps of the last training. */
const schedule = {
  first: 1000,
  settling: 10,
  settlingSteps: 80,
  rounds: 8,
  round: 150,
  retrain: 1500,
  batchSize: 1024,
}

/**
 * Finds wrong labels with the help of some that are right. A softmax regression is trained with a weight for each
 * sample; the weights' few parameters follow the hypergradient of the trusted samples' loss. What keeps a weight above
 * ½ is trained on once more, and model and weights together score every label.
 *
 * @throws NhgdError `ERR_SHAPE`, `ERR_RANGE` (labels, trusted rows out of range or twice, an absent class),
 * `ERR_NOT_FINITE`.
 */
export async function cleanLabels(options: CleanLabelsOptions): Promise<CleanLabelsResult> {
  const { backend, weighting = 'margin', holdout = 0.2, seed = 0, signal } = options
  const { regularization = 1e-4, outerSteps = 30 } = options
  const clock = new Clock()
  clock.enter('start')
  const data = prepare(options)
  const { features, classes, free, freeLabels, labelsOf } = data
  const parts = splitTrusted(data.trusted, weighting === 'margin', holdout, seed)
  const rate = firstRate(options, data, regularization)
  const training = { rate, batchSize: schedule.batchSize, regularization, seed, signal }

  if (weighting === 'margin' && options.weights) {
    throw new NhgdError('ERR_RANGE', '"weights" expected the weighting "perSample", got "margin"')
  }
  const start =
    weighting === 'margin' ? await marginStart(options, data, parts, training) : perSampleStart(options, data)
  const rows = concat(free, parts.anchors)
  const problem = reweighting({
    backend,
    model: softmaxRegression({ classes }),
    train: { features, rows, labels: labelsOf(rows) },
    trusted: { features, rows: parts.outer, labels: labelsOf(parts.outer) },
    regularization,
    weighting,
    anchors: parts.anchors.length,
    prior: start.prior,
    transition: start.transition,
  })
  if (start.inner) problem.oracles.refresh(problem.vector(start.inner), problem.vector(start.outer))
  const settings = methodSettings(options, weighting, rate)
  const held = { rows: parts.heldOut, labels: labelsOf(parts.heldOut) }
  const point = problem.start()
  const best = { step: 0, loss: Number.POSITIVE_INFINITY, outer: read(point.outer) }
  const curves: CleanLabelsResult['curves'][number][] = []
  const run = solve(problem, {
    method: nhgd(settings.method),
    outerOptimizer: settings.outerOptimizer(outerSteps),
    outerSteps,
    inner: start.inner,
    outer: start.outer,
    seed,
    signal,
    onStep({ step, outerLoss, residual, seconds, estimate, point }) {
      const classifier = () => new Classifier(backend, classes, features.columns, read(estimate.inner))
      const heldOutLoss =
        held.rows.length > 0
          ? meanLoss(classifier().probabilities(features, held.rows), classes, held.labels)
          : Number.NaN
      if (!(heldOutLoss >= best.loss)) {
        Object.assign(best, { step, loss: heldOutLoss, outer: read(point.outer) })
      }
      const progress = { step, outerLoss, heldOutLoss, residual, seconds }
      curves.push(progress)
      const secondsLeft = (seconds / step) * (outerSteps - step)
      const atStep = () => classifier().forScale(data.factor)
      options.onProgress?.({ ...progress, steps: outerSteps, secondsLeft, classifier: atStep })
    },
  })
  clock.enter('')
  const solved = await run.result
  const theta = new Classifier(backend, classes, features.columns, solved.inner)

  clock.enter('polish')
  const polished =
    weighting === 'margin'
      ? await polish(problem, data, { ...start, outer: best.outer, inner: solved.inner }, training)
      : undefined
  const odds = polished ?? Float64Array.from(best.outer)
  const weights = odds.map(sigmoid)
  clock.enter('retrain')
  const kept = concat(
    free.filter((_, i) => weights[i] > 0.5),
    data.trusted,
  )
  const model = await train(
    backend,
    classes,
    { features, rows: kept, labels: labelsOf(kept) },
    { ...training, steps: schedule.retrain },
  )
  const p = model.probabilities(features, free)
  const trust = margins(p, classes, freeLabels)
  const score = odds.map((z, i) => sigmoid(-(z + trust[i]) / 2))
  clock.enter('')
  const { total: _, ...phases } = { ...clock.seconds, ...solved.seconds }
  const total = Object.values(clock.seconds).reduce((sum, s) => sum + s, solved.seconds.total)
  const seconds = { ...phases, total }
  const last = curves.at(-1)
  return {
    rows: free,
    weights,
    score,
    ranking: Uint32Array.from(score.keys()).sort((a, b) => score[b] - score[a] || a - b),
    suggested: Int32Array.from(score, (_, i) => mostLikely(p, classes, i)),
    theta: theta.forScale(data.factor),
    model: model.forScale(data.factor),
    curves,
    bestStep: best.step,
    overfitting:
      last !== undefined && last.step - best.step >= outerSteps / 5 && last.heldOutLoss > best.loss,
    outer: best.outer,
    solve: solved,
    seconds,
    backend: backend.info(),
    settings: { weighting, holdout, outerSteps, regularization, seed, innerRate: rate, ...settings.method },
  }
}

/** A data set that is uploaded and checked. */
interface Prepared {
  readonly features: Features
  /** What the given features were multiplied by. */
  readonly factor: number
  readonly classes: number
  readonly trusted: Uint32Array
  /** Rows that are not trusted, and their labels. */
  readonly free: Uint32Array
  readonly freeLabels: Int32Array
  readonly labelsOf: (rows: Uint32Array) => Uint32Array
}

function prepare({
  backend,
  features,
  labels,
  trusted,
  normalize = true,
  ...rest
}: CleanLabelsOptions): Prepared {
  if (labels.length !== features.rows) {
    throw new NhgdError('ERR_SHAPE', `"labels" expected ${features.rows}, one a row, got ${labels.length}`)
  }
  const limit = rest.classes ?? 2 ** 31
  const odd = Array.from(labels).findIndex((y) => !(Number.isInteger(y) && y >= 0 && y < limit))
  if (odd >= 0) {
    const got = `${labels[odd]} at index ${odd}`
    throw new NhgdError('ERR_RANGE', `"labels" expected whole numbers from 0 to below ${limit}, got ${got}`)
  }
  const classes = rest.classes ?? 1 + Array.from(labels).reduce((max, y) => Math.max(max, y), 0)
  const chosen = new Set<number>()
  for (const [i, row] of Array.from(trusted).entries()) {
    if (!Number.isInteger(row) || row < 0 || row >= features.rows) {
      const got = `${row} at index ${i}`
      throw new NhgdError('ERR_RANGE', `"trusted" expected rows below ${features.rows}, got ${got}`)
    }
    if (chosen.has(row))
      throw new NhgdError('ERR_RANGE', `"trusted" expected each row once, got ${row} twice`)
    chosen.add(row)
  }
  if (chosen.size < 4 || chosen.size === features.rows) {
    const expected = `at least 4 rows and fewer than all ${features.rows}`
    throw new NhgdError('ERR_RANGE', `"trusted" expected ${expected}, got ${chosen.size}`)
  }
  const absent = absentClasses(labels, classes)
  if (absent.length > 0) {
    throw new NhgdError(
      'ERR_RANGE',
      `"labels" expected every class 0 to ${classes - 1}, got none of ${absent}`,
    )
  }
  const free = Uint32Array.from({ length: features.rows }, (_, i) => i).filter((row) => !chosen.has(row))
  const labelsOf = (rows: Uint32Array) => rows.map((row) => labels[row])
  const given = 'data' in features ? (features.scale ?? 1) : 1
  const scale = normalize && 'data' in features ? usualScale(features) : given
  return {
    features: 'data' in features ? upload(backend, { ...features, scale }) : features,
    factor: given === 0 ? 1 : scale / given,
    classes,
    trusted: Uint32Array.from(trusted),
    free,
    freeLabels: Int32Array.from(labelsOf(free)),
    labelsOf,
  }
}

/** The scale at which rows have a root mean square norm of 10. */
function usualScale({ data, rows, scale = 1 }: Matrix): number {
  let square = 0
  for (const x of data) square += x * x
  return square > 0 ? 10 / Math.sqrt(square / rows) : scale
}

/** Trusted rows that anchor the inner objective, make the outer one, and are held back from both. */
interface Parts {
  readonly anchors: Uint32Array
  readonly outer: Uint32Array
  readonly heldOut: Uint32Array
}

function splitTrusted(trusted: Uint32Array, anchored: boolean, holdout: number, seed: number): Parts {
  if (!(holdout >= 0 && holdout < 1)) {
    throw new NhgdError('ERR_RANGE', `"holdout" expected a share from 0 to below 1, got ${holdout}`)
  }
  const order = Uint32Array.from(permutation(trusted.length, seed), (i) => trusted[i])
  const heldOut = order.slice(0, Math.round(holdout * trusted.length))
  const rest = order.slice(heldOut.length)
  if (rest.length < 2) {
    const expected = `a share that leaves 2 of the ${trusted.length} trusted rows`
    throw new NhgdError('ERR_RANGE', `"holdout" expected ${expected}, got ${holdout}`)
  }
  const anchors = anchored ? rest.slice(0, rest.length >> 1) : rest.slice(0, 0)
  return { anchors, outer: rest.slice(anchors.length), heldOut }
}

/** The inner rate for weights of one, from the Hessian at θ = 0. */
function firstRate({ backend }: CleanLabelsOptions, data: Prepared, regularization: number): number {
  const { features, classes, trusted, labelsOf } = data
  const set = { features, rows: data.free, labels: labelsOf(data.free) }
  const problem = reweighting({
    backend,
    model: softmaxRegression({ classes }),
    train: set,
    trusted: { features, rows: trusted, labels: labelsOf(trusted) },
    weighting: { fixed: new Float64Array(data.free.length).fill(1) },
    regularization,
  })
  const { inner, outer } = problem.start()
  return innerRate(problem, inner, outer, 0)
}

/** Where the bilevel run starts. */
interface Start {
  readonly inner?: ArrayLike<number>
  readonly outer: ArrayLike<number>
  readonly prior?: { readonly mean: readonly number[]; readonly precision: readonly number[] }
  readonly transition?: Float64Array
}

function perSampleStart({ weights }: CleanLabelsOptions, { free }: Prepared): Start {
  if (!weights) return { outer: new Float64Array(free.length) }
  if (weights.length !== free.length) {
    throw new NhgdError(
      'ERR_SHAPE',
      `"weights" expected ${free.length}, one a row not trusted, got ${weights.length}`,
    )
  }
  const odd = Array.from(weights).findIndex((w) => !(w >= 0 && w <= 1))
  if (odd >= 0) {
    throw new NhgdError('ERR_RANGE', `"weights" expected 0 to 1, got ${weights[odd]} at index ${odd}`)
  }
  return { outer: Float64Array.from(weights, (w) => logit(Math.min(1 - 1e-6, Math.max(1e-6, w)))) }
}

/**
 * Where margin weights start: biases 0, a slope above 1 since a model that is trained on such labels is less sure than it
 * should be, a model of the anchors, and the noise transition. The share of right labels follows from how often models of
 * one half of the trusted samples agree with the labels, given how often they are right on the other half; from uniform
 * noise of that share the transition is estimated by expectation maximisation while the model learns.
 */
async function marginStart(
  options: CleanLabelsOptions,
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
    const model = await train(options.backend, classes, set, { ...training, steps: schedule.first })
    const right = accuracy(model.probabilities(features, others), classes, labelsOf(others))
    const agree = accuracy(model.probabilities(features, free), classes, freeLabels)
    const chance = (1 - right) / (classes - 1)
    shares.push((agree - chance) / Math.max(0.05, right - chance))
    first ??= model
  }
  if (!first) throw new NhgdError('ERR_INTERNAL', 'no first model')
  const share = Math.min(0.98, Math.max(0.02, (shares[0] + shares[1]) / 2))
  const slope = 1.5
  const settled = await settle(options.backend, data, parts, first, uniform(share, classes), slope, training)
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
    for (let i = 0; i < 3; i++) transition = estimateTransition(p, classes, freeLabels, transition, slope)
    const odds = transitionMargins(p, classes, freeLabels, transition, slope)
    const weights = new Float64Array(rows.length).fill(1)
    weights.set(odds.map(sigmoid))
    const steps = { ...training, seed: training.seed + round, steps: schedule.settlingSteps, averaging: 0.5 }
    model = await train(backend, classes, set, steps, { weights, start: model.theta })
  }
  return { inner: model.theta, transition }
}

/** Settings of the method and of the outer optimiser. */
function methodSettings(
  { method, outerRate }: CleanLabelsOptions,
  weighting: 'margin' | 'perSample',
  rate: number,
) {
  const innerOptimizer = { kind: 'momentum', rate } as const
  if (weighting === 'margin') {
    const first = outerRate ?? 0.03
    return {
      method: { innerOptimizer, averaging: 0.5, refineDamping: 1e-3, ...method },
      outerOptimizer: (steps: number) =>
        ({ kind: 'adam', beta2: 0.99, rate: (k: number) => first * (1 - k / steps) }) as const,
    }
  }
  return {
    method: { innerOptimizer, ...method },
    outerOptimizer: () => ({ kind: 'adam', shared: true, beta2: 0.99, rate: outerRate ?? 0.5 }) as const,
  }
}

/**
 * Lets weights and model settle with v fixed and all trusted samples among the inner ones: rounds of margins and
 * averaged SGD. Returns the log-odds of every label.
 */
async function polish(
  { backend }: Problem,
  { features, classes, free, freeLabels, trusted, labelsOf }: Prepared,
  { inner: theta = [], outer: v, transition = uniform(0.5, classes) }: Start,
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
  const { inner, outer } = { inner: settled.vector(theta), outer: settled.vector(v) }
  for (let round = 0; round < schedule.rounds && !training.signal?.aborted; round++) {
    settled.oracles.refresh(inner, outer)
    const seed = training.seed + round
    await descend(settled, inner, outer, { ...training, seed, steps: schedule.round, averaging: 0.5 })
  }
  const model = new Classifier(backend, classes, features.columns, read(inner))
  const m = transitionMargins(
    model.probabilities(features, free),
    classes,
    freeLabels,
    transition,
    v[classes],
  )
  return m.map((m, i) => v[freeLabels[i]] + m)
}

function concat(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = new Uint32Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
