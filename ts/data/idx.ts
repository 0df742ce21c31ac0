import { sizeOf } from '../backend/strides.ts'
import { dataError } from './error.ts'
import { gunzip } from './gzip.ts'
import type { NumericArray, Tensor } from './tensor.ts'

/** Type code → element size, array to fill, reader (IDX is big endian). */
const TYPES: Record<
  number,
  [size: number, make: (n: number) => NumericArray, read: (v: DataView, at: number) => number]
> = {
  8: [1, (n) => new Uint8Array(n), (v, at) => v.getUint8(at)],
  9: [1, (n) => new Int8Array(n), (v, at) => v.getInt8(at)],
  11: [2, (n) => new Int16Array(n), (v, at) => v.getInt16(at)],
  12: [4, (n) => new Int32Array(n), (v, at) => v.getInt32(at)],
  13: [4, (n) => new Float32Array(n), (v, at) => v.getFloat32(at)],
  14: [8, (n) => new Float64Array(n), (v, at) => v.getFloat64(at)],
}

/**
 * Reads IDX, the format of MNIST: two zero bytes, type, rank, the lengths as big-endian 32-bit integers, then the
 * entries. Gzipped files are opened. Byte entries are a view of `bytes`, not a copy.
 *
 * @throws NhgdError `ERR_DATA` for foreign or truncated files.
 */
export function readIdx(file: Uint8Array, name = 'file'): Tensor<NumericArray> {
  const bytes = gunzip(file, name)
  const type = TYPES[bytes[2] ?? 0]
  const rank = bytes[3] ?? 0
  if (bytes[0] !== 0 || bytes[1] !== 0 || !type || rank === 0) {
    throw dataError(name, 'an IDX file', `one that starts with bytes [${bytes.subarray(0, 4).join(', ')}]`)
  }
  const [size, make, read] = type
  const start = 4 + 4 * rank
  if (bytes.length < start) throw dataError(name, `an IDX header of ${start} bytes`, `${bytes.length}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  const length = sizeOf(shape)
  if (bytes.length !== start + length * size) {
    const expected = `an IDX file of ${start + length * size} bytes for shape [${shape.join(', ')}]`
    throw dataError(name, expected, `${bytes.length}`)
  }
  if (size === 1) {
    const entries = bytes.subarray(start)
    return {
      data: bytes[2] === 8 ? entries : new Int8Array(entries.buffer, entries.byteOffset, length),
      shape,
    }
  }
  const data = make(length)
  for (let i = 0; i < length; i++) data[i] = read(view, start + i * size)
  return { data, shape }
}
