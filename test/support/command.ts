import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Ending {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

/**
 * `nhgd` with some arguments and standard input. It gets a `signal` once standard error has what `interrupt` looks for;
 * `deaf` reads no output, no file may be larger than `limit` KiB, and with `full` standard output is a full disk.
 */
export function nhgdWith(
  args: readonly string[],
  {
    interrupt,
    signal = 'SIGINT',
    input,
    deaf,
    limit,
    full,
  }: {
    interrupt?: RegExp
    signal?: NodeJS.Signals
    input?: string | Uint8Array
    deaf?: boolean
    limit?: number
    full?: boolean
  } = {},
): Promise<Ending> {
  const all = ['--import', 'tsx', 'ts/cli/main.ts', ...args]
  const first = limit ? `ulimit -f ${limit}; ` : ''
  const shell = ['-c', `${first}exec "$0" "$@"${full ? ' > /dev/full' : ''}`, process.execPath, ...all]
  const child =
    limit || full ? spawn('bash', shell, { cwd: root }) : spawn(process.execPath, all, { cwd: root })
  let [out, error, interrupted] = ['', '', false]
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    error += chunk
    if (interrupt?.test(error) && !interrupted) child.kill(signal)
    interrupted ||= interrupt?.test(error) ?? false
  })
  if (deaf) child.stdout.destroy()
  // A command that is refused does not read what it is given.
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, error }))
  })
}
