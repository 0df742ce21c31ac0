// Ends workers amid their work: … terminating.ts THREAD WORKERS ROUNDS SEED. It prints what came of it.
import { readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { loadBackend } from '../../ts/backend/load.ts'
import { solve } from '../../ts/run/solve.ts'
import { Random } from '../harness/random.ts'
import { bitsOf, runOptions, smallProblem } from './smallRun.ts'
import type { Terminations } from './workers.ts'

const [script, ...numbers] = process.argv.slice(2)
const [workers, rounds, seed] = numbers.map(Number)

/** Threads of this process; 0 where the system does not tell. */
function threads(): number {
  try {
    return readdirSync('/proc/self/task').length
  } catch {
    return 0
  }
}

const random = new Random(seed)
const backend = await loadBackend({ backend: 'native' })
const bits = async () => bitsOf(await solve(smallProblem(backend), runOptions(10)).result)
const before = await bits()

async function terminateOne(i: number): Promise<void> {
  const worker = new Worker(script, {
    workerData: { steps: 40, concurrent: i % 2 === 0, forever: true },
  })
  const failed = new Promise<never>((_, fail) => worker.once('error', fail))
  await Promise.race([new Promise((started) => worker.once('message', started)), failed])
  await new Promise((resolve) => setTimeout(resolve, random.whole(1, 120)[0]))
  await worker.terminate()
  failed.catch(() => {})
}

const round = () => Promise.all(Array.from({ length: workers }, (_, i) => terminateOne(i)))
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
const terminations: Terminations = {
  terminated: workers * rounds,
  threadsLeft: threads() - threadsBefore,
  addedMb: Math.round((process.memoryUsage().rss - memory) / 1e6),
}
console.log(JSON.stringify(terminations))
