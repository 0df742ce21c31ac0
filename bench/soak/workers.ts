import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { bundled, type Profile } from './bundle.ts'

export interface Terminations {
  readonly terminated: number
  /** Threads of the process that are more than after the first round, where the system tells (Linux). */
  readonly threadsLeft: number
  /** Resident memory that the second half of the rounds added, in MB. */
  readonly addedMb: number
}

/**
 * Ends worker threads of a process amid their work, at random moments; every second one has its Fisher's work in line. In
 * the end a run of the process's main thread has the bits that it had before.
 *
 * @throws what the process printed, where it has others or did not survive.
 */
export async function terminateAtRandom(
  workers: number,
  rounds: number,
  seed: number,
  profile: Profile = 'release',
): Promise<Terminations> {
  const [thread, terminating] = [await bundled('thread', profile), await bundled('terminating', profile)]
  const order = [terminating, thread, `${workers}`, `${rounds}`, `${seed}`]
  const { stdout } = await promisify(execFile)(process.execPath, order)
  return JSON.parse(stdout)
}
