import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { passed, root } from './twins.ts'

const execute = promisify(execFile)
const target = 'aarch64-unknown-linux-gnu'

export interface Emulated {
  /** Tests of the kernels that passed on an emulated ARM processor, the comparisons with plain twins among them. */
  readonly passed?: number
  readonly leftOut?: string
}

/**
 * The tests of crates/kernels compiled for aarch64, whose vectors are NEON's, under qemu-user. They need the target's
 * standard library, a linker and the emulator.
 *
 * @throws what cargo printed, where a test fails.
 */
export async function onAarch64(cases: number): Promise<Emulated> {
  for (const [command, arg, remedy] of [
    ['qemu-aarch64', '--version', 'apt install qemu-user'],
    ['aarch64-linux-gnu-gcc', '--version', 'apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross'],
  ]) {
    const there = await execute(command, [arg]).catch(() => undefined)
    if (!there) return { leftOut: `there is no ${command}: ${remedy}` }
  }
  const { stdout: installed } = await execute('rustup', ['target', 'list', '--installed']).catch(() => ({
    stdout: '',
  }))
  if (!installed.split('\n').includes(target)) return { leftOut: `rustup target add ${target}` }
  const env = {
    ...process.env,
    NHGD_TWIN_CASES: `${cases}`,
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: 'aarch64-linux-gnu-gcc',
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER: 'qemu-aarch64 -L /usr/aarch64-linux-gnu',
  }
  const place = ['--target', target, '--target-dir', `${root}target/aarch64`]
  const args = ['test', '--locked', '-p', 'nhgd-kernels', '--lib', '--test', 'twins', ...place]
  const { stdout } = await execute('cargo', args, { cwd: root, env, maxBuffer: 2 ** 26 })
  return { passed: passed(stdout) }
}
