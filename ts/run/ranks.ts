import type { Point, Vector } from '../backend/binding.ts'
import { type Communicator, gatherJson, oneRank, together } from '../backend/communicator.ts'
import { crc32 } from '../backend/crc32.ts'
import { NhgdError } from '../backend/errors.ts'
import { driftCheck } from '../defaults.ts'
import { type Archive, readArchive, writeArchive } from './archive.ts'

/** What the ranks of a run decide together. Every rank has to ask for the same things in the same order. */
export class Ranks {
  readonly #communicator: Communicator

  constructor(communicator: Communicator = oneRank) {
    this.#communicator = communicator
  }

  get several(): boolean {
    return this.#communicator.size > 1
  }

  /** Whether this rank writes what all ranks have. */
  get writes(): boolean {
    return this.#communicator.rank === 0
  }

  /** Does a rank's own work; where it fails on some ranks, it fails on all. */
  together<T>(work: () => T | Promise<T>): Promise<T> {
    return together(this.#communicator, work)
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
    throw Object.assign(error, { rank, step })
  }
}

function checksumOf(vector: Vector): number {
  const { buffer } = vector.dtype === 'f32' ? vector.readF32() : vector.readF64()
  return crc32(new Uint8Array(buffer))
}
