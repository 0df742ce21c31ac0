import type { Features } from './binding.ts'
import { crc32 } from './crc32.ts'
import type { Matrix } from './matrix.ts'

/** What a fingerprint looks at of a matrix, in bytes: blocks of this size, spread evenly, and this many of them. */
const [block, blocks] = [4096, 256]

const uploaded = new WeakMap<Features, string>()

/** Keeps the fingerprint of a matrix for its uploaded copy, which nobody can read. */
export function remember(features: Features, matrix: Matrix): Features {
  uploaded.set(features, ofMatrix(matrix))
  return features
}

/** What tells a matrix from others: its shape, its type and at most 1 MiB of its bytes, all of a smaller one. */
export function ofFeatures(features: Matrix | Features): string {
  return 'data' in features ? ofMatrix(features) : (uploaded.get(features) ?? 'uploaded')
}

function ofMatrix({ data, rows, columns, scale = 1 }: Matrix): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const stride = Math.max(block, Math.floor(bytes.length / blocks))
  let checksum = 0
  for (let at = 0; at < bytes.length; at += stride) checksum = crc32(bytes.subarray(at, at + block), checksum)
  return `${rows} ${columns} ${scale} ${data.BYTES_PER_ELEMENT} ${checksum}`
}

/** What tells data from others: a checksum of all of some texts and numbers, whatever holds the numbers. */
export function fingerprint(parts: Iterable<string | ArrayLike<number> | undefined>): string {
  let checksum = 0
  for (const part of parts) {
    const bytes =
      typeof part === 'string'
        ? new TextEncoder().encode(part)
        : new Uint8Array(Float64Array.from(part ?? []).buffer)
    checksum = crc32(bytes, crc32(Uint8Array.of(bytes.length, bytes.length >>> 8), checksum))
  }
  return checksum.toString(16).padStart(8, '0')
}
