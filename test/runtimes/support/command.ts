// Runs the conformance checks where there is a command line: the order comes as an argument, the outcomes are printed.
import { loadBackend } from '../../../ts/index.ts'
import { conform, type Order } from './conformance.ts'

async function main(order: Order): Promise<void> {
  const backend = await loadBackend({ backend: order.expected, threads: order.threads })
  console.log(JSON.stringify(await conform(backend, order)))
}

main(JSON.parse(process.argv[2]))
