import { NhgdError } from '../../ts/backend/errors.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { readArchive } from '../../ts/run/archive.ts'
import { save, solve } from '../../ts/run/solve.ts'
import { Random } from '../harness/random.ts'
import { runOptions, smallProblem } from './smallRun.ts'

/**
 * Damages a checkpoint in many ways: a bit, a byte, a stretch of zeros, a stretch from elsewhere in it, a cut.
 *
 * @throws where a damaged one is read.
 */
export async function damageAtRandom(
  count: number,
  seed: number,
): Promise<{ damaged: number; refused: number }> {
  const backend = await loadBackend()
  const run = solve(smallProblem(backend), runOptions(3))
  await run.result
  const whole = await save(run)
  const random = new Random(seed)
  const below = (end: number) => random.whole(1, end)[0]
  let [damaged, refused] = [0, 0]
  while (damaged < count) {
    const bytes = whole.slice()
    const at = below(bytes.length)
    const end = Math.min(bytes.length, at + 1 + below(600))
    const way = damaged % 5
    if (way === 0) bytes[at] ^= 1 << below(8)
    if (way === 1) bytes[at] = below(256)
    if (way === 2) bytes.fill(0, at, end)
    if (way === 3) bytes.copyWithin(at, below(bytes.length), end)
    const given = way === 4 ? bytes.subarray(0, at) : bytes
    if (given.length === whole.length && given.every((byte, i) => byte === whole[i])) continue
    damaged++
    try {
      readArchive(given)
    } catch (error) {
      if (!(error instanceof NhgdError) || error.code !== 'ERR_CHECKPOINT') throw error
      refused++
      continue
    }
    throw new Error(`damage of kind ${way} at byte ${at} passed`)
  }
  return { damaged, refused }
}
