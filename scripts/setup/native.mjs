// The Node-API addon, built by @napi-rs/cli into build/native.
import { local, refresh, run, step, succeeds } from './step.mjs'

const installRust = 'Rust 1.89 or newer is needed, with a C linker: see https://rustup.rs'

export const rustSources = [
  local('Cargo.toml'),
  local('Cargo.lock'),
  local('.cargo'),
  local('crates'),
  ...['generate.mjs', 'generate.rs', 'node', 'wasm'].map((name) => local('bindings', name)),
  local('ts', 'backend', 'binding.ts'),
  local('scripts', 'setup'),
]

/** With NHGD_BLAS=1 large products go to the system's BLAS. */
const features = process.env.NHGD_BLAS === '1' ? ['--features', 'blas'] : []

/** Builds the addon when its sources changed. */
export async function buildNative() {
  await refresh(
    local('build', 'native'),
    rustSources,
    (next) =>
      step('native addon (cargo, release)', async () => {
        if (!(await succeeds('cargo', ['--version'])))
          await run('cargo', ['--version'], { remedy: installRust })
        await run(
          process.execPath,
          [
            local('node_modules', '@napi-rs', 'cli', 'dist', 'cli.js'),
            ...['build', '--platform', '--release', '--strip'],
            ...['--manifest-path', local('bindings', 'node', 'Cargo.toml')],
            ...['--package-json-path', local('package.json')],
            ...['--output-dir', next, '--js', 'index.cjs', '--dts', 'index.d.cts'],
            ...features,
          ],
          { remedy: installRust },
        )
      }),
    features,
  )
}
