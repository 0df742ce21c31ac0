import { Worker } from 'node:worker_threads'
import { loadBackend } from '../../ts/backend/load.ts'
import { solve } from '../../ts/run/solve.ts'
import { bundled } from './bundle.ts'
import { bitsOf, runOptions, smallProblem } from './smallRun.ts'

export interface Load {
  readonly runs: number
  /** Steps that the slowest run had taken when the first one ended, of all that it takes. */
  readonly slowest: number
  readonly steps: number
  /** Resident memory per run while all were there, in MB. */
  readonly mbPerRun: number
  readonly inWorkers: number
}

/**
 * Many runs at once in one process, half of them on one problem, and some in worker threads. Each has the bits that it has
 * alone.
 *
 * @throws where one has others.
 */
export async function manyAtOnce(runs: number, workers: number, steps: number): Promise<Load> {
  const backend = await loadBackend({ backend: 'native' })
  const shared = smallProblem(backend)
  const problemOf = (i: number) => (i % 2 === 0 ? shared : smallProblem(backend))
  const alone: number[] = []
  for (let i = 0; i < runs; i++) {
    alone.push(bitsOf(await solve(problemOf(i), runOptions(steps, i, i % 4 < 2)).result))
  }
  const taken = new Float64Array(runs)
  const before = process.memoryUsage().rss
  let slowest = Number.NaN
  let most = before
  const together = Array.from({ length: runs }, async (_, i) => {
    const onStep = ({ step }: { step: number }) => {
      taken[i] = step
      most = Math.max(most, process.memoryUsage().rss)
    }
    const result = await solve(problemOf(i), { ...runOptions(steps, i, i % 4 < 2), onStep }).result
    if (Number.isNaN(slowest)) slowest = Math.min(...taken)
    return bitsOf(result)
  })
  for (const [i, bits] of (await Promise.all(together)).entries()) {
    if (bits !== alone[i]) throw new Error(`run ${i} has other bits beside others than alone`)
  }
  const script = await bundled('thread')
  const expected = bitsOf(await solve(smallProblem(backend), runOptions(steps)).result)
  const inThreads = Array.from({ length: workers }, (_, i) => inThread(script, steps, i % 2 === 0))
  for (const bits of await Promise.all(inThreads)) {
    if (bits !== expected) throw new Error('a run in a thread has other bits')
  }
  return {
    runs,
    slowest,
    steps,
    mbPerRun: Number(((most - before) / 1e6 / runs).toFixed(2)),
    inWorkers: workers,
  }
}

function inThread(script: string, steps: number, concurrent: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(script, { workerData: { steps, concurrent, forever: false } })
    worker.on('message', (message) => message !== 'started' && resolve(message))
    worker.once('error', reject)
  })
}
