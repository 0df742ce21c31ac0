import { type Communicator, isOfAllRanks, oneRank } from '../backend/communicator.ts'
import { NhgdError } from '../backend/errors.ts'

/** What launchers of MPI tell the processes that they start: their number, or at least that they are ranks. */
const { OMPI_COMM_WORLD_SIZE, PMI_SIZE, OMPI_COMM_WORLD_RANK, PMI_RANK, PMIX_RANK } = process.env
const started = {
  size: Number(OMPI_COMM_WORLD_SIZE ?? PMI_SIZE ?? (PMIX_RANK === undefined ? 1 : Number.NaN)),
  rank: Number(OMPI_COMM_WORLD_RANK ?? PMI_RANK ?? PMIX_RANK ?? 0),
}

/** Milliseconds that a rank leaves to the others to hear of its error, to tell of one, or to end the job. */
const patience = { heard: 5000, perRank: 500, most: 2000, told: 15000 }

let joined: Communicator | undefined
let unmute = () => {}
let telling = false

/** The ranks that run this command: those that a launcher of MPI started, or this process alone. */
export const ranks = (): Communicator => joined ?? oneRank

/** Whether this rank prints and writes what all ranks have. */
export const leads = (): boolean => (joined?.rank ?? started.rank) === 0

/**
 * Joins the ranks that a launcher of MPI started. From here on rank 0 alone prints. `end` is what a rank does whose failure
 * the others do not hear of in time.
 *
 * @throws NhgdError `ERR_RANK` where they cannot find each other.
 */
export async function joinRanks(end: (error: unknown) => void): Promise<void> {
  if (started.size === 1) return
  if (!leads()) unmute = mute()
  process.on('uncaughtException', () => unmute())
  const { mpi } = await mpiPackage()
  const communicator: Communicator = await mpi()
  if (!Number.isNaN(started.size) && started.size !== communicator.size) {
    const got = `${communicator.size}: "mpirun" belongs to another MPI than the one that "@nhgd/mpi" was built with`
    throw new NhgdError(
      'ERR_RANK',
      `"mpirun" expected ${started.size} ranks that know each other, got ${got}`,
    )
  }
  const onFailure = (error: unknown) => {
    setTimeout(() => telling || end(error), patience.heard)
  }
  joined = Object.assign(communicator, { onFailure })
}

/** The package, or in a clone of the repository its folder. */
async function mpiPackage(): Promise<{ mpi(): Promise<Communicator> }> {
  const places = ['@nhgd/mpi', new URL('../../bindings/mpi/index.js', import.meta.url).href]
  for (const place of places) {
    try {
      return await import(place)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    }
  }
  const advice = 'install it, or start the command without mpirun'
  throw new NhgdError('ERR_RANK', `"@nhgd/mpi" expected the package that joins ranks, got none: ${advice}`)
}

/** Lets nothing through to standard output and standard error, until what it returns is called. */
function mute(): () => void {
  const streams = [process.stdout, process.stderr]
  const writes = streams.map((stream) => stream.write)
  for (const stream of streams) {
    stream.write = (...args: unknown[]) => {
      const written = args.find((arg) => typeof arg === 'function')
      if (written) process.nextTick(written as () => void)
      return true
    }
  }
  return () => {
    for (const [i, stream] of streams.entries()) stream.write = writes[i]
  }
}

/**
 * Waits for this rank's turn to tell of an error, and says what stands before its message; nothing where another rank
 * tells of it. Rank 0 tells what all ranks have; of others the first rank that has one ends the job.
 */
export async function turnToTell(error: unknown): Promise<string | undefined> {
  if (started.size === 1) return ''
  telling = true
  const forAll = isOfAllRanks(error)
  const wait = forAll && !leads() ? patience.told : Math.min(patience.most, patience.perRank * started.rank)
  await new Promise((resolve) => setTimeout(resolve, wait))
  if (forAll && !leads()) return undefined
  // Before they have joined, all ranks have the same to tell, and none can end the others.
  if (!joined && !leads()) return undefined
  unmute()
  return forAll ? '' : `rank ${started.rank}: `
}
