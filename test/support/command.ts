import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Ending {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

/** `nhgd` with some arguments and standard input; `interrupt` sends a signal once standard error has it, and `deaf` reads
 * no output. */
export function nhgdWith(
  args: readonly string[],
  { interrupt, input, deaf }: { interrupt?: RegExp; input?: string | Uint8Array; deaf?: boolean } = {},
): Promise<Ending> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'ts/cli/main.ts', ...args], { cwd: root })
  let [out, error, interrupted] = ['', '', false]
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    error += chunk
    if (interrupt?.test(error) && !interrupted) child.kill('SIGINT')
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
