import type { Backend } from '../backend/backend.ts'
import type { Batch, FisherHandle, Oracles, Point, Step, Vector } from '../backend/binding.ts'
import { type Communicator, errorOfRanks, gatherValues, together } from '../backend/communicator.ts'
import { exactDirection } from './custom/exactDirection.ts'
import type { AnyOracles, ComputedOracle } from './problem.ts'
import { type Entries, read, Vectors, write } from './vectors.ts'

/** Where the samples of each rank begin, and the count of all at the end. */
export type Starts = readonly number[]

/** What a rank has of a batch. */
interface Part {
  /** The samples of the batch that it holds; absent where it holds none. */
  readonly own: Batch | undefined
  /** Their share of the batch. */
  readonly share: number
  /** The positions of the whole batch, in its order; that of a batch of all samples does not matter. */
  positions(): Uint32Array
}

/**
 * Oracles over the samples of all ranks. A rank's own oracles know all samples by position, and hold the features of those
 * from its start to the next rank's: they are asked for this part of a batch alone.
 *
 * They give means with the penalty added. Each counts as its part's share of the batch, and the sum over ranks is the mean
 * over the batch, with the penalty once. A Fisher sees what it makes of the samples of all ranks where that is a sum, and
 * else the rows of all ranks in the order of the batch, so that all ranks have the same one.
 */
export function shardedOracles(
  backend: Backend,
  local: Oracles,
  communicator: Communicator,
  starts: { readonly inner: Starts; readonly outer: Starts },
): AnyOracles {
  const sharded = new Sharded(backend, local, communicator, starts)
  return new Proxy(local as AnyOracles, {
    get(target, name) {
      const owner = Object.hasOwn(Sharded.prototype, name) ? sharded : target
      const value = Reflect.get(owner, name, owner)
      return typeof value === 'function' ? value.bind(owner) : value
    },
  })
}

/** The oracles that ask all ranks; the others are those of the rank. */
class Sharded implements Pick<AnyOracles, Exclude<ComputedOracle, 'regularizer'>> {
  readonly #backend: Backend
  readonly #local: Oracles
  readonly #vectors: Vectors
  readonly #communicator: Communicator
  readonly #starts: { readonly inner: Starts; readonly outer: Starts }
  /** All samples of this rank. */
  readonly #all: { readonly inner: Batch; readonly outer: Batch }

  constructor(
    backend: Backend,
    local: Oracles,
    communicator: Communicator,
    starts: { readonly inner: Starts; readonly outer: Starts },
  ) {
    this.#backend = backend
    this.#local = local
    this.#vectors = new Vectors(backend, local.dtype)
    this.#communicator = communicator
    this.#starts = starts
    const all = ([from, to]: readonly [number, number]) =>
      backend.Batch.of(Uint32Array.from({ length: to - from }, (_, i) => from + i))
    this.#all = { inner: all(this.#range('inner')), outer: all(this.#range('outer')) }
  }

