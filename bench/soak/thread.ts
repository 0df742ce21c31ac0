// A worker thread that solves until it is told to stop, or once.
import { parentPort, workerData } from 'node:worker_threads'
import { loadBackend } from '../../ts/backend/load.ts'
import { solve } from '../../ts/run/solve.ts'
import { bitsOf, runOptions, smallProblem } from './smallRun.ts'

const { steps, concurrent, forever } = workerData as Record<string, never>
const backend = await loadBackend({ backend: 'native' })
parentPort?.postMessage('started')
do {
  const result = await solve(smallProblem(backend), runOptions(steps, 5, concurrent)).result
  if (!forever) parentPort?.postMessage(bitsOf(result))
} while (forever)
