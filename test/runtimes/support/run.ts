import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../..', import.meta.url))
/** Whether the module with threads was built, which takes sources that not every compiler has; CI needs it. */
export function hasThreads(): boolean {
  const there = existsSync(join(root, 'build', 'wasm-threads'))
  if (!there && process.env.CI) throw new Error('CI expected build/wasm-threads, got none')
  return there
}

/** The commands of the runtimes that npm packages carry. */
export const deno = join(root, 'node_modules', '.bin', 'deno')
export const bun = join(root, 'node_modules', '.bin', 'bun')

/** Runs a command and resolves to what it printed; what it printed is in the error where it fails. */
export function run(
  command: string,
  args: readonly string[],
  { cwd = root, env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  // A script of Node's needs Node.
  const [program, ...rest] = /\.c?js$/.test(command)
    ? [process.execPath, command, ...args]
    : [command, ...args]
  return new Promise((done, fail) => {
    const child = spawn(program, rest, {
      cwd,
      env: { ...process.env, NO_COLOR: '1', ...env },
      timeout: 300_000,
    })
    let [output, errors] = ['', '']
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.stdin.end()
    child.on('error', fail)
    child.on('close', (code, signal) => {
      if (code === 0) done(output)
      else fail(new Error(`${[command, ...args].join(' ')} ended with ${signal ?? code}\n${errors}${output}`))
    })
  })
}

/** npm, as the process that runs the tests knows it. */
export function npm(args: readonly string[], cwd?: string): Promise<string> {
  const script = process.env.npm_execpath
  return script && existsSync(script) ? run(script, args, { cwd }) : run('npm', args, { cwd })
}
