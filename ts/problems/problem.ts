import { type Backend, vector } from '../backend/backend.ts'
import type { DType, Oracles, Vector } from '../backend/binding.ts'
import { checkMemory } from '../backend/memory.ts'

/** A bilevel problem: min over v of f(v, θ*(v)) with θ*(v) = argmin over θ of g(v, θ). */
export class Problem {
  readonly backend: Backend
  readonly dtype: DType
  readonly #bytes: number
  readonly #build: () => Oracles
  readonly #start: (oracles: Oracles) => { inner: ArrayLike<number>; outer: ArrayLike<number> }
  #oracles: Oracles | undefined

  /** `build` uploads the data; it runs once, when an oracle is first asked for. */
  constructor(
    backend: Backend,
    dtype: DType,
    bytes: number,
    build: () => Oracles,
    start: (oracles: Oracles) => { inner: ArrayLike<number>; outer: ArrayLike<number> },
  ) {
    this.backend = backend
    this.dtype = dtype
    this.#bytes = bytes
    this.#build = build
    this.#start = start
  }

  /** The oracles over uploaded data (`ERR_MEMORY`, before anything is uploaded, where WebAssembly can't hold it). */
  get oracles(): Oracles {
    if (!this.#oracles) checkMemory(this.backend, 'problem', this.#bytes)
    this.#oracles ??= this.#build()
    return this.#oracles
  }

  /** Bytes that the backend needs for this problem's data and per-sample numbers; nothing is uploaded to tell. */
  memory(): number {
    return this.#bytes
  }

  /** Where a run starts when it isn't told otherwise. */
  start(): { inner: Vector; outer: Vector } {
    const { inner, outer } = this.#start(this.oracles)
    return { inner: this.vector(inner, 'inner'), outer: this.vector(outer, 'outer') }
  }

  /** A vector of this problem's backend and scalar type; errors call its entries `name`. */
  vector(entries: ArrayLike<number>, name?: string): Vector {
    return vector(this.backend, entries, this.dtype, name)
  }

  /** Zeros. */
  zeros(length: number): Vector {
    return new this.backend.Vector(length, this.dtype)
  }
}
