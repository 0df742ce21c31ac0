import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { passed, root } from './twins.ts'

const execute = promisify(execFile)

export interface Sanitized {
  /** Tests that passed under Valgrind's Memcheck, AddressSanitizer, and ThreadSanitizer. */
  readonly memcheck?: number
  readonly address?: number
  readonly thread?: number
  readonly leftOut?: string
}

/**
 * The tests of crates/kernels, where all unsafe code is, under Memcheck and AddressSanitizer, and those of what threads
 * share (crew, helpers, teams, the Fisher's queue) under ThreadSanitizer. It takes Valgrind, Rust's nightly compiler, and
 * for threads one with the sources of its standard library, see CONTRIBUTING.md.
 *
 * @throws what cargo printed, where something is found.
 */
export async function sanitize(): Promise<Sanitized> {
  const memcheck = await underMemcheck()
  const sanitized = await bySanitizers()
  const leftOut = [memcheck === undefined && 'there is no valgrind', sanitized.leftOut].filter(Boolean)
  return { ...sanitized, memcheck, ...(leftOut.length > 0 && { leftOut: leftOut.join('; ') }) }
}

/** Memcheck knows no AVX-512, so that the kernels take their AVX2 there. It is slow: larger matrices have the same blocks. */
async function underMemcheck(): Promise<number | undefined> {
  const there = await execute('valgrind', ['--version']).catch(() => undefined)
  if (!there) return undefined
  const runner = 'CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER'
  const env = { ...process.env, [runner]: 'valgrind -q --error-exitcode=1', NHGD_LARGEST_ORDER: '65' }
  const args = ['test', '--locked', '-p', 'nhgd-kernels', '--lib']
  return passed((await execute('cargo', args, { cwd: root, env, maxBuffer: 2 ** 26 })).stdout)
}

async function bySanitizers(): Promise<Omit<Sanitized, 'memcheck'>> {
  const nightly = await execute('cargo', ['+nightly', '--version']).catch(() => undefined)
  if (!nightly) return { leftOut: 'rustup has no nightly toolchain' }
  const { stdout: about } = await execute('rustc', ['+nightly', '-vV'])
  const target = /host: (.+)/.exec(about)?.[1] ?? ''
  const run = async (
    sanitizer: string,
    which: readonly string[],
    tests: readonly string[] = [],
    toolchain = 'nightly',
  ) => {
    // The tests of helpers leak a pool of theirs, as the process does with its own; others ask for more than there is.
    const options = {
      RUSTFLAGS: `-Zsanitizer=${sanitizer}`,
      ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
    }
    const place = ['--target', target, '--target-dir', `${root}target/${sanitizer}`]
    const args = [`+${toolchain}`, 'test', '--locked', ...which, ...place, '--', ...tests]
    const env = { ...process.env, ...options, RUSTC_BOOTSTRAP: '1' }
    return passed((await execute('cargo', args, { cwd: root, env, maxBuffer: 2 ** 26 })).stdout)
  }
  const address = await run('address', ['-p', 'nhgd-kernels', '--lib', '--test', 'lapack'])
  // Locks of a std that was not compiled for it look like races.
  const toolchain = await withSources()
  if (!toolchain)
    return { address, leftOut: 'ThreadSanitizer: no toolchain has the sources of its standard library' }
  const built = ['-Zbuild-std', '--lib']
  const kernels = await run(
    'thread',
    ['-p', 'nhgd-kernels', ...built],
    ['threads', 'helpers', 'crew'],
    toolchain,
  )
  const queue = await run('thread', ['-p', 'nhgd-engine', ...built], ['queue'], toolchain)
  return { address, thread: kernels + queue }
}

/** The first toolchain that has the sources of its standard library: `nightly`, or one that is linked as `sanitizers`. */
async function withSources(): Promise<string | undefined> {
  for (const toolchain of ['nightly', 'sanitizers']) {
    const found = await execute('rustc', [`+${toolchain}`, '--print', 'sysroot']).catch(() => undefined)
    if (found && existsSync(`${found.stdout.trim()}/lib/rustlib/src/rust/library`)) return toolchain
  }
  return undefined
}
