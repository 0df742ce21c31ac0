import type { Backend } from '../../backend/backend.ts'
import type { Batch, DType, FisherHandle, Point, Step, Vector } from '../../backend/binding.ts'
import { refuse } from '../../backend/check.ts'
import { customFisher } from '../../defaults.ts'
import type { AnyOracles } from '../problem.ts'
import { write } from '../vectors.ts'
import { exactDirection } from './exactDirection.ts'
import type { Functions, Place } from './functions.ts'
import { type Entries, zeros } from './room.ts'

/** How many samples g and f are means over, and θ to start from. */
interface Shape {
  readonly samples: number
  readonly outerSamples: number
  readonly start: Float64Array
}

/** The oracles of a user's own functions: vectors are read, callbacks are asked, and the results are written. */
export class CustomOracles implements AnyOracles {
  readonly functions: Functions
  readonly samples: number
  readonly outerSamples: number
  readonly signalsLength = 0
  readonly bytes = 0
  readonly curvature = 'hessian'
  readonly layers = new Uint32Array()
  readonly blocks = new Uint32Array()
  readonly usualFisher = customFisher
  readonly #backend: Backend
  readonly #start: Float64Array
  /** What a Fisher sees where there is none. */
  readonly #none: Vector

  constructor(backend: Backend, functions: Functions, { samples, outerSamples, start }: Shape) {
    this.#backend = backend
    this.functions = functions
    this.samples = samples
    this.outerSamples = outerSamples
    this.#start = start
    this.#none = this.#vector([])
  }

  get innerLength(): number {
    return this.functions.d
  }

  get outerLength(): number {
    return this.functions.p
  }

  get dtype(): DType {
    return this.functions.dtype
  }

  get differences(): Readonly<Record<string, number>> {
    return this.functions.differences
  }

  initial(): Vector {
    return this.#vector(this.#start)
  }

  /** There are no signals. */
  refresh(): void {}

  weights(): Vector {
    return refuse('problem', 'one that weighs samples', 'one of callbacks')
  }

  natural(): Vector {
    return refuse('block', 'less than the 0 blocks', 'one of a problem of callbacks')
  }

  async regularizer({ outer }: Point): Promise<Vector> {
    return this.#vector(await this.functions.regularizer(this.#read('outer', outer, this.outerLength)))
  }

  async innerStep(point: Point, batch: Batch, step: Step): Promise<number> {
    const place = this.#place(point, batch)
    const { entries, value } = await this.functions.gradient(place)
    return this.#take(point, batch, step, entries, value)
  }

  async innerStepFor(
    point: Point,
    batch: Batch,
    step: Step,
    fisher: FisherHandle,
    seed: number,
  ): Promise<number> {
    const { functions } = this
    const place = this.#place(point, batch)
    // Where the gradients of samples are known, their mean is the gradient, in one pass.
    const inOnePass = fisher.rows !== 'mean' && functions.has('inner.sampleGradients')
    const told = await (inOnePass ? functions.sampleGradients(place) : functions.gradient(place))
    const gradient = inOnePass ? functions.mean(told.entries) : told.entries
    const known = inOnePass || fisher.rows === 'mean' ? told.entries.slice() : undefined
    const seen = await this.#seen(place, fisher, seed, known)
    return this.#lend(seen, (rows) => this.#take(point, batch, step, gradient, told.value, rows))
  }

  async observe(point: Point, batch: Batch, step: Step, fisher: FisherHandle, seed: number): Promise<void> {
    const seen = await this.#seen(this.#place(point, batch), fisher, seed)
    this.#lend(seen, (rows) => step.keep(batch, rows))
  }

