import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as assert from 'uvu/assert'
import { type Problem, solve } from '../../../ts/index.ts'

const [warmUp, solves] = [10, 200]

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** Bytes of WebAssembly's memory after a warm-up, and after 200 solves more. */
export async function growth(
  memory: WebAssembly.Memory,
  problemOf: () => Problem,
): Promise<[before: number, after: number]> {
  let before = 0
  for (let i = 0; i < warmUp + solves; i++) {
    if (i === warmUp) before = memory.buffer.byteLength
    // Four at once while it warms up: room for what is not collected yet when the next one starts, and for how much waits
    // for a helper, which differs from run to run.
    const runs = Array.from({ length: i < warmUp ? 4 : 1 }, () =>
      solve(problemOf(), { outerSteps: 1, seed: i }),
    )
    for (const { status } of await Promise.all(runs.map((run) => run.result))) assert.is(status, 'outerSteps')
    collect()
    await setTimeout(5) // what was collected is freed
  }
  return [before, memory.buffer.byteLength]
}
