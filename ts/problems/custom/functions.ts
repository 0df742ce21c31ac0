import type { DType } from '../../backend/binding.ts'
import { type Callback, entriesOf, type Lent, numberOf } from './callback.ts'
import { derivative, largest, moved, movedAt } from './differences.ts'
import type { InnerObjective, OuterObjective } from './objectives.ts'
import { type Entries, Room, zeros } from './room.ts'

/** Where functions are asked: each call makes a new array, which a callback is lent. */
export interface Place {
  theta(): Entries
  v(): Entries
  batch(): Uint32Array
}

/** A gradient, and the value of its function where the callback tells it. */
interface Told {
  readonly entries: Entries
  readonly value?: number
}

/** g and f as the callbacks have them, what is absent by differences. Means over a batch, all of g. */
export class Functions {
  /** d. */
  readonly d: number
  /** p. */
  readonly p: number
  readonly dtype: DType
  /** Where the arrays of callbacks come from. */
  readonly room: Room
  readonly epsilon: number
  /** How far the differences of each function disagreed at the worst, by the name of the callback that they stand for. */
  readonly differences: Record<string, number> = {}
  readonly #inner: InnerObjective<Entries>
  readonly #outer: OuterObjective<Entries>

  constructor(inner: InnerObjective<Entries>, outer: OuterObjective<Entries>, dtype: DType) {
    this.d = inner.size
    this.p = outer.size
    this.dtype = dtype
    this.room = new Room(dtype)
    this.epsilon = dtype === 'f32' ? 2 ** -23 : 2 ** -52
    this.#inner = inner
    this.#outer = outer
  }

  /** Whether there is a callback of this name, or a constant in its place. */
  has(name: string): boolean {
    return this.#callback(name) !== undefined || (name === direct && this.#outer.directGradient === 0)
  }

  /** g; nothing where neither the loss nor the gradient tells it. */
  async loss(place: Place): Promise<number | undefined> {
    const callback = this.#callback('inner.loss')
    return callback ? numberOf(callback, lent(place), this.room) : (await this.gradient(place)).value
  }

  /** ∇_θ g. */
  async gradient(place: Place): Promise<Told> {
    const callback = this.#callback('inner.gradient')
    if (callback) return entriesOf(callback, lent(place), this.d, this.room, 'beside')
    const { entries, value } = await this.sampleGradients(place)
    return { entries: this.mean(entries), value }
  }

  /** ∇_θ g_i of each sample, a row per sample. */
  async sampleGradients(place: Place): Promise<Told> {
    const batch = place.batch()
    const callback = this.#callback('inner.sampleGradients')
    if (callback) return entriesOf(callback, lent(place), batch.length * this.d, this.room, 'beside')
    const entries = zeros(batch.length * this.d, this.dtype)
    for (const [row, i] of batch.entries()) {
      const one = await this.gradient({ ...place, batch: () => Uint32Array.of(i) })
      entries.set(one.entries, row * this.d)
    }
    return { entries }
  }

  /** The mean of rows. */
  mean(rows: Entries): Entries {
    const mean = new Float64Array(this.d)
    for (let at = 0; at < rows.length; at += this.d) {
      for (let j = 0; j < this.d; j++) mean[j] += rows[at + j]
    }
    const count = rows.length / this.d
    return zeros(this.d, this.dtype).map((_, j) => mean[j] / count)
  }

  /** (∇²_θθ g) u. */
  async hessianProduct(place: Place, u: Entries): Promise<Entries> {
    const callback = this.#callback('inner.hessianProduct')
    if (callback)
      return (await entriesOf(callback, { ...lent(place), u: this.room.copy(u) }, this.d, this.room)).entries
    const size = largest(u)
    if (size === 0) return zeros(this.d, this.dtype)
    const theta = place.theta()
    const gradient = async (step: number) =>
      (await this.gradient({ ...place, theta: () => moved(theta, step, u) })).entries
    const spread = (largest(theta) || 1) / size
    return this.#difference('inner.hessianProduct', gradient, spread)
  }

