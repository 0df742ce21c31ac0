import { something } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { type Matrix, matrix } from '../backend/matrix.ts'
import { type MatrixLike, toMatrix } from '../backend/matrixLike.ts'
import { finiteNumbers } from './given.ts'
import { checkFinite } from './tensor.ts'

/** Mean and standard deviation of each column; a standard deviation of 0 marks a constant column. */
export interface Standardization {
  readonly means: Float64Array
  readonly deviations: Float64Array
}

/**
 * Mean and (population) standard deviation of each column, in two passes of f64.
 *
 * @throws NhgdError `ERR_NOT_FINITE` for NaN and infinity, with row and column.
 */
export function fitStandardization(features: MatrixLike): Standardization {
  const own = toMatrix(features, 'features')
  const first = Float64Array.from(own.data.subarray(0, own.columns))
  const means = sumsOf(own, first, 1).map((sum, j) => first[j] + sum / own.rows)
  return checkedDeviations(own, means, sumsOf(own, means, 2), own.rows)
}

/** Sums over rows of powers of differences from numbers per column; those from a row are exactly 0 in a constant column. */
export function sumsOf({ data, rows, columns }: Matrix, from: Float64Array, power: 1 | 2): Float64Array {
  const sums = new Float64Array(columns)
  for (let i = 0, k = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, k++)
      sums[j] += power === 1 ? data[k] - from[j] : (data[k] - from[j]) ** 2
  }
  return sums
}

/** The figures of columns whose sums of squares around their means are known; `own` has what is not finite, if anything. */
export function checkedDeviations(
  own: Matrix,
  means: Float64Array,
  squares: Float64Array,
  rows: number,
): Standardization {
  if (!means.every(Number.isFinite)) checkFinite(own)
  const { scale = 1 } = own
  return {
    means: means.map((mean) => mean * scale),
    deviations: squares.map((sum) => Math.sqrt(sum / rows) * scale),
  }
}

/**
 * (x − mean) / deviation as f32, with 0 in constant columns. Standardizes with the figures of `features` themselves
 * unless those of the training set are given; they are returned for later predictions.
 *
 * @throws NhgdError `ERR_SHAPE` when the number of columns differs from that of the given figures, `ERR_NOT_FINITE` for NaN
 * and infinity.
 */
export function standardize(
  features: MatrixLike,
  standardization?: Standardization,
): Standardization & { features: Matrix } {
  const own = toMatrix(features, 'features')
  const { data, rows, columns, scale = 1 } = own
  const { means, deviations } =
    standardization === undefined ? fitStandardization(own) : given(standardization)
  if (standardization !== undefined) checkFinite(own)
  if (means.length !== columns || deviations.length !== columns) {
    throw new NhgdError('ERR_SHAPE', `"features" expected ${means.length} columns, got ${columns}`)
  }
  const factors = deviations.map((deviation) => (deviation > 0 ? 1 / deviation : 0))
  const scaled = new Float32Array(rows * columns)
  for (let i = 0, k = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, k++) scaled[k] = (data[k] * scale - means[j]) * factors[j]
  }
  return { features: matrix(scaled, rows, columns), means, deviations }
}

function given(standardization: unknown): Standardization {
  const { means, deviations } = something('standardization', standardization) as Standardization
  return {
    means: finiteNumbers('standardization.means', means),
    deviations: finiteNumbers('standardization.deviations', deviations),
  }
}

/** The column of the largest root mean square, if that is more than a thousand times the median column’s, which is not 0. */
export function oddColumn({ data, rows, columns }: Matrix): number | undefined {
  const squares = new Float64Array(columns)
  for (let i = 0, k = 0; i < rows; i++) for (let j = 0; j < columns; j++, k++) squares[j] += data[k] ** 2
  const median = squares.toSorted()[columns >> 1]
  const worst = squares.reduce((worst, square, j) => (square > squares[worst] ? j : worst), 0)
  return median > 0 && squares[worst] > 1e6 * median ? worst : undefined
}
