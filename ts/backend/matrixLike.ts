import { arrayType } from './arrays.ts'
import type { Features } from './binding.ts'
import { type Check, number, numbers, refuse, shape, shown, size, something } from './check.ts'
import { NhgdError } from './errors.ts'
import { type Matrix, matrix, type Numbers } from './matrix.ts'
import { numberOf, widened } from './numbers.ts'
import { rowMajor, sizeOf } from './strides.ts'
import { isColumn, isTable, type TableLike, tableColumns } from './table.ts'

/** A tensor in the order of C, such as one of ONNX Runtime or Transformers.js; each entry of its first dimension is a row. */
export type TensorLike = { readonly data: ArrayLike<unknown> } & (
  | { readonly dims: readonly number[] }
  | { readonly shape: readonly number[] }
)

/** An array whose entries lie in strides, such as an ndarray. */
export interface StridedLike {
  readonly data: ArrayLike<unknown>
  readonly shape: readonly number[]
  readonly stride: readonly number[]
  readonly offset: number
}

/** A matrix that tells its entries, such as one of ml-matrix. */
export interface IndexedMatrix {
  readonly rows: number
  readonly columns: number
  get(row: number, column: number): number
}

/**
 * A matrix as the ecosystem has it, one sample per row: of this library, a tensor, an ndarray, a matrix of ml-matrix, a
 * table of apache-arrow, or an array of rows. Floats and bytes keep their type; other numbers are widened.
 */
export type MatrixLike =
  | Matrix
  | TensorLike
  | StridedLike
  | IndexedMatrix
  | TableLike
  | readonly ArrayLike<number>[]

/**
 * A {@link Matrix} from another library's matrix, whose entries are copied where they lie otherwise. Further dimensions
 * are flattened. In a table every column is a feature, truth values are 0 and 1, and a column of lists is one column per
 * entry.
 *
 * @param name - what errors call it.
 * @throws NhgdError `ERR_SHAPE` for one dimension, rows of different lengths, nothing, or another count of numbers;
 * `ERR_DTYPE` for what is no number; `ERR_DATA` for a null, and for integers beyond ±2⁵³; `ERR_RANGE` for what is no
 * matrix.
 */
export function toMatrix(value: MatrixLike, name = 'matrix'): Matrix {
  return matrixCheck(name, value)
}

const own = shape<Matrix>({ data: numbers, rows: size(0), columns: size(1), scale: number() }, [
  'data',
  'rows',
  'columns',
])

/** A matrix; its entries may be in any array of numbers. */
export const matrixCheck: Check<Matrix> = (name, value) => {
  const foreign = converted(name, value)
  if (foreign) return foreign
  const { data, rows, columns, scale } = own(name, value)
  if (data.length !== rows * columns) refuse(name, `${rows} × ${columns} numbers`, data.length, 'ERR_SHAPE')
  return { data: widened(name, data), rows, columns, ...(scale !== undefined && { scale }) }
}

/** A matrix whose type the kernels read, or one that is uploaded already. */
export const featuresCheck: Check<Matrix | Features> = (name, value) => {
  const foreign = converted(name, value)
  if (foreign) return foreign
  const { data } = something(name, value) as Partial<Matrix>
  if (data !== undefined && !arrayType(data)) {
    refuse(name, 'data in a Uint8Array, Float32Array or Float64Array', data, 'ERR_DTYPE')
  }
  return value as Matrix
}

/** The entries of a matrix row by row, or of a list. */
export const entriesCheck: Check<ArrayLike<number>> = (name, value) =>
  isMatrix(value) ? matrixCheck(name, value).data : numbers(name, value)

/** Whether a value is a matrix where a list of numbers might stand as well. */
export function isMatrix(value: unknown): boolean {
  if (Array.isArray(value)) return typeof value[0] === 'object' && value[0] !== null
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || isColumn(value))
    return false
  const { shape, dims = shape } = value as { readonly shape?: unknown; readonly dims?: unknown }
  return Array.isArray(dims) ? dims.length !== 1 : ['data', 'rows', 'numRows'].some((key) => key in value)
}

/** The matrix that another library's value is; nothing for what may be this library's own. */
function converted(name: string, value: unknown): Matrix | undefined {
  if (Array.isArray(value)) return fromRows(name, value)
  if (typeof value !== 'object' || value === null) return undefined
  if (isTable(value)) return fromTable(name, value)
  if ('dims' in value || 'shape' in value) return fromTensor(name, value as Partial<StridedLike>)
  const { rows, columns, get } = value as Partial<IndexedMatrix>
  if (typeof get !== 'function' || rows === undefined || columns === undefined) return undefined
  const { length } = notEmpty(name, [rows, columns])
  const at = value as IndexedMatrix
  const cell = (k: number) => at.get(Math.floor(k / columns), k % columns)
  return matrix(
    widened(
      name,
      Array.from({ length }, (_, k) => cell(k)),
    ),
    rows,
    columns,
  )
}

