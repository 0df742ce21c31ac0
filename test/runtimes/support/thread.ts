// Runs the conformance checks in a worker thread of Node.
import { parentPort, workerData } from 'node:worker_threads'
import { loadBackend } from '../../../ts/index.ts'
import { conform, type Order } from './conformance.ts'

async function main(order: Order): Promise<void> {
  const backend = await loadBackend({ backend: order.expected, threads: order.threads })
  parentPort?.postMessage('started')
  parentPort?.postMessage(await conform(backend, order))
}

main(workerData)
