import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { passed, root } from './twins.ts'

const execute = promisify(execFile)

export interface Sanitized {
  /** Tests that passed under AddressSanitizer, and under ThreadSanitizer. */
  readonly address?: number
  readonly thread?: number
  readonly leftOut?: string
}

/**
 * The tests of crates/kernels, where all unsafe code is, under AddressSanitizer, and those of what threads share (crew,
 * helpers, teams) under ThreadSanitizer. It takes Rust's nightly compiler.
 *
 * @throws what cargo printed, where a sanitizer finds something.
 */
export async function sanitize(): Promise<Sanitized> {
  const nightly = await execute('cargo', ['+nightly', '--version']).catch(() => undefined)
  if (!nightly) return { leftOut: 'rustup has no nightly toolchain' }
  const { stdout: about } = await execute('rustc', ['+nightly', '-vV'])
  const target = /host: (.+)/.exec(about)?.[1] ?? ''
  const run = async (sanitizer: string, more: readonly string[], flags = '', options = {}) => {
    const env = { ...process.env, RUSTFLAGS: `-Zsanitizer=${sanitizer}${flags}`, ...options }
    const place = ['--target', target, '--target-dir', `${root}target/${sanitizer}`]
    const args = [
      '+nightly',
      'test',
      '--locked',
      '-p',
      'nhgd-kernels',
      ...more.slice(0, 1),
      ...place,
      '--',
      ...more.slice(1),
    ]
    return passed((await execute('cargo', args, { cwd: root, env, maxBuffer: 2 ** 26 })).stdout)
  }
  // The tests of helpers leak a pool of theirs, as the process does with its own.
  const address = await run('address', ['--tests'], '', { ASAN_OPTIONS: 'detect_leaks=0' })
  const mixed = ' -Cunsafe-allow-abi-mismatch=sanitizer'
  const thread = await run('thread', ['--lib', 'threads', 'helpers', 'crew', 'rank_one'], mixed)
  return { address, thread }
}
