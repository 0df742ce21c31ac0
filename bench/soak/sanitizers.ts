import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
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
  const run = async (sanitizer: string, which: readonly string[], tests: readonly string[] = []) => {
    // The tests of helpers leak a pool of theirs, as the process does with its own.
    const options = { RUSTFLAGS: `-Zsanitizer=${sanitizer}`, ASAN_OPTIONS: 'detect_leaks=0' }
    const place = ['--target', target, '--target-dir', `${root}target/${sanitizer}`]
    const args = ['+nightly', 'test', '--locked', '-p', 'nhgd-kernels', ...which, ...place, '--', ...tests]
    const env = { ...process.env, ...options }
    return passed((await execute('cargo', args, { cwd: root, env, maxBuffer: 2 ** 26 })).stdout)
  }
  const address = await run('address', ['--lib', '--test', 'lapack'])
  // Locks of a std that was not compiled for it look like races.
  const { stdout: sysroot } = await execute('rustc', ['+nightly', '--print', 'sysroot'])
  if (!existsSync(`${sysroot.trim()}/lib/rustlib/src/rust/library`)) {
    return { address, leftOut: 'ThreadSanitizer: rustup component add rust-src --toolchain nightly' }
  }
  const thread = await run('thread', ['-Zbuild-std', '--lib'], ['threads', 'helpers', 'crew'])
  return { address, thread }
}
