import { type Backend, taken, vector } from '../backend/backend.ts'
import type { DType, Handle, Oracles, Point, Vector } from '../backend/binding.ts'
import { having, refuseAs, refuseDisposed } from '../backend/check.ts'
import type { Communicator } from '../backend/communicator.ts'
import { fingerprint } from '../backend/fingerprint.ts'
import { checkMemory } from '../backend/memory.ts'
import type { FisherSettings } from '../backend/settings.ts'
import { customFisher } from '../defaults.ts'
import type { Block } from './blocks.ts'

export const problemCheck = having('a problem such as bilevel(…)', 'start', 'paced')

/** The oracles that compute; a user's own functions may answer them later. */
export type ComputedOracle =
  | 'regularizer'
  | 'innerStep'
  | 'innerStepFor'
  | 'observe'
  | 'innerGradient'
  | 'innerLoss'
  | 'outerLoss'
  | 'outerGradient'
  | 'crossProduct'
  | 'curvatureProduct'
  | 'hessianProduct'
  | 'exactDirection'

const computed: Record<ComputedOracle, true> = {
  regularizer: true,
  innerStep: true,
  innerStepFor: true,
  observe: true,
  innerGradient: true,
  innerLoss: true,
  outerLoss: true,
  outerGradient: true,
  crossProduct: true,
  curvatureProduct: true,
  hessianProduct: true,
  exactDirection: true,
}

/** A function whose result is there at once or later. */
export type Eventually<F> = F extends (...args: infer A) => infer R ? (...args: A) => R | Promise<R> : never

/** The oracles of any problem, whose answers have to be awaited. Those of the backend are there at once. */
export type AnyOracles = Omit<Oracles, ComputedOracle | 'withFold' | 'sensitivities' | keyof Handle> & {
  readonly [K in ComputedOracle]: Eventually<Oracles[K]>
} & {
  /** The inverse Fisher of methods whose default one the problem cannot feed. */
  readonly usualFisher?: FisherSettings
  /** What is taken by differences: by how much its differences of two steps disagreed so far, at the worst. */
  readonly differences?: Readonly<Record<string, number>>
}

/** θ and v to start from; the seed matters to networks alone. */
export type ProblemStart<O extends AnyOracles = Oracles> = (
  oracles: O,
  seed: number,
) => { inner: ArrayLike<number>; outer: ArrayLike<number> }

/** Makes the problem of all ranks' samples. */
export type Spread = (communicator: Communicator) => Promise<AnyProblem>

/** A bilevel problem: min over v of f(v, θ*(v)) with θ*(v) = argmin over θ of g(v, θ). It never changes. */
export class Problem<O extends AnyOracles = Oracles> {
  readonly backend: Backend
  readonly dtype: DType
  readonly #bytes: number
  readonly #build: () => O
  readonly #start: (seed: number) => ReturnType<ProblemStart>
  readonly #blocks: Readonly<Record<string, Block>>
  readonly #settings: object
  readonly #data: () => Parameters<typeof fingerprint>[0]
  readonly #spread: Spread | undefined
  #oracles: O | undefined
  #fingerprint: string | undefined
  #disposed = false

  /**
   * `build` uploads the data; it runs once, when an oracle is first asked for. `blocks` are v's parts by name. `data` are
   * the numbers that a saved run is recognised by. `spread` is there where the samples may be spread over ranks.
   */
  constructor(
    backend: Backend,
    dtype: DType,
    bytes: number,
    build: () => O,
    start: ProblemStart<O>,
    blocks: Readonly<Record<string, Block>> = {},
    settings: object = {},
    data: () => Parameters<typeof fingerprint>[0] = () => [],
    spread?: Spread,
  ) {
    this.backend = backend
    this.dtype = dtype
    this.#bytes = bytes
    this.#build = build
    this.#start = (seed) => start(this.oracles, seed)
    this.#blocks = blocks
    this.#settings = settings
    this.#data = data
    this.#spread = spread
  }

