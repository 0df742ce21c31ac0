import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { NhgdError } from '../../ts/backend/errors.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { lastWhole } from '../../ts/run/checkpointFile.ts'
import { resume, type SolveResult, save, solve } from '../../ts/run/solve.ts'
import { Random } from '../harness/random.ts'
import { bitsOf, runOptions, smallProblem } from './smallRun.ts'

const execute = promisify(execFile)
const steps = 12

/**
 * Runs that write themselves to a small disk (a tmpfs, where this may be mounted), which something else fills up to a random
 * degree. A run either ends or fails with a typed error; the checkpoint on the disk is whole then, and goes on to the
 * result of a run without a fault.
 *
 * @throws where that does not hold.
 */
export async function fillUp(disks: number, seed: number): Promise<{ disks: number; full: number }> {
  const backend = await loadBackend()
  const problem = smallProblem(backend)
  const plain = solve(problem, runOptions(steps))
  const expected = bitsOf(await plain.result)
  const size = (await save(plain)).length
  const random = new Random(seed)
  const folder = await mkdtemp(join(tmpdir(), 'nhgd-disk-'))
  let [done, full] = [0, 0]
  try {
    const options = `size=${Math.ceil(size / 1024) * 5 + 16}k`
    const mounted = await execute('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]).then(
      () => true,
      () => false,
    )
    if (!mounted) return { disks: 0, full: 0 }
    for (; done < disks; done++) {
      await writeFile(join(folder, 'other'), new Uint8Array(random.whole(1, 5 * size)[0]))
      const file = join(folder, 'run')
      const checkpoint = { file, everySteps: 1, keep: 1 }
      const end = await solve(problem, { ...runOptions(steps), checkpoint }).result.catch((error) => error)
      if (end instanceof Error) {
        if (!(end instanceof NhgdError) || end.code !== 'ERR_CHECKPOINT') throw end
        full++
      } else if (bitsOf(end as SolveResult) !== expected) throw new Error('other bits on a small disk')
      if ((await readdir(folder)).some((name) => name.endsWith('.part'))) throw new Error('a part was left')
      const found = await lastWhole(file)
      if (found?.damaged.length) throw new Error(found.damaged.join('; '))
      if (found && bitsOf(await resume(problem, file, runOptions(steps)).result) !== expected) {
        throw new Error('a run that went on from a full disk has other bits')
      }
      for (const name of await readdir(folder)) await rm(join(folder, name))
    }
  } finally {
    await execute('umount', [folder]).catch(() => {})
    await rm(folder, { recursive: true, force: true })
  }
  return { disks: done, full }
}
