import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Random } from '../harness/random.ts'
import { bundled } from './bundle.ts'

const execute = promisify(execFile)

/**
 * Processes that end while a thread of theirs has work: by `process.exit` at a random moment of a run, and by coming to
 * the end of the script.
 *
 * @throws where one ends with another code than 0, or not within a minute.
 */
export async function endAtRandom(count: number, seed: number): Promise<{ exits: number }> {
  const script = await bundled('leaving')
  const random = new Random(seed)
  for (let i = 0; i < count; i++) {
    const how = i % 2 === 0 ? 'exit' : 'return'
    const timeout = 60_000
    await execute(process.execPath, [script, how, `${random.whole(1, 150)[0]}`], { timeout })
  }
  return { exits: count }
}
