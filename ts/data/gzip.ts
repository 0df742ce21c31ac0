import { gunzipSync } from 'fflate'
import { dataError } from './error.ts'

/** DEFLATE cannot shrink anything further than this: a file that claims more is damaged and not worth the memory. */
export const GREATEST_RATIO = 1032

/**
 * The content of a gzip file; other bytes pass as they are.
 *
 * @throws NhgdError `ERR_DATA` for a truncated or damaged file.
 */
export function gunzip(bytes: Uint8Array, name = 'file'): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  // The trailer says how long the content is; in a truncated file it is chance and could ask for gigabytes.
  const trailer = bytes.subarray(-4)
  const length =
    bytes.length < 18 ? Infinity : new DataView(trailer.buffer, trailer.byteOffset).getUint32(0, true)
  if (length > GREATEST_RATIO * bytes.length) throw dataError(name, 'a whole gzip file', 'a truncated one')
  try {
    return gunzipSync(bytes)
  } catch (cause) {
    throw dataError(name, 'a whole gzip file', `a damaged or truncated one (${(cause as Error).message})`, {
      cause,
    })
  }
}
