import type { Backend } from '../../backend/backend.ts'
import type { Features } from '../../backend/binding.ts'
import { assignFolds } from '../../data/split.ts'
import { margins, mostLikely, sigmoid } from '../metrics.ts'
import { Trainer, type Training } from '../trainer.ts'

/** Rows of uploaded features with a label each. */
export interface LabelledRows {
  readonly features: Features
  readonly classes: number
  readonly rows: Uint32Array
  readonly labels: Int32Array
}

/** What models that never saw a label think of it. */
export interface SelfConfidence {
  /** How likely each label is wrong, 0 to 1. */
  readonly score: Float64Array
  /** Whether another class is likelier than the label. */
  readonly flagged: boolean[]
  readonly suggested: Int32Array
}

/**
 * Cross-validated self-confidence, the idea of confident learning (Northcutt et al. 2021): each label is judged by a
 * model that was trained on the other folds, with all labels as they are. It needs no trusted samples and is not a
 * bilevel method.
 */
export async function selfConfidence(
  backend: Backend,
  { features, classes, rows, labels }: LabelledRows,
  { regularization, ...training }: Training & { readonly regularization: number },
  folds = 5,
): Promise<SelfConfidence> {
  const fold = assignFolds(labels, folds, training.seed)
  const trainer = new Trainer(backend, classes, { features, rows, labels }, regularization)
  const score = new Float64Array(rows.length)
  const suggested = new Int32Array(rows.length)
  const all = Uint32Array.from(rows.keys())
  for (let k = 0; k < folds; k++) {
    const unseen = all.filter((i) => fold[i] === k)
    const theta = await trainer.train(training, { positions: all.filter((i) => fold[i] !== k) })
    const p = trainer.probabilities(
      theta,
      unseen.map((i) => rows[i]),
    )
    const trust = margins(
      p,
      classes,
      unseen.map((i) => labels[i]),
    )
    for (const [at, i] of unseen.entries()) {
      score[i] = sigmoid(-trust[at])
      suggested[i] = mostLikely(p, classes, at)
    }
  }
  return { score, suggested, flagged: Array.from(labels, (label, i) => suggested[i] !== label) }
}
