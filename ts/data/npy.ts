import { arrayType } from '../backend/arrays.ts'
import { half } from '../backend/numbers.ts'
import { rowMajor, sizeOf } from '../backend/strides.ts'
import type { Bytes, RowsOf } from './bytes.ts'
import { bytesOf, dataError, listed } from './error.ts'
import { type NumericArray, storable, type Tensor } from './tensor.ts'

interface ArrayType {
  new (buffer: ArrayBufferLike, offset: number, length: number): NumericArray
  readonly BYTES_PER_ELEMENT: number
}

/** As many dimensions as NumPy's arrays may have. */
const MOST_DIMENSIONS = 64
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] // \x93NUMPY
/** Bytes of the types that are widened. */
const WIDENED: Record<string, number> = { f2: 2, i8: 8, u8: 8 }
const ARRAYS: Record<string, ArrayType> = {
  b1: Uint8Array,
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  f4: Float32Array,
  f8: Float64Array,
}

/**
 * Reads NumPy's NPY, versions 1 to 3: booleans, integers, f2, f4, f8 and text (`U…` and `S…`, which is read as UTF-8), in
 * either byte order; Fortran order is turned into C order. 64-bit integers become `Float64Array` and f2 becomes
 * `Float32Array`; other little-endian numbers are a view of `bytes` where they are aligned.
 *
 * @throws NhgdError `ERR_DATA` for foreign or truncated files, object and other types, and 64-bit integers beyond ±2⁵³.
 */
export function readNpy(bytes: Uint8Array, name = 'file'): Tensor {
  return readNpyRows(bytesOf(bytes, name), name)
}

/** The same of some of the rows, those of the first axis: of an array in C order, the others are not looked at. */
export function readNpyRows(bytes: Bytes, name: string, rowsOf?: RowsOf): Tensor {
  const magic = bytes.subarray(0, Math.min(bytes.length, MAGIC.length))
  if (MAGIC.some((byte, i) => magic[i] !== byte))
    throw dataError(name, 'an NPY file', 'a foreign or truncated one')
  const { descr, fortran, shape, start } = readHeader(bytes, name)
  const [, order, kind, digits] = /^([<>|=]?)([a-zA-Z])(\d*)$/.exec(descr) ?? []
  const type = `${kind}${digits}`
  const isText = kind === 'U' || kind === 'S'
  const unit = kind === 'U' ? 4 : kind === 'S' ? 1 : (WIDENED[type] ?? ARRAYS[type]?.BYTES_PER_ELEMENT)
  const size = isText ? unit * Number(digits) : unit
  if (!size) {
    const expected = 'numbers, booleans or text (b1, i1–i8, u1–u8, f2–f8, U, S)'
    const hint = kind === 'O' ? ' (save labels with .astype(str))' : ''
    throw dataError(name, expected, `NumPy dtype ${descr}${hint}`)
  }
  const length = sizeOf(shape)
  if (bytes.length - start !== length * size) {
    const expected = `${length * size} bytes of data for shape [${listed(shape)}] and dtype ${descr}`
    throw dataError(name, expected, `${bytes.length - start}`)
  }
  const [count = 1, ...rest] = shape
  const { from, to } = rowsOf?.(count) ?? { from: 0, to: count }
  const [width, boolean] = [sizeOf(rest), type === 'b1' && { boolean: true }]
  const wanted = shape.length > 0 ? [to - from, ...rest] : shape
  const [first, last] = fortran ? [0, length] : [from * width, to * width]
  const found = bytes.subarray(start + first * size, start + last * size)
  // NumPy aligns the data in its file. They are moved only inside an archive, or to change the byte order.
  const swapped = order === '>' && unit > 1
  const aligned = found.byteOffset % unit === 0 && !swapped
  // A Buffer's `slice` would not copy.
  const body = aligned ? found : new Uint8Array(found)
  if (swapped) for (let at = 0; at < body.length; at += unit) body.subarray(at, at + unit).reverse()
  const data = isText ? decodeText(body, last - first, kind) : decodeNumbers(body, type, name)
  if (!fortran) return { data, shape: wanted, ...boolean }
  const columnMajor = shape.map((_, axis) => sizeOf(shape.slice(0, axis)))
  return {
    data: rowMajor(data, shape, columnMajor).slice(from * width, to * width),
    shape: wanted,
    ...boolean,
  }
}

