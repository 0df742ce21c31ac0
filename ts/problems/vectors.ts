import type { Backend } from '../backend/backend.ts'
import type { DType, Vector } from '../backend/binding.ts'

/** Entries of a vector, in its scalar type. */
export type Entries = Float32Array | Float64Array

/** Vectors of a backend and arrays of their entries, all of one scalar type. */
export class Vectors {
  readonly #backend: Backend
  readonly #dtype: DType

  constructor(backend: Backend, dtype: DType) {
    this.#backend = backend
    this.#dtype = dtype
  }

  /** Zeros. */
  entries(length: number): Entries {
    return this.#dtype === 'f32' ? new Float32Array(length) : new Float64Array(length)
  }

  read(vector: Vector): Entries {
    const entries = this.entries(vector.length)
    read(vector, entries)
    return entries
  }

  /** Lends `use` a vector of zeros: what waits to be collected makes each call dearer. */
  async zeros<R>(length: number, use: (vector: Vector) => R | Promise<R>): Promise<R> {
    const vector = new this.#backend.Vector(length, this.#dtype)
    try {
      return await use(vector)
    } finally {
      vector.dispose()
    }
  }

  /** Lends `use` a vector of these entries. */
  lend<R>(entries: Entries, use: (vector: Vector) => R | Promise<R>): Promise<R> {
    return this.zeros(entries.length, (vector) => {
      write(vector, entries)
      return use(vector)
    })
  }
}

/** entries ← those of a vector of as many. */
export function read(vector: Vector, entries: Entries): void {
  if (entries instanceof Float32Array) vector.readIntoF32(entries)
  else vector.readIntoF64(entries)
}

/** Writes the entries of a vector; errors call it `name`. */
export function write(vector: Vector, entries: Entries, name?: string): void {
  if (entries instanceof Float32Array) vector.writeF32(entries, name)
  else vector.writeF64(entries, name)
}
