import { arrayType, isGone } from './arrays.ts'
import { shown } from './check.ts'
import { sizeOf } from './strides.ts'

/** A tensor as it is stored: the name of its type, its shape and its bytes. */
export interface StoredTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** The name in the header of what is no tensor. */
export const METADATA = '__metadata__'

/** Bytes per number of each type. */
const widths = {
  ...{ F64: 8, F32: 4, F16: 2, BF16: 2 },
  ...{ I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 },
} as const

/** Makes the error for bytes that are no such archive. */
type Failure = (got: string, cause?: unknown) => Error

/**
 * Tensors in the layout of safetensors: the header's length (u64, little-endian), the header in JSON, padded with spaces,
 * and the tensors one after the other.
 */
export function packTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let end = 0
  const entries = Array.from(tensors, ([name, { dtype, shape, bytes }]) => {
    const from = end
    end += bytes.length
    return [name, { dtype, shape, data_offsets: [from, end] }] as const
  })
  // Not assigned: no name is one of every object's own, such as `__proto__`.
  const header = Object.fromEntries([[METADATA, metadata], ...entries])
  const text = new TextEncoder().encode(JSON.stringify(header))
  const from = 8 * Math.ceil((8 + text.length) / 8)
  const all = new Uint8Array(from + end).fill(0x20, 0, from)
  new DataView(all.buffer).setBigUint64(0, BigInt(from - 8), true)
  all.set(text, 8)
  let at = from
  for (const { bytes } of tensors.values()) {
    all.set(bytes, at)
    at += bytes.length
  }
  return all
}

/** The metadata of an archive, and a function that reads its tensors, each of which is a copy. */
export function unpackTensors(given: Uint8Array, failure: Failure) {
  if (arrayType(given) !== 'Uint8Array' || isGone(given)) throw failure(shown(given))
  // A Buffer's `slice` would not copy.
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.byteLength)
  const { header, data } = headerOf(bytes, failure)
  const { [METADATA]: metadata = {}, ...entries } = header
  if (typeof metadata !== 'object' || metadata === null) throw failure('other metadata')
  const tensors = () => {
    const found = new Map<string, StoredTensor>()
    let end = 0
    for (const [name, entry] of inOrder(entries)) {
      const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Partial<Record<string, unknown>>
      const width = Object.hasOwn(widths, `${dtype}`) ? widths[dtype as keyof typeof widths] : Number.NaN
      const isShape = Array.isArray(shape) && shape.every((n) => Number.isInteger(n) && n >= 0)
      const to = isShape ? end + sizeOf(shape) * width : Number.NaN
      // Tensors follow each other without gaps.
      if (!isShape || `${offsets}` !== `${end},${to}`) {
        throw failure(`another description of "${name.slice(0, 80)}"`)
      }
      if (to > data.length) throw failure(`${bytes.length} bytes`)
      found.set(name, { dtype: dtype as string, shape, bytes: data.slice(end, to) })
      end = to
    }
    if (end !== data.length) throw failure(`${data.length - end} bytes after its end`)
    return found
  }
  return { metadata: metadata as Readonly<Record<string, unknown>>, tensors }
}

/** Entries by where their bytes are; the header may have them in another order. */
function inOrder(entries: Record<string, unknown>): [string, unknown][] {
  const start = (entry: unknown) => Number((entry as { data_offsets?: unknown[] } | null)?.data_offsets?.[0])
  return Object.entries(entries).sort(([, a], [, b]) => start(a) - start(b))
}

function headerOf(
  bytes: Uint8Array,
  failure: Failure,
): { header: Record<string, unknown>; data: Uint8Array } {
  if (bytes.length < 8) throw failure(`${bytes.length} bytes`)
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
  if (length > bytes.length - 8) throw failure(`${bytes.length} bytes`)
  const from = 8 + Number(length)
  try {
    const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, from)))
    if (typeof header === 'object' && header !== null) return { header, data: bytes.subarray(from) }
  } catch (cause) {
    throw failure('other bytes', cause)
  }
  throw failure('other bytes')
}