/** Writes version 1.0 of NPY in C order; byte arrays marked `boolean` become `b1`. */
export function writeNpy(tensor: Tensor<NumericArray>): Uint8Array {
  const { data, shape, boolean } = storable(tensor, 'data')
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const dict = `{'descr': '${boolean ? '|b1' : dtypeOf(data)}', 'fortran_order': False, 'shape': (${tuple}), }`
  const start = Math.ceil((10 + dict.length + 1) / 64) * 64
  const bytes = new Uint8Array(start + data.byteLength)
  bytes.set([...MAGIC, 1, 0, (start - 10) & 255, (start - 10) >> 8])
  bytes.set(new TextEncoder().encode(`${dict.padEnd(start - 11)}\n`), 10)
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start)
  return bytes
}

interface Header {
  descr: string
  fortran: boolean
  shape: number[]
  start: number
}

function readHeader(bytes: Bytes, name: string): Header {
  const fixed = bytes.subarray(0, Math.min(bytes.length, 12))
  const version = fixed[6] ?? 0
  const first = version === 1 ? 10 : 12
  const view = new DataView(fixed.buffer, fixed.byteOffset, fixed.byteLength)
  if (bytes.length < first) throw dataError(name, 'a whole NPY header', `${bytes.length} bytes`)
  if (version < 1 || version > 3) throw dataError(name, 'NPY version 1, 2 or 3', `${version}`)
  const start = first + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true))
  if (bytes.length < start) throw dataError(name, `an NPY header of ${start} bytes`, `${bytes.length} bytes`)
  const dict = new TextDecoder().decode(bytes.subarray(first, start))
  const descr = /'descr':\s*(?:'([^']*)'|(\[.*\]))/.exec(dict)
  const order = /'fortran_order':\s*(True|False)/.exec(dict)
  const shape = /'shape':\s*\(([\d\s,L]*)\)/.exec(dict)
  if (!descr || !order || !shape)
    throw dataError(
      name,
      'an NPY header with descr, fortran_order, shape',
      dict.trim().slice(0, 200) || 'an empty one',
    )
  const lengths = (shape[1] ?? '').match(/\d+/g) ?? []
  if (lengths.length > MOST_DIMENSIONS)
    throw dataError(name, `at most ${MOST_DIMENSIONS} dimensions`, `${lengths.length}`)
  return {
    descr: descr[1] ?? descr[2] ?? '',
    fortran: order[1] === 'True',
    shape: lengths.map(Number),
    start,
  }
}

/**
 * Little-endian numbers of a type by NumPy's name, or `bf2` for bfloat16: a view, or wider ones for types that JavaScript
 * has no array for.
 */
export function decodeNumbers(body: Uint8Array, type: string, name: string): NumericArray {
  const { buffer, byteOffset, byteLength } = body
  const array = ARRAYS[type]
  if (array) return new array(buffer, byteOffset, byteLength / array.BYTES_PER_ELEMENT)
  const view = new DataView(buffer, byteOffset, byteLength)
  if (type === 'f2')
    return Float32Array.from({ length: byteLength / 2 }, (_, i) => half(view.getUint16(2 * i, true)))
  if (type === 'bf2') {
    const bits = Uint32Array.from({ length: byteLength / 2 }, (_, i) => view.getUint16(2 * i, true) << 16)
    return new Float32Array(bits.buffer)
  }
  return Float64Array.from({ length: byteLength / 8 }, (_, i) => {
    const value = type === 'i8' ? view.getBigInt64(8 * i, true) : view.getBigUint64(8 * i, true)
    if (Number.isSafeInteger(Number(value))) return Number(value)
    throw dataError(name, 'integers within ±2⁵³', `${value}`)
  })
}

/** Texts padded with zeros to the same width, in UTF-32 or in bytes. */
function decodeText(body: Uint8Array, length: number, kind: string): string[] {
  const utf8 = new TextDecoder()
  const width = length === 0 ? 0 : body.length / length
  return Array.from({ length }, (_, i) => {
    const text = body.subarray(i * width, (i + 1) * width)
    if (kind === 'S') return utf8.decode(text).replace(/\0+$/, '')
    const points = new Uint32Array(text.buffer, text.byteOffset, width / 4)
    return Array.from(points, (point) => String.fromCodePoint(Math.min(point, 0x10ffff)))
      .join('')
      .replace(/\0+$/, '')
  })
}

function dtypeOf(data: NumericArray): string {
  const kind = (arrayType(data) ?? 'U')[0].toLowerCase()
  return `${data.BYTES_PER_ELEMENT === 1 ? '|' : '<'}${kind}${data.BYTES_PER_ELEMENT}`
}
