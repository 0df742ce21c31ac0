import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { backendCheck, something } from '../backend/check.ts'
import { type FileMapper, mapFile, mappingOf } from '../backend/mapping.ts'
import { matrix } from '../backend/matrix.ts'
import type { Bytes, RowsOf } from './bytes.ts'
import { dataError } from './error.ts'
import { arrayOf, formatOf } from './formats.ts'
import { optional, text } from './given.ts'
import type { Labels } from './labels.ts'
import { readNpyRows } from './npy.ts'
import { decodeTable, readParquet } from './packages.ts'
import {
  type File,
  parseFeatures,
  parseIndices,
  parseLabels,
  parseSet,
  parseTable,
  parseValues,
  type ReadSet,
  type SetOptions,
} from './read.ts'
import { type Features, toFeatures } from './tensor.ts'

/** What one call of the system reads at most; whole files may be larger. */
const CHUNK = 2 ** 30

/** How a file of features is read. */
export interface Residence {
  /**
   * Where the features will be used. A native backend maps NPY and IDX files into memory, so that features of a type that
   * kernels read (bytes, f4 and f8 in C order) are used where they lie. Such a file must neither change nor become shorter.
   */
  readonly backend?: FileMapper
}

/** What errors call a file. */
const nameOf = (options: { readonly as?: string }, otherwise: string): string =>
  optional(text)('as', (something('options', options) as typeof options).as) ?? otherwise

/** {@link parseFeatures} of the file at `path` (Node only). */
export async function readFeatures(
  path: string,
  given: { label?: string; as?: string } & Residence = {},
): Promise<Features> {
  const { backend, ...options } = something('options', given) as typeof given
  return parseFeatures(await readFile(path, nameOf(options, 'features'), backend), options)
}

/** {@link parseSet} of the file at `path` (Node only), which is read once. */
export async function readSet(path: string, given: SetOptions & Residence = {}): Promise<ReadSet> {
  const { backend, ...options } = something('options', given) as typeof given
  return parseSet(await readFile(path, nameOf(options, 'features'), backend), options)
}

/** Some rows of a set, given how many it has. Of NPY and Parquet files, the others are not read. */
export async function readSetRows(
  path: string,
  rowsOf: RowsOf,
  { backend, header, ...options }: SetOptions & Residence,
): Promise<ReadSet> {
  const { as = 'features' } = options
  const format = /\.gz$/i.test(path) ? undefined : formatOf(path)
  if (format === 'npy') {
    const mapped = backend && (await readBytes(path, as, backend))
    const read = (bytes: Bytes) => toFeatures(readNpyRows(bytes, as, rowsOf), as, options.impute)
    return mapped ? read(mapped) : withParts(path, as, read)
  }
  if (format === 'parquet') {
    return withParts(path, as, async (bytes) => parseTable(await readParquet(bytes, as, rowsOf), options))
  }
  const { features, labels, texts, ...rest } = await readSet(path, { backend, header, ...options })
  const { data, rows, columns, scale } = features
  const { from, to } = rowsOf(rows)
  const own = data.subarray(from * columns, to * columns)
  return {
    ...rest,
    // What is no part of a file must not keep the rest in memory.
    features: matrix(mappingOf(data) ? own : own.slice(), to - from, columns, scale),
    ...(labels && { labels: { ...labels, labels: labels.labels.slice(from, to) } }),
    ...(texts && {
      texts: Object.fromEntries(Object.entries(texts).map(([name, all]) => [name, all.slice(from, to)])),
    }),
  }
}

/** Lends the bytes of a file, of which the parts that are asked for are read. */
async function withParts<T>(path: string, as: string, use: (bytes: Bytes) => T | Promise<T>): Promise<T> {
  const readable = <R>(read: () => R): R => {
    try {
      return read()
    } catch (cause) {
      throw dataError(as, 'a file that can be read', `"${path}" (${(cause as Error).message})`, { cause })
    }
  }
  const file = readable(() => openSync(path, 'r'))
  try {
    const length = readable(() => fstatSync(file).size)
    return await use({
      length,
      subarray(from, to) {
        const part = new Uint8Array(Math.max(0, to - from))
        readable(() => {
          for (let at = 0; at < part.length; ) {
            const read = readSync(file, part, at, Math.min(CHUNK, part.length - at), from + at)
            if (read === 0) throw new Error('it became shorter')
            at += read
          }
        })
        return part
      },
    })
  } finally {
    closeSync(file)
  }
}

/** {@link parseLabels} of the file at `path` (Node only). */
export async function readLabels(
  path: string,
  options: { label?: string; names?: readonly string[]; header?: boolean; as?: string } = {},
): Promise<Labels> {
  return parseLabels(await readFile(path, nameOf(options, 'labels')), options)
}

/** {@link parseValues} of the file at `path` (Node only). */
export async function readValues(
  path: string,
  options: { label?: string; header?: boolean; as?: string } = {},
): Promise<ArrayLike<number | string | bigint | boolean>> {
  return parseValues(await readFile(path, nameOf(options, 'values')), options)
}

/** {@link parseIndices} of the file at `path` (Node only). */
export async function readIndices(
  path: string,
  options: { as?: string; header?: boolean } = {},
): Promise<Int32Array> {
  return parseIndices(await readFile(path, nameOf(options, 'indices')), options)
}

/** A file for the parsers. Parquet and Arrow are decoded by a package that has to be installed; `backend` as for features. */
export async function readFile(path: string, as = 'file', backend?: FileMapper): Promise<File> {
  const bytes = await readBytes(path, as, backend)
  return { name: path, bytes, table: await decodeTable(path, bytes, as) }
}

/**
 * All bytes of a file, of any size (`readFile` stops at 2 GiB). `-` stands for standard input, and `set.npz:X` for the
 * file of the array. Regular files in formats that hold numbers as memory does are mapped where the `backend` can do that.
 *
 * @throws NhgdError `ERR_DATA` when it can't be read.
 */
export async function readBytes(path: string, name = 'file', backend?: FileMapper): Promise<Uint8Array> {
  text('path', path)
  const mappable =
    backend !== undefined && ['npy', 'idx'].includes(formatOf(path) ?? '') && !/\.gz$/i.test(path)
  if (mappable) backendCheck('backend', backend)
  try {
    if (path === '-') {
      const chunks: Buffer[] = []
      for await (const chunk of process.stdin) chunks.push(chunk)
      return Buffer.concat(chunks)
    }
    const file = await open(arrayOf(path).path)
    try {
      const about = await file.stat()
      const mapped = mappable && about.isFile() && about.size > 0 && mapFile(backend, path)
      if (mapped) return mapped
      const bytes = new Uint8Array(about.size)
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
