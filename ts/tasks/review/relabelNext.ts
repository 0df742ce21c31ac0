import { checkOptions, numbers, seedCheck, size, something } from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import { permutation, uniforms } from '../../data/split.ts'
import * as defaults from '../../defaults.ts'
import type { CleanLabelsResult } from '../cleanLabels/cleanLabels.ts'

const { review, cleanLabels } = defaults

export interface RelabelNextOptions {
  /** What {@link cleanLabels} found, with checked rows or, in the first round, without any. */
  readonly result: Pick<CleanLabelsResult, 'rows' | 'scores' | 'suggested' | 'checked' | 'disagreement'>
  /** The given labels of all rows. */
  readonly labels: ArrayLike<number>
  /** How many rows to name, 50 by default; all that nobody checked where there are fewer. */
  readonly count?: number
  /** Decides the draws, 0 by default. */
  readonly seed?: number
}

/** Rows to check, in the order in which they should be. */
export interface RelabelProposal {
  readonly rows: Uint32Array
  /** Whether each was drawn at random, which `checked.random` of the next {@link cleanLabels} takes. */
  readonly random: readonly boolean[]
}

/**
 * The rows whose check would help most, in the order in which they should be checked. They are drawn, likelier where a label
 * is neither clearly right nor clearly wrong (uncertainty sampling, Lewis and Gale 1994), where the models differ (query by
 * committee, McCallum and Nigam 1998), and where the given or suggested class has few checks. The best of all rows would be
 * extreme ones, from which models learn less of the others. Half of the first rows and a fifth of later ones are drawn from
 * all rows alike and marked, so that they can tell how many labels are wrong.
 *
 * @throws NhgdError `ERR_RANGE` for options, `ERR_SHAPE` for labels that are not as many as the scores.
 */
export function relabelNext(given: RelabelNextOptions): RelabelProposal {
  const checks = { result: something, labels: numbers, count: size(1), seed: seedCheck }
  const { result, labels, count = 50, seed = 0 } = checkOptions(given, checks, ['result', 'labels'])
  const { rows, scores, suggested, checked, disagreement } = result as RelabelNextOptions['result']
  if (labels.length !== scores.length) {
    throw new NhgdError('ERR_SHAPE', `"labels" expected ${scores.length}, one per row, got ${labels.length}`)
  }
  const most = Math.min(count, rows.length)
  const isFirst = checked.rows.length < cleanLabels.checked.least
  const share = isFirst ? review.random.first : review.random.later
  const order = Array.from(permutation(rows.length, seed), (i) => rows[i])
  const drawn = order.slice(0, Math.round(share * most))
  const seenOf = new Map<number, number>()
  const add = (label: number) => seenOf.set(label, (seenOf.get(label) ?? 0) + 1)
  for (const row of [...checked.rows, ...drawn]) add(suggested[row])
  // The largest of such keys belongs to a row with the chance of its worth squared (exponential race).
  const keys = uniforms(scores.length, seed).map((uniform, row) => {
    const doubt = 1 - Math.abs(2 * scores[row] - 1)
    const worth = doubt + review.disagreement * (disagreement?.[row] ?? 0)
    return worth ** 2 / -Math.log1p(-uniform)
  })
  // Rows are taken one by one, since each check of a class makes the next one of it less urgent.
  const left = new Set(
    order
      .slice(drawn.length)
      .sort((a, b) => keys[b] - keys[a] || a - b)
      .slice(0, 20 * most),
  )
  const chosen: number[] = []
  while (chosen.length + drawn.length < most) {
    let best = { row: -1, worth: -1 }
    for (const row of left) {
      const seen = Math.min(seenOf.get(labels[row]) ?? 0, seenOf.get(suggested[row]) ?? 0)
      const worth = keys[row] * (1 + review.coverage / (1 + seen))
      if (worth > best.worth) best = { row, worth }
    }
    left.delete(best.row)
    chosen.push(best.row)
    add(suggested[best.row])
  }
  // Random rows stand between the others, so that whoever stops early has checked some of both.
  const random = Array.from({ length: most }, (_, i) => {
    const due = (at: number) => Math.floor((at * drawn.length) / most)
    return due(i + 1) > due(i)
  })
  const [draws, choices] = [drawn.values(), chosen.values()]
  return { rows: Uint32Array.from(random, (random) => (random ? draws : choices).next().value ?? 0), random }
}
