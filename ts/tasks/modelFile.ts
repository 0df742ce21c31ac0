import { NhgdError } from '../backend/errors.ts'
import { readNpz, writeNpz } from '../data/npz.ts'
import { readSafetensors, writeSafetensors } from '../data/safetensors.ts'
import type { NumericArray, Tensor } from '../data/tensor.ts'

export type ModelFormat = 'npz' | 'safetensors'

/** The names of a model's classes and columns, where they are known. */
interface Names {
  readonly classes?: readonly string[]
  readonly columns?: readonly string[]
}

/** A model's file: in NPZ names are the bytes of their JSON, in safetensors they are JSON in the metadata. */
export function writeModel(
  format: ModelFormat,
  tensors: Readonly<Record<string, Tensor<NumericArray>>>,
  names: Names = {},
): Uint8Array {
  const known = Object.entries(names).filter(([, list]) => list)
  const texts = Object.fromEntries(known.map(([key, list]) => [key, JSON.stringify(list)]))
  if (format === 'safetensors') return writeSafetensors({ tensors, metadata: texts })
  const arrays = Object.entries(texts).map(([key, text]) => {
    const data = new TextEncoder().encode(text)
    return [key, { data, shape: [data.length] }] as const
  })
  return writeNpz({ ...tensors, ...Object.fromEntries(arrays) })
}

/**
 * Reads what {@link writeModel} wrote, in either format.
 *
 * @throws NhgdError `ERR_DATA` for other files, `ERR_CHECKPOINT` for a file without θ, a matrix with a row per column and
 * one for the bias, and for names of another count.
 */
export function readModel(
  bytes: Uint8Array,
  name = 'file',
): Names & { readonly theta: Tensor<Float32Array | Float64Array> } {
  const isSafe = bytes[8] === 0x7b
  const { tensors, metadata = {} } = isSafe ? readSafetensors(bytes, name) : { tensors: readNpz(bytes, name) }
  const { theta } = tensors
  const isFloat = theta?.data instanceof Float32Array || theta?.data instanceof Float64Array
  if (theta?.shape.length !== 2 || !isFloat) {
    throw new NhgdError(
      'ERR_CHECKPOINT',
      '"theta" expected a float matrix, (columns + 1) × classes, got none',
    )
  }
  const namesOf = (key: keyof Names, count: number) => {
    const text = Object.hasOwn(metadata, key) ? metadata[key] : textOf(isSafe ? undefined : tensors[key])
    return text === undefined ? undefined : parsed(text, count, name)
  }
  const [rows, classes] = theta.shape
  const found = { classes: namesOf('classes', classes), columns: namesOf('columns', rows - 1) }
  return { ...found, theta: theta as Tensor<Float32Array | Float64Array> }
}

function textOf(array: Tensor | undefined): string | undefined {
  return array && new TextDecoder().decode(Uint8Array.from(array.data as ArrayLike<number>))
}

function parsed(text: string, count: number, name: string): string[] {
  try {
    const names: unknown = JSON.parse(text)
    if (Array.isArray(names) && names.length === count) return names.map(String)
  } catch {}
  throw new NhgdError('ERR_CHECKPOINT', `"${name}" expected ${count} names as JSON, got something else`)
}
