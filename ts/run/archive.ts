import { arrayType } from '../backend/arrays.ts'
import { shown } from '../backend/check.ts'
import { crc32 } from '../backend/crc32.ts'
import { NhgdError } from '../backend/errors.ts'

/** A tensor as it is stored, named by its path. */
export type Tensor = Float64Array | Float32Array | Uint8Array

/**
 * An archive in the layout of safetensors: the header's length (u64, little-endian), the header in JSON, and the
 * tensors one after the other. `about` is JSON under the header's `__metadata__`, whose first entry is the CRC-32 of
 * all bytes, taken with zeros in its own place.
 */
export interface Archive {
  readonly about: unknown
  readonly tensors: ReadonlyMap<string, Tensor>
}

const types = { F64: Float64Array, F32: Float32Array, U8: Uint8Array } as const
type TypeName = keyof typeof types

const typeOf = (tensor: Tensor): TypeName =>
  tensor instanceof Float64Array ? 'F64' : tensor instanceof Float32Array ? 'F32' : 'U8'

interface Entry {
  readonly dtype: TypeName
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

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
  const header: Record<string, unknown> = {
    __metadata__: { checksum: '0'.repeat(digits), nhgd: JSON.stringify(about) },
  }
  let end = 0
  for (const [name, tensor] of tensors) {
    const entry: Entry = {
      dtype: typeOf(tensor),
      shape: [tensor.length],
      data_offsets: [end, end + tensor.byteLength],
    }
    header[name] = entry
    end += tensor.byteLength
  }
  const text = new TextEncoder().encode(JSON.stringify(header))
  const from = 8 * Math.ceil((8 + text.length) / 8)
  const bytes = new Uint8Array(from + end).fill(0x20, 0, from) // the header is padded with spaces
  new DataView(bytes.buffer).setBigUint64(0, BigInt(from - 8), true)
  bytes.set(text, 8)
  let at = from
  for (const tensor of tensors.values()) {
    bytes.set(new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength), at)
    at += tensor.byteLength
  }
  bytes.set(checksumOf(bytes), place)
  return bytes
}

/**
 * Reads what {@link writeArchive} wrote.
 *
 * @throws NhgdError `ERR_CHECKPOINT` for bytes that are truncated or damaged, or no such archive.
 */
export function readArchive(bytes: Uint8Array): Archive {
  if (arrayType(bytes) !== 'Uint8Array') throw foreign(shown(bytes))
  // A Buffer's `slice` would not copy.
  const { header, data } = headerOf(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const { __metadata__: metadata, ...entries } = header as Record<string, Entry> & {
    __metadata__?: { readonly nhgd?: string }
  }
  const about = aboutOf(metadata)
  verify(bytes, about)
  const tensors = new Map<string, Tensor>()
  let end = 0
  for (const [name, entry] of Object.entries(entries)) {
    const [length] = Array.isArray(entry?.shape) ? entry.shape : []
    const type = Object.hasOwn(types, `${entry?.dtype}`) ? types[entry.dtype] : undefined
    const to = end + length * (type?.BYTES_PER_ELEMENT ?? Number.NaN)
    // Tensors follow each other without gaps.
    if (!type || !Number.isInteger(length) || `${entry.data_offsets}` !== `${end},${to}`)
      throw foreign(`another description of "${name.slice(0, 80)}"`)
    if (length < 0 || to > data.length) throw foreign(`${bytes.length} bytes`)
    tensors.set(name, new type(data.slice(end, to).buffer))
    end = to
  }
  if (end !== data.length) throw foreign(`${data.length - end} bytes after its end`)
  return { about, tensors }
}

function aboutOf(metadata: { readonly nhgd?: string } | undefined): unknown {
  try {
    return JSON.parse(metadata?.nhgd ?? '')
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

function headerOf(bytes: Uint8Array): { header: unknown; data: Uint8Array } {
  if (bytes.length < 8) throw foreign(`${bytes.length} bytes`)
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
  if (length > bytes.length - 8) throw foreign(`${bytes.length} bytes`)
  const from = 8 + Number(length)
  try {
    const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, from)))
    if (typeof header === 'object' && header !== null) return { header, data: bytes.subarray(from) }
  } catch (cause) {
    throw foreign('other bytes', cause)
  }
  throw foreign('other bytes')
}

function foreign(got: string, cause?: unknown): NhgdError {
  return new NhgdError('ERR_CHECKPOINT', `"bytes" expected a whole saved run, got ${got}`, { cause })
}