  /** (∇²_θv g)ᵀ u. */
  async crossProduct(place: Place, u: Entries): Promise<Entries> {
    const callback = this.#callback('inner.crossProduct')
    if (callback)
      return (await entriesOf(callback, { ...lent(place), u: this.room.copy(u) }, this.p, this.room)).entries
    const v = place.v()
    const product = zeros(this.p, this.dtype)
    if (largest(u) === 0) return product
    for (let j = 0; j < this.p; j++) {
      const gradient = async (step: number) =>
        (await this.gradient({ ...place, v: () => movedAt(v, step, j) })).entries
      const slope = await this.#difference('inner.crossProduct', gradient, ...scales(v, j))
      for (let i = 0; i < this.d; i++) product[j] += slope[i] * u[i]
    }
    return product
  }

  /** D: one number, or one per parameter. */
  async regularizer(v: Entries): Promise<Entries> {
    const { regularizer = 0 } = this.#inner
    if (typeof regularizer === 'number') return zeros(1, this.dtype).fill(regularizer)
    const callback = { name: 'inner.regularizer', call: regularizer }
    return (await entriesOf(callback, { v: this.room.copy(v) }, this.d, this.room, 'alone')).entries
  }

  /** f. */
  async outerLoss(place: Place): Promise<number> {
    return numberOf({ name: 'outer.loss', call: this.#outer.loss }, lent(place), this.room)
  }

  /** ∇_θ f. */
  async outerGradient(place: Place): Promise<Told> {
    const callback = this.#callback('outer.gradient')
    if (callback) return entriesOf(callback, lent(place), this.d, this.room, 'beside')
    const along = (theta: () => Entries) => ({ ...place, theta })
    return { entries: await this.#slopes('outer.gradient', place.theta(), along) }
  }

  /** ∇_v f. */
  async directGradient(place: Place): Promise<Entries> {
    if (this.#outer.directGradient === 0) return zeros(this.p, this.dtype)
    const callback = this.#callback(direct)
    if (callback) return (await entriesOf(callback, lent(place), this.p, this.room)).entries
    return this.#slopes(direct, place.v(), (v) => ({ ...place, v }))
  }

  /** The gradient of f in x by differences, entry by entry. */
  async #slopes(name: string, x: Entries, placeOf: (x: () => Entries) => Place): Promise<Entries> {
    const slopes = zeros(x.length, this.dtype)
    for (let j = 0; j < x.length; j++) {
      const value = async (step: number) =>
        Float64Array.of(await this.outerLoss(placeOf(() => movedAt(x, step, j))))
      slopes[j] = (await this.#difference(name, value, ...scales(x, j)))[0]
    }
    return slopes
  }

  async #difference(
    name: string,
    at: (step: number) => Promise<Entries>,
    scale: number,
    spread?: number,
  ): Promise<Entries> {
    const { value, disagreement } = await derivative(at, this.epsilon, scale, spread)
    this.differences[name] = Math.max(disagreement, this.differences[name] ?? 0)
    return this.dtype === 'f64' ? value : Float32Array.from(value)
  }

  #callback(name: string): Callback | undefined {
    const [side, key] = name.split('.')
    const functions = side === 'inner' ? this.#inner : this.#outer
    const call = (functions as unknown as Record<string, unknown>)[key]
    return typeof call === 'function' ? { name, call: call as Callback['call'] } : undefined
  }
}

const direct = 'outer.directGradient'

/** A step's size for entry j of x, and for all of x. */
function scales(x: Entries, j: number): [number, number] {
  const spread = largest(x) || 1
  return [Math.abs(x[j]) || spread, spread]
}

/** What a callback is lent. */
function lent(place: Place): Lent {
  return { theta: place.theta(), v: place.v(), batch: place.batch() }
}
