import { having, something, whole } from './check.ts'
import { NhgdError } from './errors.ts'

/**
 * The ranks of a job that work on one run, each a process with a part of the data. All ranks have to call the same
 * collectives in the same order. `mpi()` of `@nhgd/mpi` gives the ranks of an MPI job, {@link oneRank} is a job of one.
 */
export interface Communicator {
  /** This rank, from 0. */
  readonly rank: number
  readonly size: number
  /** values ← their sums over all ranks, added up in rank order: every rank has the same bits. */
  allReduce(values: Float64Array | Float32Array): Promise<void>
  /** The bytes of every rank, in rank order; ranks may have different numbers of them. */
  allGather(bytes: Uint8Array): Promise<Uint8Array[]>
  /** bytes ← those of one rank, 0 by default, on all ranks; all have as many. */
  broadcast(bytes: Uint8Array, root?: number): Promise<void>
  /** Resolves once all ranks have called it. */
  barrier(): Promise<void>
  /** Ends all ranks at once, with a status that is 1 by default. */
  abort(status?: number): void
  /** Is told of a failure of this rank's work before the other ranks hear of it, which may take as long as their own work. */
  onFailure?(error: unknown): void
}

/** A job of one rank: nothing is exchanged, and no bit changes. */
export const oneRank: Communicator = {
  rank: 0,
  size: 1,
  async allReduce() {},
  allGather: async (bytes) => [bytes],
  async broadcast() {},
  async barrier() {},
  abort(status = 1) {
    throw new Error(`the job was ended with status ${status}`)
  },
}

export const communicatorCheck = having('a communicator such as await mpi()', 'allReduce', 'allGather')

/** The values of all ranks, one after the other. */
export async function gatherValues<A extends Uint32Array | Float64Array | Float32Array>(
  communicator: Communicator,
  values: A,
): Promise<A> {
  const own = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const parts = await communicator.allGather(own)
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return new (values.constructor as new (buffer: ArrayBuffer) => A)(all.buffer)
}

/** What each rank has to tell as JSON, in rank order. */
export async function gatherJson<T>(communicator: Communicator, value: T): Promise<T[]> {
  const parts = await communicator.allGather(new TextEncoder().encode(JSON.stringify(value)))
  return parts.map((part) => JSON.parse(new TextDecoder().decode(part)))
}

/** An error of one rank, which all ranks throw. */
export type RankError = NhgdError & {
  /** The first rank where it arose. */
  readonly rank: number
}

/** Errors that all ranks have, so that none has to tell the others of them. */
const shared = new WeakSet<object>()

/** Takes note that all ranks throw this error, or one like it, at the same place. */
export function ofAllRanks<E extends object>(error: E): E {
  shared.add(error)
  return error
}

/** Whether all ranks throw this error, or one like it. */
export const isOfAllRanks = (error: unknown): boolean => shared.has(Object(error))

/** Where work failed on some ranks: the error of the first of them, on all ranks; `failure` is this rank's own. */
export async function errorOfRanks(communicator: Communicator, failure: unknown): Promise<unknown> {
  const { code = 'ERR_RANK', message = String(failure) } = (failure ?? {}) as Partial<NhgdError>
  const told = await gatherJson(communicator, failure === undefined ? null : { code, message })
  const rank = told.findIndex((error) => error !== null)
  const first = told[rank]
  if (!first) return failure
  const error = new NhgdError(first.code, `${first.message}, on rank ${rank} of ${communicator.size}`, {
    cause: rank === communicator.rank ? failure : undefined,
  })
  return ofAllRanks(Object.assign(error, { rank }))
}

/**
 * Whether some rank wishes something. Where a rank has failed instead, it fails on all: see {@link RankError}. A rank that
 * failed elsewhere is heard here too, since it ends in the next {@link together} around its work.
 */
export async function heard(communicator: Communicator, wish: boolean, failure?: unknown): Promise<boolean> {
  const counts = Float64Array.of(Number(failure !== undefined), Number(wish))
  await communicator.allReduce(counts)
  if (counts[0] > 0) throw await errorOfRanks(communicator, failure)
  return counts[1] > 0
}

/** Does a rank's own work. Where it fails on some ranks, it fails on all: see {@link RankError}. */
export async function together<T>(communicator: Communicator, work: () => T | Promise<T>): Promise<T> {
  if (communicator.size === 1) return work()
  let [result, failure]: [T | undefined, unknown] = [undefined, undefined]
  try {
    result = await work()
  } catch (error) {
    if (isOfAllRanks(error)) throw error
    failure = error ?? new Error('no error')
    communicator.onFailure?.(failure)
  }
  await heard(communicator, false, failure)
  return result as T
}

/**
 * The rows of a table that a rank takes, where all ranks take as many as possible alike: `from` up to, not including, `to`.
 *
 * @throws NhgdError `ERR_RANGE` for what is no number of rows, or no communicator.
 */
export function rowsOfRank(
  rows: number,
  communicator: Pick<Communicator, 'rank' | 'size'>,
): { readonly from: number; readonly to: number } {
  whole(0)('rows', rows)
  const { rank, size } = something('communicator', communicator) as typeof communicator
  whole(1)('communicator.size', size)
  whole(0, size - 1)('communicator.rank', rank)
  const start = (rank: number) => Math.floor((rows * rank) / size)
  return { from: start(rank), to: start(rank + 1) }
}
