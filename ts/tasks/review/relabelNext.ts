import { checkOptions, numbers, seedCheck, size, something } from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import { permutation } from '../../data/split.ts'
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
 * The rows whose check would help most, in the order in which they should be checked. Most are those whose labels are
 * neither clearly right nor clearly wrong (uncertainty sampling, Lewis and Gale 1994) and on which the models differ (query by
 * committee, McCallum and Nigam 1998), with rows first whose given or suggested class has few checks. The others, half of the
 * first rows and a fifth of later ones, are drawn at random from all rows and marked, so that they can tell how many labels
 * are wrong.
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
  const drawn = Array.from(
    permutation(rows.length, seed).subarray(0, Math.round(share * most)),
    (i) => rows[i],
  )
  const taken = new Set(drawn)
  const seenOf = new Map<number, number>()
  const add = (label: number) => seenOf.set(label, (seenOf.get(label) ?? 0) + 1)
  for (const row of [...checked.rows, ...drawn]) add(suggested[row])
  const worths = scores.map((score, row) => {
    const doubt = 1 - Math.abs(2 * score - 1)
    return doubt + review.disagreement * (disagreement?.[row] ?? 0)
  })
  // Rows are taken one by one, since each check of a class makes the next one of it less urgent.
  const open = rows
    .filter((row) => !taken.has(row))
    .sort((a, b) => worths[b] - worths[a] || a - b)
    .subarray(0, 20 * most)
  const chosen: number[] = []
  const left = new Set(open)
  while (chosen.length + drawn.length < most) {
    let best = { row: -1, worth: -1 }
    for (const row of left) {
      const seen = Math.min(seenOf.get(labels[row]) ?? 0, seenOf.get(suggested[row]) ?? 0)
      const worth = worths[row] * (1 + review.coverage / (1 + seen))
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
