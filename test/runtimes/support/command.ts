// Runs the conformance checks where there is a command line: the order comes as an argument, the answer is printed.
import { loadBackend } from '../../../ts/index.ts'
import { conform, type Order } from './conformance.ts'

async function main(order: Order): Promise<void> {
  const { expected, threads, relaxed } = order
  const backend = await loadBackend({ backend: expected, threads, relaxed })
  console.log(JSON.stringify(await conform(backend, order)))
}

main(JSON.parse(process.argv[2]))
