import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** How many tests of Rust passed, by what cargo printed. */
export function passed(output: string): number {
  return Array.from(output.matchAll(/^test result: ok\. (\d+) passed/gm), ([, count]) =>
    Number(count),
  ).reduce((sum, count) => sum + count, 0)
}

/**
 * Every kernel against its plain twin in random cases.
 *
 * @throws what cargo printed, where one differs.
 */
export async function compareTwins(cases: number): Promise<{ kernels: number; casesOfEach: number }> {
  const env = { ...process.env, NHGD_TWIN_CASES: `${cases}` }
  const args = ['test', '--locked', '-p', 'nhgd-kernels', '--test', 'twins']
  const { stdout } = await execute('cargo', args, { cwd: root, env, maxBuffer: 2 ** 26 })
  return { kernels: passed(stdout), casesOfEach: cases }
}