  async innerStep(point: Point, batch: Batch, step: Step): Promise<number> {
    const part = this.#part('inner', batch)
    const loss = await this.#sum(part.share, [step.gradient], () =>
      part.own ? this.#local.innerStep(point, part.own, step) : 0,
    )
    step.inner.copyFrom(point.inner)
    await this.#vectors.lend(this.#vectors.entries(0), (none) => step.keep(batch, none))
    return loss
  }

  async innerStepFor(
    point: Point,
    batch: Batch,
    step: Step,
    fisher: FisherHandle,
    seed: number,
  ): Promise<number> {
    const part = this.#part('inner', batch)
    let summed = false
    const loss = await this.#sum(part.share, [step.gradient], () => {
      const loss = part.own ? this.#local.innerStepFor(point, part.own, step, fisher, seed) : 0
      if (!part.own) this.#local.observe(point, this.#one(), step, fisher, seed)
      summed = fisher.condense(step)
      return loss
    })
    step.inner.copyFrom(point.inner)
    await this.#join(step, batch, part, fisher, summed)
    return loss
  }

  async observe(point: Point, batch: Batch, step: Step, fisher: FisherHandle, seed: number): Promise<void> {
    const part = this.#part('inner', batch)
    const summed = await together(this.#communicator, () => {
      this.#local.observe(point, part.own ?? this.#one(), step, fisher, seed)
      return fisher.condense(step)
    })
    await this.#join(step, batch, part, fisher, summed)
  }

  async innerGradient(point: Point, batch: Batch, gradient: Vector): Promise<number> {
    const { own, share } = this.#part('inner', batch)
    return this.#sum(share, [gradient], () => (own ? this.#local.innerGradient(point, own, gradient) : 0))
  }

  /** The rank's own loss is over all samples, so that on its part comes with a gradient. */
  async innerLoss(point: Point): Promise<number> {
    const { own, share } = this.#part('inner')
    return this.#vectors.zeros(this.#local.innerLength, (gradient) =>
      this.#sum(share, [], () => (own ? this.#local.innerGradient(point, own, gradient) : 0)),
    )
  }

  async outerLoss(point: Point): Promise<number> {
    const { own, share } = this.#part('outer')
    return this.#vectors.zeros(this.#local.outerLength, (direct) =>
      this.#vectors.zeros(this.#local.innerLength, (target) =>
        this.#sum(share, [], () => (own ? this.#local.outerGradient(point, direct, target, own) : 0)),
      ),
    )
  }

  async outerGradient(point: Point, direct: Vector, target: Vector, batch?: Batch): Promise<number> {
    const { own, share } = this.#part('outer', batch)
    return this.#sum(share, [direct, target], () =>
      own ? this.#local.outerGradient(point, direct, target, own) : 0,
    )
  }

  async crossProduct(point: Point, batch: Batch, u: Vector, scale: number, product: Vector): Promise<void> {
    const { own, share } = this.#part('inner', batch)
    await this.#vectors.zeros(product.length, async (sum) => {
      await this.#sum(share, [sum], () => {
        if (own) this.#local.crossProduct(point, own, u, 1, sum)
        return 0
      })
      product.axpy(scale, sum)
    })
  }

  curvatureProduct(point: Point, batch: Batch, u: Vector, product: Vector): Promise<void> {
    return this.#product('curvatureProduct', point, batch, u, product)
  }

  hessianProduct(point: Point, batch: Batch, u: Vector, product: Vector): Promise<void> {
    return this.#product('hessianProduct', point, batch, u, product)
  }

  /** By products with unit vectors: no rank has the whole curvature. */
  async exactDirection(point: Point, target: Vector, direction: Vector, hessian: boolean): Promise<number> {
    const { dtype, innerLength, samples } = this.#local
    const all = this.#backend.Batch.all(samples)
    const name = hessian ? 'hessianProduct' : 'curvatureProduct'
    const product = (u: Float64Array) =>
      this.#vectors.zeros(innerLength, async (image) => {
        const direction = dtype === 'f64' ? u : Float32Array.from(u)
        await this.#vectors.lend(direction, (vector) => this.#product(name, point, all, vector, image))
        return dtype === 'f64' ? image.readF64() : image.readF32()
      })
    const solution = await exactDirection(this.#backend, product, target.readF64(), hessian)
    direction.writeF64(solution.direction, 'direction')
    return solution.residual
  }

  async #product(
    name: 'curvatureProduct' | 'hessianProduct',
    point: Point,
    batch: Batch,
    u: Vector,
    product: Vector,
  ): Promise<void> {
    const { own, share } = this.#part('inner', batch)
    await this.#sum(share, [product], () => {
      if (own) this.#local[name](point, own, u, product)
      return 0
    })
  }

  /**
   * vectors ← their sums over ranks, each times its share, and likewise the number that `compute` gives. Where it fails on
   * some ranks, it fails on all.
   */
  async #sum(share: number, vectors: readonly Vector[], compute: () => number): Promise<number> {
    const room = this.#vectors.entries(2 + vectors.reduce((sum, { length }) => sum + length, 0))
    let failure: unknown
    try {
      room[1] = share * compute()
      let at = 2
      for (const vector of share > 0 ? vectors : []) {
        vector.scale(share)
        read(vector, room.subarray(at, at + vector.length))
        at += vector.length
      }
    } catch (error) {
      failure = error
      room.fill(0)
      room[0] = 1
    }
    await this.#communicator.allReduce(room)
    if (room[0] > 0) throw await errorOfRanks(this.#communicator, failure)
    let at = 2
    for (const vector of vectors) {
      write(vector, room.subarray(at, at + vector.length))
      at += vector.length
    }
    return room[1]
  }

  /** Puts what a Fisher sees of the whole batch in place of what it sees of this rank's part. */
  async #join(step: Step, batch: Batch, part: Part, fisher: FisherHandle, summed: boolean): Promise<void> {
    const rows = step.rows()
    if (summed || fisher.rows === 'mean' || fisher.rows === 'signed') {
      // A signed sum is over the root of its number of samples.
      if (fisher.rows === 'signed' && part.share > 0) rows.scale(1 / Math.sqrt(part.share))
      await this.#sum(part.share, [rows], () => 0)
      step.keepRows(batch, rows)
    } else {
      // Rows have the root of their number in them, factors do not.
      if (fisher.rows === 'perSample') rows.scale(Math.sqrt(part.share))
      const own = part.own ? this.#vectors.read(rows) : this.#vectors.entries(0)
      const all = await gatherValues(this.#communicator, own)
      await this.#vectors.lend(this.#inOrder(all, part.positions()), (joined) => step.keepRows(batch, joined))
    }
    rows.dispose()
  }

  /** Rows that stand in the order of ranks, in the order of the batch. */
  #inOrder(all: Entries, positions: Uint32Array): Entries {
    const starts = this.#starts.inner
    const width = all.length / positions.length
    const inOrder = this.#vectors.entries(all.length)
    const places = starts.slice(1).flatMap((to, rank) => {
      const of = (place: number) => positions[place] >= starts[rank] && positions[place] < to
      return Array.from(positions.keys()).filter(of)
    })
    for (const [at, place] of places.entries()) {
      inOrder.set(all.subarray(at * width, (at + 1) * width), place * width)
    }
    return inOrder
  }

  #range(of: 'inner' | 'outer'): readonly [number, number] {
    const { rank } = this.#communicator
    return [this.#starts[of][rank], this.#starts[of][rank + 1]]
  }

  /** One of this rank's samples, which shows the form of what a Fisher sees. */
  #one(): Batch {
    return this.#backend.Batch.of(Uint32Array.of(this.#range('inner')[0]))
  }

  #part(of: 'inner' | 'outer', batch?: Batch): Part {
    const [from, to] = this.#range(of)
    const count = this.#starts[of][this.#communicator.size]
    if (!batch || batch.length === count) {
      const positions = () => Uint32Array.from({ length: count }, (_, i) => i)
      return { own: this.#all[of], share: (to - from) / count, positions }
    }
    const { positions } = batch
    const own = positions.filter((i) => i >= from && i < to)
    const share = own.length / positions.length
    return { own: share > 0 ? this.#backend.Batch.of(own) : undefined, share, positions: () => positions }
  }
}
