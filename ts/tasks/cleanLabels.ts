import { type Backend, type BackendInfo, read } from '../backend/backend.ts'
import type { Features } from '../backend/binding.ts'
import { NhgdError } from '../backend/errors.ts'
import type { Matrix } from '../backend/matrix.ts'
import { Clock } from '../hypergradient/clock.ts'
import { nhgd } from '../methods/nhgd.ts'
import type { NhgdOptions } from '../methods/nhgdOptions.ts'
import { softmaxRegression } from '../problems/model.ts'
import { reweighting } from '../problems/reweighting.ts'
import { type SolveResult, solve } from '../solve.ts'
import { Classifier, innerRate, train } from './classifier.ts'
import { marginStart, polish, type Start } from './marginWeights.ts'
import { logit, margins, meanLoss, mostLikely, sigmoid } from './metrics.ts'
import { concat, type Prepared, prepare, splitTrusted } from './trusted.ts'

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

/** The last training. */
const last = { steps: 1500, batchSize: 1024 }

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
  const training = { rate, batchSize: last.batchSize, regularization, seed, signal }

  if (weighting === 'margin' && options.weights) {
    throw new NhgdError('ERR_RANGE', '"weights" expected the weighting "perSample", got "margin"')
  }
  const start =
    weighting === 'margin' ? await marginStart(backend, data, parts, training) : perSampleStart(options, data)
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
      ? await polish(backend, data, { ...start, outer: best.outer, inner: solved.inner }, training)
      : undefined
  const odds = polished ?? Float64Array.from(best.outer)
  const weights = odds.map(sigmoid)
  clock.enter('retrain')
  const kept = concat(
    free.filter((_, i) => weights[i] > 0.5),
    data.trusted,
  )
  const model = signal?.aborted
    ? theta
    : await train(
        backend,
        classes,
        { features, rows: kept, labels: labelsOf(kept) },
        { ...training, steps: last.steps },
      )
  const p = model.probabilities(features, free)
  const trust = margins(p, classes, freeLabels)
  const score = odds.map((z, i) => sigmoid(-(z + trust[i]) / 2))
  clock.enter('')
  const { total: _, ...phases } = { ...clock.seconds, ...solved.seconds }
  const total = Object.values(clock.seconds).reduce((sum, s) => sum + s, solved.seconds.total)
  const seconds = { ...phases, total }
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
    overfitting: solved.steps - best.step >= outerSteps / 5,
    outer: best.outer,
    solve: solved,
    seconds,
    backend: backend.info(),
    settings: { weighting, holdout, outerSteps, regularization, seed, innerRate: rate, ...settings.method },
  }
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
  return innerRate(problem, problem.start(), 0)
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

/** Settings of the method and of the outer optimiser. */
function methodSettings(
  { method, outerRate }: CleanLabelsOptions,
  weighting: 'margin' | 'perSample',
  rate: number,
) {
  const innerOptimizer = { kind: 'momentum', rate } as const
  // Each step counts here, not its time: what v ends at is kept.
  const usual = {
    fisher: { form: 'kronecker', statistic: 'expected', damping: 1e-3, size: 8192, refreshEvery: 10 },
    refine: 6,
    refineSamples: 8192,
    cross: 'all',
    innerSteps: 40,
    innerOptimizer,
  } as const
  if (weighting === 'margin') {
    const first = outerRate ?? 0.03
    return {
      method: { ...usual, averaging: 0.5, refineDamping: 1e-3, ...method },
      outerOptimizer: (steps: number) =>
        ({ kind: 'adam', beta2: 0.99, rate: (k: number) => first * (1 - k / steps) }) as const,
    }
  }
  return {
    method: { ...usual, averaging: 0, refineDamping: 0, ...method },
    outerOptimizer: () => ({ kind: 'adam', shared: true, beta2: 0.99, rate: outerRate ?? 0.5 }) as const,
  }
}
