import { arrayType } from './arrays.ts'
import { NhgdError } from './errors.ts'
import type { Numbers } from './matrix.ts'

type Place = (index: number) => string

const atIndex: Place = (index) => `index ${index}`

/**
 * Numbers in the narrowest type of the kernels that holds every value: floats and bytes stay where they are. `type` is
 * what a tensor says of its own: the bits of a `float16` may lie in a `Uint16Array`.
 *
 * @throws NhgdError `ERR_DTYPE` for what is no number, `ERR_DATA` for integers beyond ±2⁵³ and for a missing entry.
 */
export function widened(name: string, data: unknown, type?: unknown, place = atIndex): Numbers {
  const array = arrayType(data)
  if (array === 'Uint8Array' || array === 'Float32Array' || array === 'Float64Array') return data as Numbers
  if (array === 'Uint8ClampedArray') {
    const { buffer, byteOffset, length } = data as Uint8ClampedArray
    return new Uint8Array(buffer, byteOffset, length)
  }
  const values = data as ArrayLike<number>
  if (array === 'Uint16Array' && type === 'float16') return Float32Array.from(values, half)
  const isShort = array && (data as Int16Array).BYTES_PER_ELEMENT <= 2
  if (isShort) return Float32Array.from(values)
  return Float64Array.from(values, (value, i) => numberOf(name, value, () => place(i)))
}

/** The number that a cell is: truth values are 0 and 1, and integers of 64 bits have to be exact. */
export function numberOf(name: string, cell: unknown, place: () => string): number {
  if (typeof cell === 'number') return cell
  if (typeof cell === 'boolean') return Number(cell)
  const shown =
    typeof cell === 'object' && cell ? (cell.constructor?.name ?? 'an object') : `${cell as string}`
  const got = `${typeof cell === 'string' ? JSON.stringify(shown.slice(0, 40)) : shown} in ${place()}`
  if (cell === null || cell === undefined) {
    throw new NhgdError('ERR_DATA', `"${name}" expected a number in every place, got ${got}`)
  }
  if (typeof cell !== 'bigint') throw new NhgdError('ERR_DTYPE', `"${name}" expected numbers, got ${got}`)
  if (Number.isSafeInteger(Number(cell))) return Number(cell)
  throw new NhgdError('ERR_DATA', `"${name}" expected integers within ±2⁵³, got ${got}`)
}

/** A number of IEEE 754's binary16. */
export function half(bits: number): number {
  const exponent = (bits >> 10) & 31
  const fraction = (bits & 1023) / 1024
  const size =
    exponent === 31
      ? fraction
        ? Number.NaN
        : Number.POSITIVE_INFINITY
      : exponent
        ? (1 + fraction) * 2 ** (exponent - 15)
        : fraction * 2 ** -14
  return bits & 0x8000 ? -size : size
}
