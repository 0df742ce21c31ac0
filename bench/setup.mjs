// Builds the rivals that need building: OpenBLAS behind a small addon, where pkg-config finds it.
//   node bench/setup.mjs
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { local, refresh, run, SetupError, step, succeeds } from '../scripts/setup/step.mjs'

const crate = local('bench', 'rivals', 'openblas')
const libraries = { darwin: 'libnhgd_bench_openblas.dylib', win32: 'nhgd_bench_openblas.dll' }

async function buildOpenblas() {
  if (!(await succeeds('pkg-config', ['--exists', 'openblas']))) {
    console.log('setup: OpenBLAS is not installed, its rows stay empty (Debian: apt install libopenblas-dev)')
    return
  }
  await refresh(local('build', 'openblas'), [crate], (next) =>
    step('OpenBLAS as a rival (cargo, release)', async () => {
      const target = process.env.CARGO_TARGET_DIR ?? local('target', 'openblas')
      const options = ['--release', '--locked', '--manifest-path', join(crate, 'Cargo.toml')]
      await run('cargo', ['build', ...options, '--target-dir', target])
      const library = libraries[process.platform] ?? 'libnhgd_bench_openblas.so'
      mkdirSync(next, { recursive: true })
      copyFileSync(join(target, 'release', library), join(next, 'openblas.node'))
    }),
  )
}

try {
  await buildOpenblas()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\nsetup: OpenBLAS does not build, its rows stay empty: ${error.message}`)
}
