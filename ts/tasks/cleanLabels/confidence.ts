/** What class probabilities say of given labels that nobody checked. */
export interface Doubts {
  /** Log-odds that the label of each row is wrong. */
  readonly odds: Float64Array
  /** The likeliest class of each row but the given one. */
  readonly others: Int32Array
}

/**
 * Confident learning (Northcutt et al. 2021): a class is likely where it is likelier than it is on average for the rows
 * that have its label. The odds compare the given class with the others by that measure. As many of the labels have odds
 * above 0 as the confident joint counts as wrong: among the rows of each label with a likely class, the share for which
 * it is another.
 *
 * `logs` are log probabilities, rows × classes, by models that have not seen the labels of the rows.
 */
export function confidentDoubts(logs: Float64Array, given: Uint32Array, classes: number): Doubts {
  const [sizes, sums] = [new Float64Array(classes), new Float64Array(classes)]
  for (const [row, label] of given.entries()) {
    sizes[label]++
    sums[label] += Math.exp(logs[row * classes + label])
  }
  const usual = sums.map((sum, c) => Math.log(sum / sizes[c]))
  const others = new Int32Array(given.length)
  const odds = new Float64Array(given.length)
  const [sure, wrong] = [new Float64Array(classes), new Float64Array(classes)]
  for (const [row, label] of given.entries()) {
    const own = logs.subarray(row * classes, (row + 1) * classes)
    let likely = -1
    let other = -1
    for (let c = 0; c < classes; c++) {
      if (own[c] >= usual[c] && (likely < 0 || own[c] > own[likely])) likely = c
      if (c !== label && (other < 0 || own[c] - usual[c] > own[other] - usual[other])) other = c
    }
    if (likely >= 0) sure[label]++
    if (likely >= 0 && likely !== label) wrong[label]++
    others[row] = other
    odds[row] = own[other] - usual[other] - (own[label] - usual[label])
  }
  const count = Math.round(sizes.reduce((sum, size, c) => sum + (size * wrong[c]) / Math.max(1, sure[c]), 0))
  const cut = Math.max(0, odds.toSorted()[given.length - 1 - count] ?? 0)
  return { odds: odds.map((x) => x - cut), others }
}

/**
 * Whether log probabilities tell no more of the labels than the share of each class does, or what they gain lies within so
 * many standard `errors` of nothing.
 */
export function knowsNothing(logs: Float64Array, given: Uint32Array, classes: number, errors = 0): boolean {
  const sizes = new Float64Array(classes)
  for (const label of given) sizes[label]++
  const gains = Float64Array.from(
    given,
    (y, row) => logs[row * classes + y] - Math.log(sizes[y] / given.length),
  )
  const mean = gains.reduce((sum, gain) => sum + gain, 0) / gains.length
  const squares = gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0)
  return !(mean > (errors * Math.sqrt(squares)) / gains.length)
}
