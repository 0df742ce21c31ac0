// What the steps of the setup share: running a command, timing it, and knowing whether its sources changed.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const local = (...path) => join(root, ...path)

/** Tools that only this clone uses, when cargo's own folder holds another version. */
export const tools = local('target', 'tools')

/** `process.env` with the folders where cargo puts commands, which a fresh shell may lack, and the Node for build scripts. */
export const environment = {
  ...process.env,
  NODE: process.execPath,
  PATH: [
    join(tools, 'bin'),
    process.env.PATH,
    join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin'),
  ].join(delimiter),
}

/** A step that could not be done; the message says what failed and what to do about it. */
export class SetupError extends Error {}

/** Runs one step of the setup and prints what it is and how long it took. */
export async function step(title, work) {
  const start = performance.now()
  process.stdout.write(`setup: ${title} ... `)
  const result = await work()
  console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`)
  return result
}

/**
 * Runs a command and resolves to what it printed.
 * Where it fails, a {@link SetupError} carries the command, its output and the remedy.
 */
export function run(command, args, { env = environment, remedy = '', timeout } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, timeout, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (chunk) => {
      output += chunk
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const fail = (reason) =>
      reject(
        new SetupError(
          [`${[command, ...args].join(' ')}: ${reason}`, output.trim(), remedy].join('\n\n').trim(),
        ),
      )
    child.on('error', (error) => fail(error.code === 'ENOENT' ? 'command not found' : error.message))
    child.on('close', (code, signal) => (code === 0 ? resolve(output) : fail(signal ?? `exit code ${code}`)))
  })
}

/** Whether a command succeeds. */
export const succeeds = (command, args, options) =>
  run(command, args, options).then(
    () => true,
    () => false,
  )

/** Hash of what a build depends on: the files under the given paths, and cargo's flags from outside. */
function fingerprint(paths, flags) {
  const hash = createHash('sha256').update(
    [process.platform, process.arch, process.env.RUSTFLAGS ?? '', ...flags].join(' '),
  )
  const add = (path) => {
    if (!existsSync(path)) return
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) if (!ignored.has(name)) add(join(path, name))
    } else hash.update(`\0${path.slice(root.length)}\0`).update(readFileSync(path))
  }
  for (const path of paths) add(path)
  return hash.digest('hex')
}

const ignored = new Set(['tests', 'benches', 'examples', 'target'])

/**
 * Builds `directory` if the files under `sources`, or the build's `flags`, changed since it was built.
 * The new files go to a fresh folder, so that a running process keeps the files that it has open. A build that gives
 * `false` could not be done; then the old files are removed.
 */
export async function refresh(directory, sources, build, flags = []) {
  const print = fingerprint(sources, flags)
  const mark = join(directory, '.fingerprint')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === print) return
  const next = `${directory}.${process.pid}`
  try {
    const built = await build(next)
    rmSync(directory, { recursive: true, force: true })
    if (built === false) return
    writeFileSync(join(next, '.fingerprint'), print)
    renameSync(next, directory)
  } finally {
    rmSync(next, { recursive: true, force: true })
  }
}
