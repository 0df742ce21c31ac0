import { execFile, spawn } from 'node:child_process'
import { cpus } from 'node:os'
import { promisify } from 'node:util'
import { bundled } from './bundle.ts'

const execute = promisify(execFile)

/**
 * The bits of many runs, in a process with one core, with two and with all of them, again and again while other processes
 * keep the cores busy.
 *
 * @throws where they differ.
 */
export async function sameBits(repetitions: number): Promise<{ processes: number; threads: number[] }> {
  const script = await bundled('bits')
  const cores = Array.from(new Set([1, Math.min(2, cpus().length), cpus().length]))
  const found = new Set<string>()
  const threads = new Set<number>()
  const spin = () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
  const busy = Array.from({ length: cpus().length }, spin)
  let processes = 0
  try {
    for (let k = 0; k < repetitions; k++) {
      for (const count of cores) {
        const own = [process.execPath, script]
        const bound = process.platform === 'linux' && count < cpus().length
        const [file, ...args] = bound ? ['taskset', '-c', `0-${count - 1}`, ...own] : own
        const answer = JSON.parse((await execute(file, args)).stdout)
        threads.add(answer.threads)
        found.add(JSON.stringify(answer.bits))
        processes++
        if (found.size > 1)
          throw new Error(`other bits with ${count} cores: ${Array.from(found).join(' and ')}`)
      }
    }
  } finally {
    for (const child of busy) child.kill('SIGKILL')
  }
  return { processes, threads: Array.from(threads) }
}
