import type { Backend } from '../../backend/backend.ts'
import type { Features } from '../../backend/binding.ts'
import type { Classifier } from '../classifier.ts'
import { accuracy, auc, detection, margins, mostLikely } from '../metrics.ts'
import { type Theta, Trainer, type Training } from '../trainer.ts'
import { cleanLabels } from './cleanLabels.ts'
import { selfConfidence } from './selfConfidence.ts'
import { concat } from './split.ts'

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
  /** Accuracy of its last model on the test set. */
  readonly accuracy: number
  /** AUC of its score for wrong labels. */
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

type Recipe = Training & { readonly regularization: number }

/**
 * Takes all labels as given, and of eleven stops along the training the one that is best on the trusted samples. Each
 * stop is a training of its own, from the start.
 */
async function unweighted(c: CleaningCase, recipe: Recipe): Promise<RivalResult> {
  return timed(async () => {
    const trainer = trainerOf(c, recipe)
    const stops = [10, 20, 30, 50, 75, 100, 150, 250, 400, 700, recipe.steps]
    let best: { model: Theta; right: number } = { model: new Float32Array(0), right: -1 }
    for (const steps of stops) {
      const model = await trainer.train({ ...recipe, steps }, { positions: c.rows })
      const right = accuracy(trainer.probabilities(model, c.trusted), c.classes, c.trustedLabels)
      if (right > best.right) best = { model, right }
    }
    return asJudge(c, trainer, best.model)
  })
}

/** Trains on the trusted samples alone; a label is flagged where that model disagrees. */
async function trustedOnly(c: CleaningCase, recipe: Recipe): Promise<RivalResult> {
  return timed(async () => {
    const trainer = trainerOf(c, recipe)
    return asJudge(c, trainer, await trainer.train(recipe, { positions: c.trusted }))
  })
}

/**
 * Starts from the model of the trusted samples, keeps the samples with whose label it agrees, and trains on these and the
 * trusted ones. This is repeated until fewer than one in a thousand change, at most twelve times.
 */
async function filter(c: CleaningCase, recipe: Recipe): Promise<RivalResult> {
  return timed(async () => {
    const trainer = trainerOf(c, recipe)
    let model = await trainer.train(recipe, { positions: c.trusted })
    let flagged = disagreement(c, trainer, model)
    for (let round = 0; round < 12; round++) {
      model = await trainer.train(recipe, { positions: kept(c, flagged) })
      const next = disagreement(c, trainer, model)
      const changed = next.filter((flag, i) => flag !== flagged[i]).length
      if (changed <= c.rows.length / 1000) break
      flagged = next
    }
    return { ...asJudge(c, trainer, model), ...detection(flagged, wrong(c)) }
  })
}

/** Judges without trusted samples, which are used only in the last training, as by the filter. */
async function confidence(c: CleaningCase, recipe: Recipe): Promise<RivalResult> {
  return timed(async () => {
    const rows = { ...c, labels: c.given }
    const { score, flagged } = await selfConfidence(c.backend, rows, { ...recipe, steps: 500 })
    const trainer = trainerOf(c, recipe)
    const model = trainer.classifier(await trainer.train(recipe, { positions: kept(c, flagged) }))
    return { accuracy: onTest(c, model), auc: auc(score, wrong(c)), ...detection(flagged, wrong(c)) }
  })
}

/**
 * The start of our own margin weighting without a hypergradient: the posterior of a mixture of right and uniform labels,
 * whose margins and noise are estimated anew as the model learns. It tells what the hypergradient adds.
 */
async function mixture(c: CleaningCase, { seed, signal }: Recipe): Promise<RivalResult> {
  return timed(async () => {
    const { backend, features, classes, trusted } = c
    const options = { backend, features, classes, labels: labelsOf(c), trusted, seed, signal }
    const { scores, model } = await cleanLabels({ ...options, outerSteps: 1, outerRate: 0 })
    const own = Array.from(c.rows, (row) => scores[row])
    const doubted = own.map((score) => score > 0.5)
    return { accuracy: onTest(c, model), auc: auc(own, wrong(c)), ...detection(doubted, wrong(c)) }
  })
}

/** The best that could be reached, with every label true. */
async function allTrue(c: CleaningCase, recipe: Recipe): Promise<RivalResult> {
  return timed(async () => {
    const trainer = trainerOf({ ...c, given: c.truth }, recipe)
    const model = await trainer.train(recipe, { positions: concat(c.rows, c.trusted) })
    const nothing = { auc: NaN, precision: NaN, recall: NaN, f1: NaN }
    return { accuracy: onTest(c, trainer.classifier(model)), ...nothing }
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

/** The given labels, and the true ones of the trusted rows, in the rows of the features. */
function labelsOf({ features, rows, given, trusted, trustedLabels }: CleaningCase): Uint32Array {
  const labels = new Uint32Array(features.rows)
  for (const [i, row] of rows.entries()) labels[row] = given[i]
  for (const [i, row] of trusted.entries()) labels[row] = trustedLabels[i]
  return labels
}

function trainerOf(c: CleaningCase, { regularization }: Recipe): Trainer {
  const { backend, classes, features } = c
  return new Trainer(backend, classes, { features, labels: labelsOf(c) }, regularization)
}

/** The rows that are not flagged, and the trusted ones. */
function kept({ rows, trusted }: CleaningCase, flagged: readonly boolean[]): Uint32Array {
  return concat(
    rows.filter((_, i) => !flagged[i]),
    trusted,
  )
}

function disagreement(c: CleaningCase, trainer: Trainer, model: Theta): boolean[] {
  const p = trainer.probabilities(model, c.rows)
  return Array.from(c.given, (label, i) => mostLikely(p, c.classes, i) !== label)
}

/** Judges a model by its accuracy, and as a judge of labels: log-odds are its score, and disagreement is its flag. */
function asJudge(c: CleaningCase, trainer: Trainer, model: Theta) {
  const odds = margins(trainer.probabilities(model, c.rows), c.classes, c.given)
  return {
    accuracy: onTest(c, trainer.classifier(model)),
    auc: auc(
      odds.map((m) => -m),
      wrong(c),
    ),
    ...detection(disagreement(c, trainer, model), wrong(c)),
  }
}
