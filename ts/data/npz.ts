import { zipSync } from 'fflate'
import { callback, checkOptions, flag, something } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { bytesOf, dataError, listed } from './error.ts'
import { texts } from './given.ts'
import { readNpy, writeNpy } from './npy.ts'
import type { NumericArray, Tensor } from './tensor.ts'
import { unzip as unzipFiles } from './zip.ts'

/** As NumPy does: the same arrays give the same bytes, whenever they are written. Local time, as zip keeps it. */
const EPOCH = new Date(1980, 0, 1)

/**
 * Reads the arrays of NumPy's NPZ, stored or deflated, by name.
 *
 * @throws NhgdError `ERR_DATA` as for NPY, with the array's name.
 */
export function readNpz(bytes: Uint8Array, name = 'file'): Record<string, Tensor> {
  const entries = Object.entries(unzip(bytes, name))
  return Object.fromEntries(entries.map(([array, content]) => [array, readNpy(content, `${name}[${array}]`)]))
}

/** The NPY files of an archive by the names of their arrays; none of them is decoded. */
export function unzip(bytes: Uint8Array, name: string): Record<string, Uint8Array> {
  try {
    const files = unzipFiles(bytesOf(bytes, name), (file) => file.endsWith('.npy'))
    return Object.fromEntries([...files].map(([file, content]) => [file.slice(0, -'.npy'.length), content]))
  } catch (cause) {
    if (cause instanceof NhgdError) throw cause
    throw dataError(
      name,
      'an NPZ file',
      `a foreign, damaged or truncated one (${(cause as Error).message})`,
      {
        cause,
      },
    )
  }
}

/** Writes arrays by name; `compress` deflates them. */
export function writeNpz(
  arrays: Record<string, Tensor<NumericArray>>,
  options: { readonly compress?: boolean } = {},
): Uint8Array {
  const { compress = false } = checkOptions(options, { compress: flag })
  const entries = Object.entries(something('arrays', arrays) as typeof arrays).map(([name, tensor]) => [
    `${name}.npy`,
    writeNpy(tensor),
  ])
  return zipSync(Object.fromEntries(entries), { level: compress ? 6 : 0, mtime: EPOCH })
}

/**
 * The array that is meant: the first of `names` that is there, else the only one that `fits`.
 *
 * @throws NhgdError `ERR_DATA` listing what the file holds.
 */
export function pickArray(
  arrays: Record<string, Tensor>,
  names: readonly string[],
  fits: (tensor: Tensor) => boolean,
  name = 'file',
): Tensor {
  something('arrays', arrays)
  callback('fits', fits)
  const named = texts('names', names).find((candidate) => Object.hasOwn(arrays, candidate))
  const fitting = named === undefined ? Object.values(arrays).filter(fits) : [arrays[named]]
  if (fitting.length === 1) return fitting[0]
  const held = Object.entries(arrays).map(([key, tensor]) => `${key} [${tensor?.shape?.join(', ')}]`)
  throw dataError(name, `an array named ${names.join(' or ')}`, listed(held) || 'no arrays')
}