function fromTensor(name: string, value: Partial<StridedLike> & { dims?: unknown; type?: unknown }): Matrix {
  const given = value.shape ?? value.dims
  const isShape = Array.isArray(given) || ArrayBuffer.isView(given)
  if (!isShape) return refuse(name, 'a shape in an array', given, 'ERR_SHAPE')
  const dims = Array.from(given as ArrayLike<number>, (length) => size(0)(`${name}.shape`, length))
  const { length } = notEmpty(name, dims)
  const stored = onHost(name, value)
  // Tensors of Transformers.js have a method of this name.
  const isStrided = Array.isArray(value.stride) || ArrayBuffer.isView(value.stride)
  const stride = isStrided ? Array.from(value.stride as readonly number[]) : undefined
  const { offset = 0 } = value
  const expected = stride === undefined ? length : farthest(name, dims, stride, offset) + 1
  if (stride === undefined ? stored.length !== expected : !(stored.length >= expected)) {
    refuse(name, `${dims.join(' × ')} numbers`, stored.length, 'ERR_SHAPE')
  }
  const data = stride === undefined ? stored : rowMajor(stored, dims, stride, offset)
  return matrix(widened(name, data, value.type), dims[0], length / dims[0])
}

/** The entries of a tensor, which may lie elsewhere. */
function onHost(name: string, value: { readonly data?: unknown }): ArrayLike<number> {
  try {
    const { data } = value
    if (Array.isArray(data) || arrayType(data)) return data as ArrayLike<number>
    return refuse(name, 'its numbers in data, in an array', data, 'ERR_DTYPE')
  } catch (cause) {
    if (cause instanceof NhgdError) throw cause
    const expected = `"${name}" expected a tensor in the memory of the CPU (await its getData())`
    throw new NhgdError('ERR_DTYPE', `${expected}, got ${(cause as Error).message}`, { cause })
  }
}

/** The largest index that a strided array reads; none may be below 0. */
function farthest(name: string, dims: readonly number[], stride: readonly number[], offset: number): number {
  if (stride.length !== dims.length || ![offset, ...stride].every(Number.isInteger)) {
    refuse(name, `${dims.length} whole numbers as stride`, stride.length, 'ERR_SHAPE')
  }
  const reach = dims.map((length, axis) => (length - 1) * stride[axis])
  const least = reach.reduce((sum, r) => sum + Math.min(r, 0), offset)
  if (least < 0) refuse(name, 'strides within its data', `the index ${least}`, 'ERR_SHAPE')
  return reach.reduce((sum, r) => sum + Math.max(r, 0), offset)
}

/** @throws NhgdError `ERR_SHAPE` for fewer than two dimensions or nothing in them. */
function notEmpty(name: string, shape: readonly number[]): { length: number } {
  const length = sizeOf(shape)
  if (shape.length >= 2 && length > 0) return { length }
  const got = `shape [${shape.join(', ')}]`
  throw new NhgdError('ERR_SHAPE', `"${name}" expected at least one sample and one feature, got ${got}`)
}

function fromRows(name: string, rows: readonly unknown[]): Matrix {
  const columns = (rows[0] as ArrayLike<number> | null | undefined)?.length ?? 0
  for (const [i, row] of rows.entries()) {
    const isRow = Array.isArray(row) || arrayType(row) !== undefined
    if (!isRow) refuse(name, 'an array of rows', `${shown(row)} as row ${i}`, 'ERR_DTYPE')
    const { length } = row as ArrayLike<number>
    if (length !== columns)
      refuse(name, `${columns} numbers in each row`, `${length} in row ${i}`, 'ERR_SHAPE')
  }
  const { length } = notEmpty(name, [rows.length, columns])
  const type = arrayType(rows[0])
  const same = type !== undefined && rows.every((row) => arrayType(row) === type)
  const data: Numbers = new (same ? typeFor(rows[0]) : Float64Array)(length)
  for (const [i, row] of rows.entries()) {
    const own = widened(name, row, undefined, (column) => `row ${i}, column ${column}`)
    data.set(own, i * columns)
  }
  return matrix(data, rows.length, columns)
}

type NumbersType = { new (length: number): Numbers }

/** The type of {@link widened} numbers. */
const typeFor = (array: unknown) =>
  widened('', (array as Float32Array).subarray(0, 0)).constructor as NumbersType

function fromTable(name: string, table: TableLike): Matrix {
  const columns = tableColumns(table, name)
  const rows = table.numRows
  notEmpty(name, [rows, columns.length])
  const data = new Float64Array(rows * columns.length)
  for (let i = 0, k = 0; i < rows; i++) {
    for (const { name: title, at } of columns) {
      const cell = at(i)
      data[k++] = typeof cell === 'number' ? cell : numberOf(name, cell, () => `row ${i}, column "${title}"`)
    }
  }
  // Where nothing is lost, half of the room is enough: kernels widen numbers again.
  const isSingle = data.every((x) => x === Math.fround(x))
  return matrix(isSingle ? Float32Array.from(data) : data, rows, columns.length)
}
