import { open } from 'node:fs/promises'
import { dataError } from './error.ts'
import type { Labels } from './labels.ts'
import {
  arrayOf,
  parseFeatures,
  parseIndices,
  parseLabels,
  parseSet,
  type ReadSet,
  type SetOptions,
} from './read.ts'
import type { Features } from './tensor.ts'

/** What one call of the system reads at most; whole files may be larger. */
const CHUNK = 2 ** 30

/** {@link parseFeatures} of the file at `path` (Node only). */
export async function readFeatures(
  path: string,
  options: { label?: string; as?: string } = {},
): Promise<Features> {
  return parseFeatures({ name: path, bytes: await readBytes(path, options.as ?? 'features') }, options)
}

/** {@link parseSet} of the file at `path` (Node only), which is read once. */
export async function readSet(path: string, options: SetOptions = {}): Promise<ReadSet> {
  return parseSet({ name: path, bytes: await readBytes(path, options.as ?? 'features') }, options)
}

/** {@link parseLabels} of the file at `path` (Node only). */
export async function readLabels(
  path: string,
  options: { label?: string; names?: readonly string[]; header?: boolean; as?: string } = {},
): Promise<Labels> {
  return parseLabels({ name: path, bytes: await readBytes(path, options.as ?? 'labels') }, options)
}

/** {@link parseIndices} of the file at `path` (Node only). */
export async function readIndices(
  path: string,
  options: { as?: string; header?: boolean } = {},
): Promise<Int32Array> {
  return parseIndices({ name: path, bytes: await readBytes(path, options.as ?? 'indices') }, options)
}

/**
 * All bytes of a file, of any size (`readFile` stops at 2 GiB). `-` stands for standard input, and `set.npz:X` for the
 * file of the array.
 *
 * @throws NhgdError `ERR_DATA` when it can't be read.
 */
export async function readBytes(path: string, name = 'file'): Promise<Uint8Array> {
  try {
    if (path === '-') {
      const chunks: Buffer[] = []
      for await (const chunk of process.stdin) chunks.push(chunk)
      return Buffer.concat(chunks)
    }
    const file = await open(arrayOf(path).path)
    try {
      const bytes = new Uint8Array((await file.stat()).size)
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, at, Math.min(CHUNK, bytes.length - at))
        if (bytesRead === 0) throw new Error('it became shorter')
        at += bytesRead
      }
      return bytes
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw dataError(name, 'a file that can be read', `"${path}" (${(cause as Error).message})`, { cause })
  }
}