  async innerGradient(point: Point, batch: Batch, gradient: Vector): Promise<number> {
    this.#expect('gradient', gradient, this.innerLength)
    const { entries, value = Number.NaN } = await this.functions.gradient(this.#place(point, batch))
    write(gradient, entries)
    this.functions.room.giveBack(entries)
    return value
  }

  async innerLoss(point: Point): Promise<number> {
    return (await this.functions.loss(this.#place(point))) ?? Number.NaN
  }

  async outerLoss(point: Point): Promise<number> {
    return this.functions.outerLoss(this.#outerPlace(point))
  }

  async outerGradient(point: Point, direct: Vector, target: Vector, batch?: Batch): Promise<number> {
    this.#expect('direct', direct, this.outerLength)
    this.#expect('target', target, this.innerLength)
    const place = this.#outerPlace(point, batch)
    const { entries, value } = await this.functions.outerGradient(place)
    const directGradient = await this.functions.directGradient(place)
    const f = value ?? (await this.functions.outerLoss(place))
    write(target, entries)
    write(direct, directGradient)
    return f
  }

  async crossProduct(point: Point, batch: Batch, u: Vector, scale: number, product: Vector): Promise<void> {
    this.#expect('product', product, this.outerLength)
    const direction = this.#read('u', u, this.innerLength)
    const own = await this.functions.crossProduct(this.#place(point, batch), direction)
    this.#lend(own, (x) => product.axpy(scale, x))
  }

  async curvatureProduct(point: Point, batch: Batch, u: Vector, product: Vector): Promise<void> {
    this.#expect('product', product, this.innerLength)
    const direction = this.#read('u', u, this.innerLength)
    write(product, await this.functions.hessianProduct(this.#place(point, batch), direction))
  }

  async hessianProduct(point: Point, batch: Batch, u: Vector, product: Vector): Promise<void> {
    return this.curvatureProduct(point, batch, u, product)
  }

  async exactDirection(point: Point, target: Vector, direction: Vector, hessian: boolean): Promise<number> {
    this.#expect('target', target, this.innerLength)
    this.#expect('direction', direction, this.innerLength)
    const place = this.#place(point)
    const product = (u: Float64Array) =>
      this.functions.hessianProduct(place, this.dtype === 'f64' ? u : Float32Array.from(u))
    const solution = await exactDirection(this.#backend, product, target.readF64(), hessian)
    direction.writeF64(solution.direction, 'direction')
    return solution.residual
  }

  #take(
    point: Point,
    batch: Batch,
    step: Step,
    gradient: Entries,
    value = Number.NaN,
    seen = this.#none,
  ): number {
    write(step.gradient, gradient, 'step')
    this.functions.room.giveBack(gradient)
    step.inner.copyFrom(point.inner)
    step.keep(batch, seen)
    return value
  }

  /**
   * What a Fisher sees of a batch: gradients without Dθ, over the root of their number, so that its term is Σ row rowᵀ.
   * The mean gradient stays as it is. `rows` are overwritten where they are known already.
   */
  async #seen(place: Place, fisher: FisherHandle, seed: number, rows?: Entries): Promise<Entries> {
    const { functions } = this
    const { rows: kind, statistic } = fisher
    if (statistic !== 'empirical') refuse('statistic', '"empirical" for a problem of callbacks', statistic)
    const seen =
      rows ?? (await (kind === 'mean' ? functions.gradient(place) : functions.sampleGradients(place))).entries
    const regularizer = await functions.regularizer(place.v())
    const theta = place.theta()
    const [d, stride] = [this.innerLength, regularizer.length === 1 ? 0 : 1]
    const share = 1 / Math.sqrt(seen.length / d)
    for (let at = 0; at < seen.length; at += d) {
      for (let j = 0; j < d; j++) {
        seen[at + j] = share * (seen[at + j] - regularizer[stride * j] * theta[j])
      }
    }
    return kind === 'signed' ? this.#signedSum(seen, seed) : seen
  }

  /** The sum of rows, each with a random sign. */
  #signedSum(rows: Entries, seed: number): Entries {
    const d = this.innerLength
    const sum = zeros(d, this.dtype)
    const random = new this.#backend.Sampler(seed, 1)
    for (let at = 0; at < rows.length; at += d) {
      const sign = 2 * (random.seed() % 2) - 1
      for (let j = 0; j < d; j++) sum[j] += sign * rows[at + j]
    }
    return sum
  }

  /** θ, v and the positions of a batch of g's samples, or of all. */
  #place({ inner, outer }: Point, batch?: Batch, count = this.samples): Place {
    const positions = positionsOf(batch, count)
    return {
      theta: this.#again('inner', inner, this.innerLength),
      v: this.#again('outer', outer, this.outerLength),
      batch: () => positions.slice(),
    }
  }

  #outerPlace(point: Point, batch?: Batch): Place {
    return this.#place(point, batch, this.outerSamples)
  }

  #read(name: string, x: Vector, length: number): Entries {
    this.#expect(name, x, length)
    return this.functions.room.read(x, length)
  }

  /** Reads a vector now, and anew whenever its entries have been handed out. */
  #again(name: string, x: Vector, length: number): () => Entries {
    let ready: Entries | undefined = this.#read(name, x, length)
    return () => {
      const entries = ready ?? this.#read(name, x, length)
      ready = undefined
      return entries
    }
  }

  #expect(name: string, x: Vector, length: number): void {
    if (x.dtype !== this.dtype) refuse(name, `dtype ${this.dtype}`, x.dtype, 'ERR_DTYPE')
    if (x.length !== length) refuse(name, `${length} entries`, x.length, 'ERR_SHAPE')
  }

  /** A vector for the time of a call: what waits to be collected makes each call dearer. */
  #lend<R>(entries: ArrayLike<number>, use: (x: Vector) => R): R {
    const x = this.#vector(entries)
    try {
      return use(x)
    } finally {
      x.dispose()
    }
  }

  #vector(entries: ArrayLike<number>): Vector {
    const out = new this.#backend.Vector(entries.length, this.dtype)
    write(out, ArrayBuffer.isView(entries) ? (entries as Entries) : Float64Array.from(entries))
    return out
  }
}

function positionsOf(batch: Batch | undefined, count: number): Uint32Array {
  if (!batch) return Uint32Array.from({ length: count }, (_, i) => i)
  const { positions } = batch
  if (positions.length === 0) refuse('batch', 'at least one sample', 'none', 'ERR_SHAPE')
  const outside = positions.find((i) => i >= count)
  if (outside !== undefined) refuse('batch', `positions below ${count}`, outside)
  return positions
}
