import type { Backend } from '../backend/backend.ts'
import type { Features } from '../backend/binding.ts'
import { assignFolds } from '../data/split.ts'
import { type Training, train } from './classifier.ts'
import { margins, mostLikely, sigmoid } from './metrics.ts'

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
  training: Training,
  folds = 5,
): Promise<SelfConfidence> {
  const fold = assignFolds(labels, folds, training.seed)
  const score = new Float64Array(rows.length)
  const suggested = new Int32Array(rows.length)
  for (let k = 0; k < folds; k++) {
    const seen = positions(fold, (f) => f !== k)
    const unseen = positions(fold, (f) => f === k)
    const set = { features, rows: pick(rows, seen), labels: Uint32Array.from(seen, (i) => labels[i]) }
    const model = await train(backend, classes, set, training)
    const p = model.probabilities(features, pick(rows, unseen))
    const m = margins(
      p,
      classes,
      Int32Array.from(unseen, (i) => labels[i]),
    )
    unseen.forEach((i, at) => {
      score[i] = sigmoid(-m[at])
      suggested[i] = mostLikely(p, classes, at)
    })
  }
  return { score, suggested, flagged: Array.from(labels, (label, i) => suggested[i] !== label) }
}

function positions(fold: ArrayLike<number>, wanted: (fold: number) => boolean): Uint32Array {
  return Uint32Array.from({ length: fold.length }, (_, i) => i).filter((i) => wanted(fold[i]))
}

function pick(rows: Uint32Array, positions: Uint32Array): Uint32Array {
  return positions.map((i) => rows[i])
}
