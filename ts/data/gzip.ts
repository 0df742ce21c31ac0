import { gunzipSync } from 'fflate'
import { dataError } from './error.ts'

/** DEFLATE cannot shrink anything further than this: a file that claims more is damaged and not worth the memory. */
export const GREATEST_RATIO = 1032

/**
 * The content of a gzip file, all of its members one after the other (RFC 1952); other bytes pass as they are.
 *
 * @throws NhgdError `ERR_DATA` for a truncated or damaged file.
 */
export function gunzip(bytes: Uint8Array, name = 'file'): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  const starts = memberStarts(bytes)
  try {
    return starts.length === 0 ? inflate(bytes) : eachMember(bytes, starts)
  } catch (cause) {
    throw dataError(name, 'a whole gzip file', `a damaged or truncated one (${(cause as Error).message})`, {
      cause,
    })
  }
}

/** Where the three bytes that start a member stand after the first one, be it by chance. */
function memberStarts(bytes: Uint8Array): number[] {
  const starts: number[] = []
  for (let at = bytes.indexOf(0x1f, 18); at >= 0; at = bytes.indexOf(0x1f, at + 1)) {
    if (bytes[at + 1] === 0x8b && bytes[at + 2] === 8) starts.push(at)
  }
  return starts
}

/** One member. Its trailer says how long the content is; in a truncated one that is chance, and could be gigabytes. */
function inflate(member: Uint8Array): Uint8Array {
  if (member.length < 18) throw new Error('too short')
  if (trailer(member)[1] > GREATEST_RATIO * member.length) throw new Error('impossible length')
  return gunzipSync(member)
}

/** The content of bytes that are one member, by checksum and by length, since DEFLATE adds next to nothing. */
function whole(bytes: Uint8Array): Uint8Array | undefined {
  try {
    const content = inflate(bytes)
    const fits = bytes.length <= 1.01 * content.length + 1024
    return fits && crc32(content) === trailer(bytes)[0] ? content : undefined
  } catch {
    return undefined
  }
}

function eachMember(bytes: Uint8Array, starts: readonly number[]): Uint8Array {
  const parts: Uint8Array[] = []
  let [from, failed] = [0, 0]
  for (const end of [...starts, bytes.length]) {
    const part = whole(bytes.subarray(from, end))
    if (!part && ++failed > MOST_FALSE_STARTS) break
    if (!part) continue
    parts.push(part)
    from = end
    failed = 0
  }
  if (from < bytes.length) throw new Error('a checksum or a length is wrong')
  const content = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    content.set(part, at)
    at += part.length
  }
  return content
}

/** In one member; a file of random bytes has one in 16 MiB. */
const MOST_FALSE_STARTS = 100

/** Checksum and length of the content. */
function trailer(member: Uint8Array): [checksum: number, length: number] {
  const view = new DataView(member.buffer, member.byteOffset + member.length - 8)
  return [view.getUint32(0, true), view.getUint32(4, true)]
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let c = byte
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c
})

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff
  for (const byte of bytes) c = CRC_TABLE[(c ^ byte) & 255] ^ (c >>> 8)
  return (c ^ 0xffffffff) >>> 0
}
