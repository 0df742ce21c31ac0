import { crc32 } from '../backend/crc32.ts'
import { NhgdError } from '../backend/errors.ts'
import { packTensors, unpackTensors } from '../backend/safetensors.ts'

/** A tensor as it is stored, named by its path. */
export type Tensor = Float64Array | Float32Array | Uint32Array | Int32Array | Uint8Array

/**
 * An archive in the layout of safetensors: the header's length (u64, little-endian), the header in JSON, and the
 * tensors one after the other. `about` is JSON under the header's `__metadata__`, whose first entry is the CRC-32 of
 * all bytes, taken with zeros in its own place.
 */
export interface Archive {
  readonly about: unknown
  readonly tensors: ReadonlyMap<string, Tensor>
}

const types = {
  F64: Float64Array,
  F32: Float32Array,
  U32: Uint32Array,
  I32: Int32Array,
  U8: Uint8Array,
} as const
type TypeName = keyof typeof types

/** Buffers count as bytes. */
const typeOf = (tensor: Tensor): TypeName =>
  (Object.keys(types) as TypeName[]).find((name) => tensor instanceof types[name]) ?? 'U8'

const start = '{"__metadata__":{"checksum":"'
const place = 8 + start.length
const digits = 8

/** The checksum as it stands in the header. */
function checksumOf(bytes: Uint8Array): Uint8Array {
  const zeros = new Uint8Array(digits).fill(0x30)
  const head = crc32(zeros, crc32(bytes.subarray(0, place)))
  const checksum = crc32(bytes.subarray(place + digits), head)
  return new TextEncoder().encode(checksum.toString(16).padStart(digits, '0'))
}

/** The archive as bytes. */
export function writeArchive({ about, tensors }: Archive): Uint8Array {
  const stored = Array.from(tensors, ([name, tensor]) => {
    const bytes = new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength)
    return [name, { dtype: typeOf(tensor), shape: [tensor.length], bytes }] as const
  })
  const metadata = { checksum: '0'.repeat(digits), nhgd: JSON.stringify(about) }
  const bytes = packTensors(new Map(stored), metadata)
  bytes.set(checksumOf(bytes), place)
  return bytes
}

/**
 * Reads what {@link writeArchive} wrote.
 *
 * @throws NhgdError `ERR_CHECKPOINT` for bytes that are truncated or damaged, or no such archive.
 */
export function readArchive(bytes: Uint8Array): Archive {
  const { metadata, tensors } = unpackTensors(bytes, foreign)
  const about = aboutOf(metadata)
  verify(bytes, about)
  const read = Array.from(tensors(), ([name, { dtype, shape, bytes }]) => {
    if (!Object.hasOwn(types, dtype) || shape.length !== 1) {
      throw foreign(`another description of "${name.slice(0, 80)}"`)
    }
    return [name, new types[dtype as keyof typeof types](bytes.buffer as ArrayBuffer)] as const
  })
  return { about, tensors: new Map(read) }
}

function aboutOf({ nhgd }: Readonly<Record<string, unknown>>): unknown {
  try {
    return JSON.parse(String(nhgd))
  } catch (cause) {
    throw foreign('other bytes', cause)
  }
}

function verify(bytes: Uint8Array, about: unknown): void {
  const text = (part: Uint8Array) => new TextDecoder('latin1').decode(part)
  if (text(bytes.subarray(8, place)) !== start) {
    // Archives of version 1 had no checksum; whoever resumes one is told its version.
    if ((about as { version?: unknown } | null)?.version === 1) return
    throw foreign('bytes without a checksum')
  }
  const own = text(bytes.subarray(place, place + digits))
  const is = text(checksumOf(bytes))
  if (own !== is) throw foreign(`damaged bytes (their checksum is ${is}, not ${own})`)
}

function foreign(got: string, cause?: unknown): NhgdError {
  return new NhgdError('ERR_CHECKPOINT', `"bytes" expected a whole saved run, got ${got}`, { cause })
}
