import { numbers, refuse } from '../backend/check.ts'

/** Share of rows whose most likely class is the label. `probabilities` is rows × classes. */
export function accuracy(
  probabilities: ArrayLike<number>,
  classes: number,
  labels: ArrayLike<number>,
): number {
  numbers('probabilities', probabilities)
  numbers('labels', labels)
  let right = 0
  for (let i = 0; i < labels.length; i++) right += mostLikely(probabilities, classes, i) === labels[i] ? 1 : 0
  return right / labels.length
}

/** The class with the highest probability in row `i`, the first of equals. */
export function mostLikely(probabilities: ArrayLike<number>, classes: number, i: number): number {
  let best = 0
  for (let c = 1; c < classes; c++) {
    if (probabilities[i * classes + c] > probabilities[i * classes + best]) best = c
  }
  return best
}

/** The mean of −log p of the labels. */
export function meanLoss(
  probabilities: ArrayLike<number>,
  classes: number,
  labels: ArrayLike<number>,
): number {
  let total = 0
  for (let i = 0; i < labels.length; i++) {
    total -= Math.log(Math.max(probabilities[i * classes + labels[i]], Number.MIN_VALUE))
  }
  return total / labels.length
}

/** Log-odds log p_y − log(1 − p_y) of each row's label, within ±30. */
export function margins(
  probabilities: ArrayLike<number>,
  classes: number,
  labels: ArrayLike<number>,
): Float64Array {
  return Float64Array.from(labels, (label, i) => {
    let others = 0
    for (let c = 0; c < classes; c++) if (c !== label) others += probabilities[i * classes + c]
    const odds = Math.log(probabilities[i * classes + label]) - Math.log(others)
    return Math.min(30, Math.max(-30, odds))
  })
}

/**
 * Area under the ROC curve: how often a positive has a higher score than a negative, ties counting half. NaN where
 * there are none of either.
 *
 * @throws NhgdError `ERR_NOT_FINITE` for a score that is NaN, which has no rank; `ERR_SHAPE` for other lengths.
 */
export function auc(scores: ArrayLike<number>, positive: ArrayLike<boolean | number>): number {
  numbers('scores', scores)
  if (numbers('positive', positive as ArrayLike<number>).length !== scores.length)
    refuse('positive', `length ${scores.length}`, positive.length, 'ERR_SHAPE')
  const order = Array.from(scores, (score, i) =>
    Number.isNaN(score) ? refuse(`scores[${i}]`, 'a number', score, 'ERR_NOT_FINITE') : i,
  ).sort((a, b) => scores[a] - scores[b])
  let positives = 0
  let ranks = 0
  for (let i = 0; i < order.length; ) {
    let end = i
    while (end < order.length && scores[order[end]] === scores[order[i]]) end++
    for (let k = i; k < end; k++) {
      if (!positive[order[k]]) continue
      positives++
      ranks += (i + end + 1) / 2
    }
    i = end
  }
  const negatives = order.length - positives
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives)
}

/** Precision, recall and F1 of flags against the truth; NaN where nothing is flagged or true. */
export function detection(
  flagged: ArrayLike<boolean | number>,
  wrong: ArrayLike<boolean | number>,
): { precision: number; recall: number; f1: number } {
  let hits = 0
  let flags = 0
  let all = 0
  for (let i = 0; i < wrong.length; i++) {
    flags += flagged[i] ? 1 : 0
    all += wrong[i] ? 1 : 0
    hits += flagged[i] && wrong[i] ? 1 : 0
  }
  return { precision: hits / flags, recall: hits / all, f1: (2 * hits) / (flags + all) }
}

/** σ(z) = 1 / (1 + e^(−z)). */
export function sigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z))
}

/** log p − log(1 − p). */
export function logit(p: number): number {
  return Math.log(p) - Math.log1p(-p)
}
