import type { Backend } from '../backend/backend.ts'
import type { Features } from '../backend/binding.ts'
import { type Classifier, type Training, train } from './classifier.ts'
import { cleanLabels } from './cleanLabels.ts'
import { accuracy, auc, detection, margins, mostLikely } from './metrics.ts'
import { type LabelledRows, selfConfidence } from './selfConfidence.ts'

/** A cleaning problem whose answer is known: what rivals are given, and what they are judged by. */
export interface CleaningCase {
  readonly backend: Backend
  readonly features: Features
  readonly classes: number
  /** Rows that may be wrong, their given and their true labels. */
  readonly rows: Uint32Array
  readonly given: Int32Array
  readonly truth: Int32Array
  /** Rows that are right, and their labels. */
  readonly trusted: Uint32Array
  readonly trustedLabels: Int32Array
  readonly test: { readonly features: Features; readonly labels: Int32Array }
}

/** What a rival reached; NaN for what it doesn't give. */
export interface RivalResult {
  /** Of the model that it ends with, on the test set. */
  readonly accuracy: number
  /** Of its score for wrong labels. */
  readonly auc: number
  readonly precision: number
  readonly recall: number
  readonly f1: number
  readonly seconds: number
}

/** The simple rivals, computed on the same data. */
export const rivals = {
  unweighted,
  trustedOnly,
  filter,
  selfConfidence: confidence,
  mixture,
  allTrue,
} as const

export type RivalName = keyof typeof rivals

/** All labels as given; of eleven stops along the training the one that is best on the trusted samples. */
async function unweighted(c: CleaningCase, training: Training): Promise<RivalResult> {
  return timed(async () => {
    const stops = [10, 20, 30, 50, 75, 100, 150, 250, 400, 700, training.steps]
    let best: { model: Classifier; right: number } | undefined
    for (const steps of stops) {
      const model = await train(c.backend, c.classes, dirty(c), { ...training, steps })
      const right = accuracy(model.probabilities(c.features, c.trusted), c.classes, c.trustedLabels)
      if (!best || right > best.right) best = { model, right }
    }
    if (!best) throw new RangeError('no stops')
    return { accuracy: onTest(c, best.model), ...asJudge(c, best.model) }
  })
}

/** The trusted samples alone; a label is flagged where that model disagrees. */
async function trustedOnly(c: CleaningCase, training: Training): Promise<RivalResult> {
  return timed(async () => {
    const model = await train(c.backend, c.classes, kept(c, []), training)
    return { accuracy: onTest(c, model), ...asJudge(c, model) }
  })
}

/**
 * From the model of the trusted samples: keep the samples whose label it agrees with, train on these and the trusted,
 * and again until fewer than one in a thousand change, twelve times at the most.
 */
async function filter(c: CleaningCase, training: Training): Promise<RivalResult> {
  return timed(async () => {
    let model = await train(c.backend, c.classes, kept(c, []), training)
    let flagged = disagreement(c, model)
    for (let round = 0; round < 12; round++) {
      model = await train(c.backend, c.classes, kept(c, flagged), training)
      const next = disagreement(c, model)
      const changed = next.filter((flag, i) => flag !== flagged[i]).length
      if (changed <= c.rows.length / 1000) break
      flagged = next
    }
    return { accuracy: onTest(c, model), ...asJudge(c, model), ...detection(flagged, wrong(c)) }
  })
}

/** No trusted samples to judge by; they are trained on at the end like the filter's. */
async function confidence(c: CleaningCase, training: Training): Promise<RivalResult> {
  return timed(async () => {
    const rows: LabelledRows = { ...c, labels: c.given }
    const { score, flagged } = await selfConfidence(c.backend, rows, { ...training, steps: 500 })
    const model = await train(c.backend, c.classes, kept(c, flagged), training)
    return { accuracy: onTest(c, model), auc: auc(score, wrong(c)), ...detection(flagged, wrong(c)) }
  })
}

/**
 * The start of our own margin weighting without a hypergradient: the posterior of a mixture of right and uniform labels,
 * its margins and its noise renewed as the model learns. It tells what the hypergradient adds.
 */
async function mixture(c: CleaningCase, { seed, signal }: Training): Promise<RivalResult> {
  return timed(async () => {
    const labels = new Int32Array(c.features.rows)
    c.rows.forEach((row, i) => {
      labels[row] = c.given[i]
    })
    c.trusted.forEach((row, i) => {
      labels[row] = c.trustedLabels[i]
    })
    const { backend, features, classes, trusted } = c
    const options = {
      backend,
      features,
      classes,
      labels,
      trusted,
      seed,
      signal,
      outerSteps: 1,
      outerRate: 0,
    }
    const { score, model } = await cleanLabels(options)
    const doubted = Array.from(score, (s) => s > 0.5)
    return { accuracy: onTest(c, model), auc: auc(score, wrong(c)), ...detection(doubted, wrong(c)) }
  })
}

/** What could be reached at best: every label true. */
async function allTrue(c: CleaningCase, training: Training): Promise<RivalResult> {
  return timed(async () => {
    const rows = join(c.rows, c.trusted)
    const labels = join(c.truth, c.trustedLabels)
    const model = await train(c.backend, c.classes, { features: c.features, rows, labels }, training)
    return { accuracy: onTest(c, model), auc: NaN, precision: NaN, recall: NaN, f1: NaN }
  })
}

async function timed(work: () => Promise<Omit<RivalResult, 'seconds'>>): Promise<RivalResult> {
  const start = performance.now()
  return { ...(await work()), seconds: (performance.now() - start) / 1000 }
}

/** Which given labels are not the true ones. */
export function wrong({ given, truth }: Pick<CleaningCase, 'given' | 'truth'>): boolean[] {
  return Array.from(given, (label, i) => label !== truth[i])
}

/** Accuracy on the test set. */
export function onTest({ test, classes }: CleaningCase, model: Classifier): number {
  return accuracy(model.probabilities(test.features), classes, test.labels)
}

function dirty({ features, rows, given }: CleaningCase) {
  return { features, rows, labels: given }
}

/** The rows that are not flagged, where flags are given, and the trusted ones. */
function kept(c: CleaningCase, flagged: readonly boolean[]) {
  const keep = Array.from(c.rows.keys()).filter((i) => flagged[i] === false)
  return {
    features: c.features,
    rows: join(
      keep.map((i) => c.rows[i]),
      c.trusted,
    ),
    labels: join(
      keep.map((i) => c.given[i]),
      c.trustedLabels,
    ),
  }
}

function disagreement(c: CleaningCase, model: Classifier): boolean[] {
  const p = model.probabilities(c.features, c.rows)
  return Array.from(c.given, (label, i) => mostLikely(p, c.classes, i) !== label)
}

/** A model as a judge of labels: its log-odds as a score, its disagreement as a flag. */
function asJudge(c: CleaningCase, model: Classifier) {
  const p = model.probabilities(c.features, c.rows)
  const odds = margins(p, c.classes, c.given)
  return {
    auc: auc(
      odds.map((m) => -m),
      wrong(c),
    ),
    ...detection(disagreement(c, model), wrong(c)),
  }
}

function join(a: ArrayLike<number>, b: ArrayLike<number>): Uint32Array {
  return Uint32Array.from([...Array.from(a), ...Array.from(b)])
}
