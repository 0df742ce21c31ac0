import { arrayType, isGone } from '../backend/arrays.ts'
import {
  type Check,
  doubles,
  flag,
  gone,
  numbers,
  oneOf,
  refuse,
  refuseAs,
  shown,
  size,
  something,
} from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { type Matrix, matrix, type Numbers } from '../backend/matrix.ts'
import { type MatrixLike, toMatrix } from '../backend/matrixLike.ts'
import { widened } from '../backend/numbers.ts'
import { sizeOf } from '../backend/strides.ts'
import { withMedians } from './columns.ts'
import { optional } from './given.ts'

/** Numbers as files hold them; 64-bit integers arrive as `Float64Array`. */
export type NumericArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array

/** An array as a file holds it, in C order. */
export interface Tensor<Data = NumericArray | string[]> {
  readonly data: Data
  readonly shape: readonly number[]
  /** The bytes are truth values. */
  readonly boolean?: boolean
}

/** Data, in an array of any kind, and a shape. */
const tensorCheck: Check<Tensor> = (name, value) => {
  const { data, shape, boolean } = something(name, value) as Tensor
  if (!Array.isArray(data) && !arrayType(data)) refuse('data', 'an array of numbers', data, 'ERR_DTYPE')
  if (arrayType(data) && isGone(data as Uint8Array)) refuseAs('data', 'an array of numbers', gone)
  const lengths = doubles('shape', numbers('shape', shape))
  const own = Array.from(lengths, (length, axis) => size(0)(`shape[${axis}]`, length))
  return { data, shape: own, ...(optional(flag)('boolean', boolean) && { boolean }) }
}

/**
 * A tensor that a file may hold. Errors about its data call it `name`.
 *
 * @throws NhgdError `ERR_DTYPE` for other arrays than those of numbers, `ERR_SHAPE` for a shape that does not hold them.
 */
export function storable(value: unknown, name: string): Tensor<NumericArray> {
  const { data, shape, boolean } = tensorCheck(name, value) as Tensor<NumericArray>
  const type = arrayType(data)
  if (!type || type === 'DataView' || type.startsWith('Big')) {
    refuseAs(name, 'a typed array of numbers', type ?? 'an array', 'ERR_DTYPE')
  }
  if (boolean && data.BYTES_PER_ELEMENT > 1)
    refuseAs(name, 'truth values in bytes', type as string, 'ERR_DTYPE')
  if (sizeOf(shape) !== data.length) {
    refuse(name, `shape [${shape.join(', ')}] to hold ${sizeOf(shape)} numbers`, data.length, 'ERR_SHAPE')
  }
  return { data, shape, boolean }
}

/** Features, one sample per row, and what their file says about them. */
export interface Features {
  readonly features: Matrix
  /** Height and width where each sample is a grey picture. */
  readonly imageShape?: readonly [height: number, width: number]
  /** Names of the columns where the file has them. */
  readonly columns?: readonly string[]
}

/** What may stand for a missing value. */
export const imputeCheck = optional(oneOf('median'))

/**
 * Features of shape samples × anything, flattened to one row per sample. Bytes stay bytes. Where the shape says that
 * they are pictures (samples × height × width …), a scale of 1/255 maps them to [0, 1]. With `impute` the median of its
 * column stands for NaN.
 *
 * @throws NhgdError `ERR_SHAPE` for fewer than two dimensions or nothing in them, `ERR_DTYPE` for text,
 * `ERR_NOT_FINITE` for NaN or infinity, with its row and column (from 0).
 */
export function toFeatures(tensor: Tensor, name = 'features', impute?: 'median'): Features {
  const { data, shape } = tensorCheck(name, tensor)
  imputeCheck('impute', impute)
  const [rows = 0, ...rest] = shape
  if (rest.length === 0 || sizeOf(shape) === 0) {
    const got = `shape [${shape.join(', ')}]`
    throw new NhgdError('ERR_SHAPE', `"${name}" expected at least one sample and one feature, got ${got}`)
  }
  if (Array.isArray(data)) throw new NhgdError('ERR_DTYPE', `"${name}" expected numbers, got text`)
  const picture = rest.length === 2 || (rest.length === 3 && rest[2] === 1)
  const scale = arrayType(data) === 'Uint8Array' && rest.length > 1 ? 1 / 255 : 1
  const columns = sizeOf(rest)
  const own = widened(name, data)
  const filled = impute ? withMedians(own, rows, columns) : own
  const features = checkFinite(matrix(filled, rows, columns, scale), name)
  return picture ? { features, imageShape: [rest[0], rest[1]] } : { features }
}

/** Returns `features` if every entry is finite, else throws `ERR_NOT_FINITE` with row and column (by name if known). */
export function checkFinite(features: Matrix, name = 'features', columns?: readonly string[]): Matrix {
  const { data, columns: width } = toMatrix(features, name)
  if (arrayType(data) === 'Uint8Array') return features
  const at = data.findIndex((value) => !Number.isFinite(value))
  if (at < 0) return features
  const column = at % width
  const place = `row ${(at - column) / width}, column ${columns ? `"${columns[column]}"` : column}`
  const help =
    name.startsWith('--') && Number.isNaN(data[at])
      ? ' (rows count from 0): fill missing values with --impute median'
      : ''
  throw new NhgdError(
    'ERR_NOT_FINITE',
    `"${name}" expected finite numbers, got ${data[at]} in ${place}${help}`,
  )
}

/** The rows `indices` of `features`, in that order. */
export function takeRows(features: MatrixLike, indices: ArrayLike<number>): Matrix {
  const { data, rows, columns, scale } = toMatrix(features, 'features')
  numbers('indices', indices)
  const taken = new (data.constructor as new (length: number) => Numbers)(indices.length * columns)
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i]
    if (!Number.isInteger(row) || row < 0 || row >= rows) {
      refuseAs('indices', `rows 0 to ${rows - 1}`, `${shown(row)} at ${i}`)
    }
    taken.set(data.subarray(row * columns, (row + 1) * columns), i * columns)
  }
  return matrix(taken, indices.length, columns, scale)
}