  /** The oracles over uploaded data (`ERR_MEMORY`, before anything is uploaded, where WebAssembly can't hold it). */
  get oracles(): O {
    if (this.#disposed) refuseDisposed('problem', 'one')
    if (!this.#oracles) checkMemory(this.backend, 'problem', this.#bytes)
    this.#oracles ??= this.#build()
    return this.#oracles
  }

  /** Frees the data. Runs on the problem, and any other use of it, are `ERR_DISPOSED` from then on. */
  dispose(): void {
    this.#disposed = true
    ;(this.#oracles as Partial<Handle> | undefined)?.dispose?.()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Bytes that the backend needs for this problem's data and per-sample numbers; nothing is uploaded to tell. */
  memory(): number {
    return this.#bytes
  }

  /** Where a run starts: at `at`, or at the problem's own θ and v. The signals of a given θ are computed at once. */
  start(seed = 0, at: { inner?: ArrayLike<number>; outer?: ArrayLike<number> } = {}): Point {
    const { inner, outer } = this.#start(seed)
    const point = this.point(this.vector(at.inner ?? inner, 'inner'), this.vector(at.outer ?? outer, 'outer'))
    if (at.inner) this.oracles.refresh(point)
    return point
  }

  /** What the blocks of v stand for at a point, by name: weights in [0, 1], strengths exp v; empty without blocks. */
  hyperparameters(point: Point): Record<string, Float32Array | Float64Array> {
    const names = Object.keys(this.#blocks)
    return Object.fromEntries(names.map((name, i) => [name, taken(this.oracles.natural(i, point))]))
  }

  /**
   * This problem and others of the same sizes and blocks as one, the folds of a cross-validation: they share v, each has a
   * θ of its own, and f is the mean of theirs. θ is that of all, one after the other.
   *
   * Fishers of the layers' factors can't be fed by it; methods take the windowed form by default.
   *
   * @throws NhgdError `ERR_SHAPE` for other sizes or blocks, when the problem is first used.
   */
  withFolds(others: readonly Problem[]): AnyProblem {
    const all = [this as unknown as Problem, ...others]
    const build = () => {
      const oracles = all.map((fold) => fold.oracles).reduce((before, fold) => before.withFold(fold))
      return Object.assign(oracles, { usualFisher: customFisher })
    }
    const bytes = all.reduce((sum, fold) => sum + fold.memory(), 0)
    const start: ProblemStart<AnyOracles> = (oracles, seed) => ({
      inner: taken(oracles.initial(seed)),
      outer: this.#start(seed).outer,
    })
    const data = () => all.flatMap((fold) => Array.from(fold.#data()))
    return new Problem(this.backend, this.dtype, bytes, build, start, this.#blocks, this.#settings, data)
  }

  /** What tells this problem from others: shapes, settings, and a fingerprint of its data. */
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
    this.#fingerprint ??= fingerprint(this.#data())
    return { ...shape, ...this.#settings, blocks, data: this.#fingerprint }
  }

  /** The same problem, whose oracles wait for `pause` before they compute. */
  paced(pause: () => Promise<void>): AnyProblem {
    return this.withOracles((oracles) => pacedOracles(oracles, pause))
  }

  /**
   * The problem of all ranks' samples, of which each rank holds those that its own problem is made of. All ranks have to
   * ask for it, with the same settings.
   *
   * @throws NhgdError `ERR_RANGE` where the problem, or a block of its hyperparameters, cannot be spread over ranks;
   * `ERR_SHAPE` where the ranks' data do not fit together.
   */
  async over(communicator: Communicator): Promise<AnyProblem> {
    const own: AnyProblem = this as unknown as AnyProblem
    if (this.#spread) return this.#spread(communicator)
    return communicator.size === 1
      ? own
      : refuseAs('problem', 'one of samples, such as bilevel(…), to spread over ranks', 'another')
  }

  /** The same problem with other oracles, which stand for its own, and is recognised by `data`. */
  withOracles(replace: (oracles: O) => AnyOracles, data = this.#data): AnyProblem {
    const { backend, dtype } = this
    const start: ProblemStart<AnyOracles> = (_, seed) => this.#start(seed)
    const build = () => replace(this.oracles)
    return new Problem(backend, dtype, this.#bytes, build, start, this.#blocks, this.#settings, data)
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

/** Oracles of which those that compute wait for `pause` first. */
function pacedOracles(oracles: AnyOracles, pause: () => Promise<void>): AnyOracles {
  const calls = new Map<PropertyKey, unknown>()
  return new Proxy(oracles, {
    get(target, name) {
      const value = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (!calls.has(name)) {
        const paced = async (...args: unknown[]) => {
          await pause()
          return value.apply(target, args)
        }
        calls.set(name, name in computed ? paced : value.bind(target))
      }
      return calls.get(name)
    },
  })
}

/** A built-in problem, or one of a user's functions. */
export type AnyProblem = Problem<AnyOracles>
