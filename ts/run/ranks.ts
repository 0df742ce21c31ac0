import type { Point, Vector } from '../backend/binding.ts'
import {
  type Communicator,
  gatherJson,
  heard,
  ofAllRanks,
  oneRank,
  together,
} from '../backend/communicator.ts'
import { crc32 } from '../backend/crc32.ts'
import { NhgdError } from '../backend/errors.ts'
import { driftCheck } from '../defaults.ts'
import { type Archive, readArchive, writeArchive } from './archive.ts'
import { plain } from './checkpoint.ts'
import { readPacked, writePacked } from './packed.ts'

/** What the ranks of a run or a task decide together. Every rank has to ask for the same things in the same order. */
export class Ranks {
  /** The rank's own signal, or on several ranks one that aborts on all of them at the same place: see {@link heed}. */
  readonly signal: AbortSignal | undefined
  readonly #communicator: Communicator
  readonly #own: AbortSignal | undefined
  readonly #controller = new AbortController()

  constructor(communicator: Communicator = oneRank, signal?: AbortSignal) {
    this.#communicator = communicator
    this.#own = signal
    this.signal = this.several ? this.#controller.signal : signal
  }

  get size(): number {
    return this.#communicator.size
  }

  get several(): boolean {
    return this.size > 1
  }

  /** Whether this rank writes what all ranks have. */
  get writes(): boolean {
    return this.#communicator.rank === 0
  }

  /** Does a rank's own work; where it fails on some ranks, it fails on all. */
  together<T>(work: () => T | Promise<T>): Promise<T> {
    return together(this.#communicator, work)
  }

  /** @throws NhgdError `ERR_RANK` where a rank has something else under some name than rank 0 has. */
  async alike(own: object): Promise<void> {
    if (!this.several) return
    await this.some(false) // where a rank that failed before is heard
    const [first, ...others] = await gatherJson(this.#communicator, plain(own) as Record<string, unknown>)
    for (const [i, other] of others.entries()) {
      const differs = (name: string) => JSON.stringify(first[name]) !== JSON.stringify(other[name])
      const name = Object.keys({ ...first, ...other }).find(differs)
      if (name === undefined) continue
      const message = `"rank ${i + 1}" expected the "${name}" of rank 0, got another`
      throw ofAllRanks(Object.assign(new NhgdError('ERR_RANK', message), { rank: i + 1 }))
    }
  }

  /** Whether some rank wishes something. */
  async some(wish: boolean): Promise<boolean> {
    return this.several ? heard(this.#communicator, wish) : wish
  }

  /** Lets a signal that has aborted on one rank abort on all. */
  async heed(): Promise<void> {
    const own = this.#own
    if (!this.several || this.signal?.aborted || !(await this.some(own?.aborted === true))) return
    const told = await gatherJson(this.#communicator, own?.aborted ? messageOf(own.reason) : null)
    const rank = told.findIndex((message) => message !== null)
    const name = 'AbortError'
    const other = Object.assign(new Error(`${told[rank]}, on rank ${rank} of ${this.size}`), { name, rank })
    this.#controller.abort(ofAllRanks(Object(own?.aborted ? own.reason : other)))
  }

  /** Whether this rank does a unit of work that the ranks share out. */
  does(unit: number): boolean {
    return unit % this.size === this.#communicator.rank
  }

  /**
   * Does units of work that do not depend on each other, and gives all ranks what comes of each, in their order: data
   * without classes or functions. Each rank does every so manyth of them, as if they were numbered from `first` on.
   */
  async sharedOut<T>(count: number, work: (unit: number) => T | Promise<T>, first = 0): Promise<T[]> {
    const own: (readonly [number, T])[] = []
    // Amid a rank's own work nothing may end on all ranks alike.
    if (this.several) this.signal?.throwIfAborted()
    await this.together(async () => {
      for (let unit = 0; unit < count; unit++) {
        if (this.several && this.#own?.aborted) break
        if (this.does(first + unit)) own.push([unit, await work(unit)])
      }
    })
    await this.heed()
    if (this.several) this.signal?.throwIfAborted()
    const all: T[] = []
    for (const [unit, outcome] of (await this.gathered(own)).flat()) all[unit] = outcome
    return all
  }

  /** The data of every rank, in rank order. */
  async gathered<T>(own: T): Promise<T[]> {
    if (!this.several) return [own]
    return (await this.#communicator.allGather(writePacked(own))).map((bytes) => readPacked(bytes) as T)
  }

  /** What the first rank says that says something. */
  async agreed<T>(own: T | undefined): Promise<T | undefined> {
    if (!this.several) return own
    const said = await gatherJson(this.#communicator, own ?? null)
    return said.find((one) => one !== null) as T | undefined
  }

  /** The archive that rank 0 has, on all ranks. */
  async shared(read: () => Promise<Archive | undefined>): Promise<Archive | undefined> {
    const own = await this.together(async () => (this.writes ? read() : undefined))
    if (!this.several) return own
    const bytes = own ? writeArchive(own) : new Uint8Array()
    const [first] = await this.#communicator.allGather(bytes)
    return first.length > 0 ? readArchive(first) : undefined
  }

  /**
   * Compares θ and v of the ranks, now and then.
   *
   * @throws NhgdError `ERR_RANK` where they differ: the ranks have drifted apart.
   */
  async compare(step: number, { inner, outer }: Point): Promise<void> {
    if (!this.several || step % driftCheck.everySteps !== 0) return
    const checksums = await gatherJson(this.#communicator, [inner, outer].map(checksumOf).join())
    const rank = checksums.findIndex((checksum) => checksum !== checksums[0])
    if (rank < 0) return
    const [expected, got] = ['θ and v of rank 0', `others after outer step ${step}`]
    const cause = 'machines of one kind give the same bits, and nothing may change θ or v on one rank alone'
    const error = new NhgdError('ERR_RANK', `"rank ${rank}" expected the ${expected}, got ${got}: ${cause}`)
    throw ofAllRanks(Object.assign(error, { rank, step }))
  }
}

const messageOf = (reason: unknown) => (reason instanceof Error ? reason.message : String(reason))

function checksumOf(vector: Vector): number {
  const { buffer } = vector.dtype === 'f32' ? vector.readF32() : vector.readF64()
  return crc32(new Uint8Array(buffer))
}
