import { type Backend, read, vector } from '../backend/backend.ts'
import type { DType, Oracles, Point, Vector } from '../backend/binding.ts'
import { having } from '../backend/check.ts'
import { checkMemory } from '../backend/memory.ts'
import type { Block } from './blocks.ts'

export const problemCheck = having('a problem such as bilevel(…)', 'start', 'point')

/** θ and v to start from; the seed matters to networks alone. */
export type ProblemStart = (
  oracles: Oracles,
  seed: number,
) => { inner: ArrayLike<number>; outer: ArrayLike<number> }

/** A bilevel problem: min over v of f(v, θ*(v)) with θ*(v) = argmin over θ of g(v, θ). It never changes. */
export class Problem {
  readonly backend: Backend
  readonly dtype: DType
  readonly #bytes: number
  readonly #build: () => Oracles
  readonly #start: ProblemStart
  readonly #blocks: Readonly<Record<string, Block>>
  readonly #settings: object
  #oracles: Oracles | undefined

  /** `build` uploads the data; it runs once, when an oracle is first asked for. `blocks` are v's parts by name. */
  constructor(
    backend: Backend,
    dtype: DType,
    bytes: number,
    build: () => Oracles,
    start: ProblemStart,
    blocks: Readonly<Record<string, Block>> = {},
    settings: object = {},
  ) {
    this.backend = backend
    this.dtype = dtype
    this.#bytes = bytes
    this.#build = build
    this.#start = start
    this.#blocks = blocks
    this.#settings = settings
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

  /** Where a run starts: at `at`, or at the problem's own θ and v. The signals of a given θ are computed at once. */
  start(seed = 0, at: { inner?: ArrayLike<number>; outer?: ArrayLike<number> } = {}): Point {
    const { inner, outer } = this.#start(this.oracles, seed)
    const point = this.point(this.vector(at.inner ?? inner, 'inner'), this.vector(at.outer ?? outer, 'outer'))
    if (at.inner) this.oracles.refresh(point)
    return point
  }

  /** What the blocks of v stand for at a point, by name: weights in [0, 1], strengths exp v; empty without blocks. */
  hyperparameters(point: Point): Record<string, Float32Array | Float64Array> {
    const names = Object.keys(this.#blocks)
    return Object.fromEntries(names.map((name, i) => [name, read(this.oracles.natural(i, point))]))
  }

  /** What tells this problem from others: shapes and settings, but none of the numbers in arrays. */
  about(): object {
    const { innerLength, outerLength, samples, outerSamples, dtype, curvature, layers } = this.oracles
    const shape = {
      innerLength,
      outerLength,
      samples,
      outerSamples,
      dtype,
      curvature,
      layers: Array.from(layers),
    }
    const blocks = Object.entries(this.#blocks).map(([name, { settings }]) => {
      const plain = Object.entries(settings).filter(([, value]) => typeof value !== 'object')
      return { name, ...Object.fromEntries(plain) }
    })
    return { ...shape, ...this.#settings, blocks }
  }

  /** A point of these vectors, from which nothing is derived yet. */
  point(inner: Vector, outer: Vector): Point {
    return new this.backend.Point(inner, outer, this.zeros(this.oracles.signalsLength))
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
