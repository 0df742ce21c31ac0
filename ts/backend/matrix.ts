import { arrayType } from './arrays.ts'
import { NhgdError } from './errors.ts'

/** Numbers as they lie in memory. The kernels read bytes as bytes, which take a quarter of the room of `f32`. */
export type Numbers = Uint8Array | Float32Array | Float64Array

/**
 * A row-major matrix with one sample per row. The value of an entry is `data[row * columns + column] * scale`.
 */
export interface Matrix {
  readonly data: Numbers
  readonly rows: number
  readonly columns: number
  /** Factor on every entry, 1 where absent. 1/255 maps the bytes of a picture to [0, 1]. */
  readonly scale?: number
}

/**
 * Builds a {@link Matrix} after checking that `data` holds `rows × columns` entries (`ERR_SHAPE`; `ERR_DTYPE` for what is
 * no typed array).
 */
export function matrix(data: Numbers, rows: number, columns: number, scale = 1): Matrix {
  const got = arrayType(data) ? `${data.length} numbers` : typeof data
  const counts = [rows, columns].every(Number.isInteger)
  if (arrayType(data) && counts && data.length === rows * columns) return { data, rows, columns, scale }
  const expected = counts
    ? `${rows} × ${columns} = ${rows * columns} numbers`
    : 'whole numbers of rows and columns'
  throw new NhgdError(arrayType(data) ? 'ERR_SHAPE' : 'ERR_DTYPE', `"data" expected ${expected}, got ${got}`)
}
