import type { DType, Vector } from '../../backend/binding.ts'
import { NhgdError } from '../../backend/errors.ts'

/** Numbers of a problem's scalar type. */
export type Entries = Float64Array | Float32Array

/** Bytes of the largest memory that is kept, and how many of one size are. */
const [largest, kept] = [2 ** 20, 4]

/** Memory for the arrays that callbacks are lent. It is taken back after each call and lent again: new memory is dear. */
export class Room {
  readonly dtype: DType
  readonly #spare = new Map<number, ArrayBuffer[]>()

  constructor(dtype: DType) {
    this.dtype = dtype
  }

  /** An array that holds anything. */
  entries(length: number): Entries {
    const spare = this.#spare.get(length * (this.dtype === 'f32' ? 4 : 8))?.pop()
    return spare ? this.#view(spare) : zeros(length, this.dtype)
  }

  /** A copy of the entries of a vector, which is of this scalar type. */
  read(x: Vector, length: number): Entries {
    const entries = this.entries(length)
    if (entries instanceof Float32Array) x.readIntoF32(entries)
    else x.readIntoF64(entries)
    return entries
  }

  copy(x: Entries): Entries {
    const entries = this.entries(x.length)
    entries.set(x)
    return entries
  }

  /** Takes lent arrays away, so that nobody can read or write them any more, and keeps their memory. */
  takeBack(arrays: readonly (Entries | Uint32Array)[]): void {
    for (const buffer of moved(arrays)) this.#keep(buffer)
  }

  /** The same but for the first, whose entries are returned in an array of its own. */
  takeBackFirst(arrays: readonly (Entries | Uint32Array)[]): Entries {
    const [first, ...others] = moved(arrays)
    for (const buffer of others) this.#keep(buffer)
    return this.#view(first)
  }

  /** Keeps the memory of an array that nobody needs any more. */
  giveBack({ buffer }: Entries): void {
    this.#keep(buffer as ArrayBuffer)
  }

  #keep(buffer: ArrayBuffer): void {
    const size = buffer.byteLength
    const spare = this.#spare.get(size) ?? []
    if (size <= largest && spare.length < kept) this.#spare.set(size, [...spare, buffer])
  }

  #view(buffer: ArrayBuffer): Entries {
    return this.dtype === 'f32' ? new Float32Array(buffer) : new Float64Array(buffer)
  }
}

/** Zeros of a scalar type. */
export function zeros(length: number, dtype: DType): Entries {
  try {
    return dtype === 'f32' ? new Float32Array(length) : new Float64Array(length)
  } catch (cause) {
    throw new NhgdError('ERR_MEMORY', `"out" expected room for ${length} numbers, got none`, { cause })
  }
}

/** The memory of arrays, which are empty from then on. */
export function moved(arrays: readonly (Entries | Uint32Array)[]): ArrayBuffer[] {
  const buffers = arrays.map(({ buffer }) => buffer as ArrayBuffer)
  return structuredClone(buffers, { transfer: buffers })
}
