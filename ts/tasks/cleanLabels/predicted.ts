import { NhgdError } from '../../backend/errors.ts'
import type { Matrix } from '../../backend/matrix.ts'

/** What a row of probabilities may miss of a sum of 1, as numbers of few digits do. */
const rounding = 0.01
/** Least probability that counts, so that a model that is too sure of itself can be wrong. */
const least = 1e-6

/**
 * Logarithms of class probabilities, brought to a sum of 1 per row.
 *
 * @throws NhgdError `ERR_NOT_FINITE`, and `ERR_RANGE` for rows that are no probabilities.
 */
export function logProbabilities(given: Matrix): Matrix & { readonly data: Float64Array } {
  const { rows, columns, scale = 1 } = given
  const data = Float64Array.from(given.data, (x) => x * scale)
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * columns, (row + 1) * columns)
    const total = own.reduce((sum, p) => sum + p, 0)
    if (!(Math.abs(total - 1) <= rounding) || own.some((p) => p < 0)) {
      const finite = Number.isFinite(total)
      const expected = finite ? 'numbers from 0 that add up to 1 in each row' : 'finite numbers'
      throw new NhgdError(
        finite ? 'ERR_RANGE' : 'ERR_NOT_FINITE',
        `"predictedProbabilities" expected ${expected}, got ${Array.from(own.subarray(0, 10)).join(', ')} in row ${row}`,
      )
    }
    for (let c = 0; c < columns; c++) own[c] = Math.log(Math.max(least, own[c] / total))
  }
  return { data, rows, columns }
}
