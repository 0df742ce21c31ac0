// Runs the conformance checks in a worker thread of Node.
import { parentPort, workerData } from 'node:worker_threads'
import { loadBackend } from '../../../ts/index.ts'
import { conform, type Order } from './conformance.ts'

async function main(order: Order): Promise<void> {
  const { expected, threads, relaxed } = order
  const backend = await loadBackend({ backend: expected, threads, relaxed })
  parentPort?.postMessage('started')
  parentPort?.postMessage(await conform(backend, order))
}

main(workerData)
