import type { Handle, Point, Step, Vector } from '../backend/binding.ts'
import { NhgdError } from '../backend/errors.ts'
import type { Tensor } from './archive.ts'

/** Something that turns its state into bytes, such as a Fisher, a sampler or an optimiser. */
interface Saved {
  save(): Uint8Array | Promise<Uint8Array>
  restore(bytes: Uint8Array): void | Promise<void>
}

const isSaved = (value: object): value is Saved => 'save' in value && 'restore' in value
const isVector = (value: object): value is Vector => 'readF64' in value
const isStep = (value: object): value is Step => 'keep' in value
const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((entry) => typeof entry === 'number')

/** The vectors of a point as a record. */
export const vectorsOf = ({ inner, outer, signals }: Point) => ({ inner, outer, signals })

/** Entries of a record that are saved. */
const entriesOf = (record: object) =>
  Object.entries(record).filter(([name, value]) => name !== 'scratch' && value !== undefined)

/** Writes all that a record holds to `tensors`, by its path. */
export async function saveRecord(record: object, tensors: Map<string, Tensor>, path: string): Promise<void> {
  for (const [name, value] of entriesOf(record)) {
    const at = `${path}.${name}`
    if (typeof value === 'number') tensors.set(at, Float64Array.of(value))
    else if (isNumbers(value)) tensors.set(at, Float64Array.from(value))
    else if (isSaved(value)) tensors.set(at, await value.save())
    else if (isVector(value)) tensors.set(at, value.dtype === 'f32' ? value.readF32() : value.readF64())
    else await saveRecord(value, tensors, at)
  }
}

/**
 * Takes back what {@link saveRecord} wrote, in place. Numbers that the record does not have yet are added to it.
 *
 * @throws NhgdError `ERR_CHECKPOINT` where an entry is missing, or is of another kind or length.
 */
export async function restoreRecord(
  record: object,
  tensors: ReadonlyMap<string, Tensor>,
  path: string,
): Promise<void> {
  const entries = record as Record<string, unknown>
  for (const [at, tensor] of tensors) {
    const name = at.startsWith(`${path}.`) ? at.slice(path.length + 1) : '.'
    if (!name.includes('.') && !(name in record) && tensor.length === 1) entries[name] = tensor[0]
  }
  for (const [name, value] of entriesOf(record)) {
    const at = `${path}.${name}`
    const tensor = tensors.get(at)
    if (typeof value === 'number') entries[name] = numbersOf(at, tensor, 1)[0]
    else if (isNumbers(value)) value.splice(0, value.length, ...numbersOf(at, tensor))
    else if (isSaved(value)) await restoring(at, () => value.restore(bytesOf(at, tensor)))
    else if (isVector(value)) await restoring(at, () => write(value, tensor))
    else await restoreRecord(value as object, tensors, at)
  }
}

/** Disposes of the vectors, steps and objects with a state of their own in a record, and of those in its records. */
export function disposeRecord(record: object): void {
  for (const value of Object.values(record)) {
    if (typeof value !== 'object' || value === null) continue
    if (isSaved(value) || isVector(value) || isStep(value)) (value as Partial<Handle>).dispose?.()
    else if (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype) disposeRecord(value)
  }
}

function write(vector: Vector, tensor: Tensor | undefined): void {
  if (vector.dtype === 'f32' && tensor instanceof Float32Array) vector.writeF32(tensor)
  else if (vector.dtype === 'f64' && tensor instanceof Float64Array) vector.writeF64(tensor)
  else throw new TypeError(`a vector of ${vector.dtype}`)
}

function numbersOf(at: string, tensor: Tensor | undefined, length = tensor?.length): Float64Array {
  if (tensor instanceof Float64Array && tensor.length === length) return tensor
  throw missing(at, 'numbers')
}

function bytesOf(at: string, tensor: Tensor | undefined): Uint8Array {
  if (tensor instanceof Uint8Array) return tensor
  throw missing(at, 'bytes')
}

function missing(at: string, what: string): NhgdError {
  return new NhgdError('ERR_CHECKPOINT', `"${at}" expected saved ${what}, got none that fit`)
}

async function restoring(at: string, act: () => unknown): Promise<void> {
  try {
    await act()
  } catch (error) {
    const { message } = error as Error
    throw new NhgdError('ERR_CHECKPOINT', `"${at}" expected what it was saved from, got ${message}`, {
      cause: error,
    })
  }
}
