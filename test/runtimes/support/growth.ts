import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as assert from 'uvu/assert'
import { type Problem, solve } from '../../../ts/index.ts'

const [warmUp, solves, rounds] = [10, 200, 3]

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/**
 * Bytes of WebAssembly's memory before and after 200 solves: of the first round of such in which it did not grow, or of the
 * last. How much waits for a helper differs from run to run, so a round may still meet a new most; a leak grows in each.
 */
export async function growth(
  memory: WebAssembly.Memory,
  problemOf: () => Problem,
): Promise<[before: number, after: number]> {
  let seed = 0
  const take = async (times: number, atOnce: number) => {
    for (let i = 0; i < times; i++) {
      const runs = Array.from({ length: atOnce }, () => solve(problemOf(), { outerSteps: 1, seed: seed++ }))
      for (const { status } of await Promise.all(runs.map((run) => run.result)))
        assert.is(status, 'outerSteps')
      collect()
      await setTimeout(5) // what was collected is freed
    }
  }
  // Four at once: room for what is not collected yet when the next one starts.
  await take(warmUp, 4)
  let before = 0
  for (let round = 0; round < rounds; round++) {
    before = memory.buffer.byteLength
    await take(solves, 1)
    if (memory.buffer.byteLength === before) break
  }
  return [before, memory.buffer.byteLength]
}
