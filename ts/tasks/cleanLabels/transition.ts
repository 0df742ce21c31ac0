/**
 * Noise transitions T, classes × classes, row-major: entry (k, y) is the probability that a sample of class k is labelled
 * y (Patrini et al. 2017).
 */

/** Right with probability `share`, else any other class. */
export function uniform(share: number, classes: number): Float64Array {
  const other = (1 - share) / (classes - 1)
  return Float64Array.from({ length: classes * classes }, (_, i) => (i % (classes + 1) === 0 ? share : other))
}

/**
 * Log-odds that each label is right, the model's scores taken times `slope`: L_y − log Σ_{k≠y} e^{L_k} with
 * L_k = slope · log p_k + log T_ky.
 */
export function transitionMargins(
  probabilities: ArrayLike<number>,
  classes: number,
  labels: ArrayLike<number>,
  transition: Float64Array,
  slope: number,
): Float64Array {
  const level = new Float64Array(classes)
  return Float64Array.from(labels, (label, i) => {
    const top = levels(probabilities, i, label, transition, slope, level)
    let others = 0
    for (let k = 0; k < classes; k++) if (k !== label) others += Math.exp(level[k] - top)
    return level[label] - top - Math.log(others)
  })
}

/** One round of expectation maximisation: who was likely what, and so how labels arose. One pseudo-sample for each entry
 * and a hundredth of each row, spread evenly, keep it from zero. */
export function estimateTransition(
  probabilities: ArrayLike<number>,
  classes: number,
  labels: ArrayLike<number>,
  transition: Float64Array,
  slope: number,
): Float64Array {
  const counts = new Float64Array(classes * classes)
  const level = new Float64Array(classes)
  for (let i = 0; i < labels.length; i++) {
    const others = levels(probabilities, i, labels[i], transition, slope, level)
    const top = Math.max(others, level[labels[i]])
    let total = 0
    for (let k = 0; k < classes; k++) {
      level[k] = Math.exp(level[k] - top)
      total += level[k]
    }
    for (let k = 0; k < classes; k++) counts[k * classes + labels[i]] += level[k] / total
  }
  for (let k = 0; k < classes; k++) {
    const row = counts.subarray(k * classes, (k + 1) * classes)
    const sum = row.reduce((a, b) => a + b, 0)
    for (let y = 0; y < classes; y++) row[y] += 0.01 * (sum / classes) + 1
    const all = row.reduce((a, b) => a + b, 0)
    for (let y = 0; y < classes; y++) row[y] /= all
  }
  return counts
}

/** Writes L_k for one label and returns the largest of those of other classes. */
function levels(
  probabilities: ArrayLike<number>,
  i: number,
  label: number,
  transition: Float64Array,
  slope: number,
  level: Float64Array,
): number {
  const classes = level.length
  let top = Number.NEGATIVE_INFINITY
  for (let k = 0; k < classes; k++) {
    const p = Math.max(probabilities[i * classes + k], 1e-38)
    level[k] = slope * Math.log(p) + Math.log(transition[k * classes + label])
    if (k !== label && level[k] > top) top = level[k]
  }
  return top
}
