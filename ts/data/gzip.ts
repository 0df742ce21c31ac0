import { gunzipSync } from 'fflate'
import { crc32 } from '../backend/crc32.ts'
import { bytesOf, dataError } from './error.ts'

/** DEFLATE cannot shrink anything further than this. */
const GREATEST_RATIO = 1032
/** Data sets that are larger than a gibibyte never shrink further than this, and files made to fill memory do. */
const GREATEST_RATIO_OF_LARGE = 100

/** Refuses bytes that claim to unpack to more than they can, or to more than is worth the memory. */
export function checkUnpacked(claimed: number, packed: number): void {
  const most = packed * (claimed > 2 ** 30 ? GREATEST_RATIO_OF_LARGE : GREATEST_RATIO)
  if (claimed > most) throw new Error(`${packed} bytes that claim to unpack to ${claimed}`)
}

/**
 * The content of a gzip file, all of its members one after the other (RFC 1952); other bytes pass as they are.
 *
 * @throws NhgdError `ERR_DATA` for a truncated or damaged file, whose checksum is wrong.
 */
export function gunzip(bytes: Uint8Array, name = 'file'): Uint8Array {
  if (bytesOf(bytes, name)[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
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

/** The content of one member. Its trailer has the checksum and the length; in a truncated one they are chance. */
function inflate(member: Uint8Array): Uint8Array {
  if (member.length < 18) throw new Error('too short')
  const view = new DataView(member.buffer, member.byteOffset + member.length - 8)
  const [checksum, length] = [view.getUint32(0, true), view.getUint32(4, true)]
  checkUnpacked(length, member.length)
  const content = gunzipSync(member)
  if (content.length === length && crc32(content) === checksum) return content
  throw new Error('the checksum or the length is wrong')
}

/** The content of bytes that are one member, by length too, since DEFLATE adds next to nothing. */
function whole(bytes: Uint8Array): Uint8Array | undefined {
  try {
    const content = inflate(bytes)
    return bytes.length <= 1.01 * content.length + 1024 ? content : undefined
  } catch {
    return undefined
  }
}

function eachMember(bytes: Uint8Array, starts: readonly number[]): Uint8Array {
  const parts: Uint8Array[] = []
  let [from, failed, length] = [0, 0, 0]
  for (const end of [...starts, bytes.length]) {
    const part = whole(bytes.subarray(from, end))
    if (!part && ++failed > MOST_FALSE_STARTS) break
    if (!part) continue
    parts.push(part)
    length += part.length
    checkUnpacked(length, bytes.length)
    from = end
    failed = 0
  }
  if (from < bytes.length) throw new Error('a checksum or a length is wrong')
  const content = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    content.set(part, at)
    at += part.length
  }
  return content
}

/** In one member; a file of random bytes has one in 16 MiB. */
const MOST_FALSE_STARTS = 100
