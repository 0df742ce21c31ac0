/**
 * How much models differ on each row, 0 to 1: the mean divergence of their class probabilities from the average ones (query
 * by committee, McCallum and Nigam 1998), as a share of the largest that so many models or classes can have.
 *
 * `models` are log probabilities, rows × classes.
 */
export function disagreement(models: readonly Float64Array[], classes: number): Float64Array {
  const most = Math.log(Math.min(models.length, classes))
  const rows = models[0].length / classes
  if (!(most > 0)) return new Float64Array(rows)
  return Float64Array.from({ length: rows }, (_, row) => {
    let divergence = 0
    for (let k = row * classes; k < (row + 1) * classes; k++) {
      let average = 0
      for (const logs of models) average += Math.exp(logs[k]) / models.length
      for (const logs of models)
        divergence += (Math.exp(logs[k]) * (logs[k] - Math.log(average))) / models.length
    }
    return Math.min(1, Math.max(0, divergence / most))
  })
}
