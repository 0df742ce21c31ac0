import { NhgdError } from '../backend/errors.ts'
import { readArchive, type Tensor, writeArchive } from './archive.ts'

/** Data without classes or functions as the bytes of an archive. */
export function writePacked(value: unknown): Uint8Array {
  const tensors = new Map<string, Tensor>()
  return writeArchive({ about: pack(value, 'value', tensors), tensors })
}

/** The data that {@link writePacked} wrote. */
export function readPacked(bytes: Uint8Array): unknown {
  const { about, tensors } = readArchive(bytes)
  return unpack(about, tensors)
}

const isTensor = (value: object): value is Tensor => ArrayBuffer.isView(value)

/** Data as JSON, and its arrays of numbers as tensors that the JSON names. */
export function pack(value: unknown, path: string, tensors: Map<string, Tensor>): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return { $number: String(value) }
  if (typeof value !== 'object' || value === null) return value
  if (isTensor(value)) {
    tensors.set(path, value)
    return { $tensor: path }
  }
  if (Array.isArray(value)) return value.map((entry, i) => pack(entry, `${path}.${i}`, tensors))
  const entries = Object.entries(value)
  return Object.fromEntries(entries.map(([name, entry]) => [name, pack(entry, `${path}.${name}`, tensors)]))
}

/** The data that {@link pack} made tensors and JSON of. */
export function unpack(value: unknown, tensors: ReadonlyMap<string, Tensor>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((entry) => unpack(entry, tensors))
  const { $number, $tensor } = value as { $number?: string; $tensor?: string }
  if ($number !== undefined) return Number($number)
  if ($tensor === undefined) {
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, unpack(entry, tensors)]))
  }
  const tensor = tensors.get($tensor)
  if (tensor) return tensor
  throw new NhgdError('ERR_CHECKPOINT', `"${$tensor}" expected saved numbers, got none`)
}
