import { readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { loadBackend } from '../../ts/backend/load.ts'
import { solve } from '../../ts/run/solve.ts'
import { Random } from '../harness/random.ts'
import { bundled } from './bundle.ts'
import { bitsOf, runOptions, smallProblem } from './smallRun.ts'

export interface Terminations {
  readonly terminated: number
  /** Threads of the process that are more than before, where the system tells (Linux). */
  readonly threadsLeft: number
  /** Resident memory that the second half of the rounds added, in MB. */
  readonly addedMb: number
}

/** Threads of this process; 0 where the system does not tell. */
function threads(): number {
  try {
    return readdirSync('/proc/self/task').length
  } catch {
    return 0
  }
}

/**
 * Ends worker threads amid their work, at random moments; every second one has its Fisher's work in line. In the end a run
 * of the main thread has the bits that it had before.
 *
 * @throws where it has others.
 */
export async function terminateAtRandom(
  workers: number,
  rounds: number,
  seed: number,
): Promise<Terminations> {
  const script = await bundled('thread')
  const random = new Random(seed)
  const backend = await loadBackend({ backend: 'native' })
  const bits = async () => bitsOf(await solve(smallProblem(backend), runOptions(10)).result)
  const before = await bits()
  const round = () =>
    Promise.all(
      Array.from({ length: workers }, async (_, i) => {
        const worker = new Worker(script, {
          workerData: { steps: 40, concurrent: i % 2 === 0, forever: true },
        })
        const failed = new Promise<never>((_, fail) => worker.once('error', fail))
        await Promise.race([new Promise((started) => worker.once('message', started)), failed])
        await new Promise((resolve) => setTimeout(resolve, random.whole(1, 120)[0]))
        await worker.terminate()
        failed.catch(() => {})
      }),
    )
  await round()
  const [threadsBefore, half] = [threads(), Math.floor(rounds / 2)]
  let memory = process.memoryUsage().rss
  for (let k = 1; k < rounds; k++) {
    await round()
    if (k === half) memory = process.memoryUsage().rss
  }
  // Threads of a Fisher end once they see that nobody is left.
  for (let wait = 0; wait < 50 && threads() > threadsBefore; wait++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  if ((await bits()) !== before) throw new Error('the main thread has other bits')
  return {
    terminated: workers * rounds,
    threadsLeft: threads() - threadsBefore,
    addedMb: Math.round((process.memoryUsage().rss - memory) / 1e6),
  }
}
