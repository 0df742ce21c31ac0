// Writes what a release holds, in CycloneDX: build/sbom/npm.cdx.json for the package, and one file per binding for the
// crates that are compiled into it.
//   npm run sbom     installs cargo-cyclonedx where it is missing, which takes some minutes
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { local, run, SetupError, step, succeeds } from './setup/step.mjs'

const folder = local('build', 'sbom')
const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm']
const bindings = { node: ['nhgd-node', 'all'], wasm: ['nhgd-wasm', 'wasm32-unknown-unknown'] }

async function ofPackage() {
  const [command, ...args] = npm
  const bom = await run(command, [
    ...args,
    'sbom',
    '--sbom-format',
    'cyclonedx',
    '--omit',
    'dev',
    '--package-lock-only',
  ])
  writeFileSync(local('build', 'sbom', 'npm.cdx.json'), bom)
}

/** It writes beside each manifest of the workspace; those of the bindings hold all that is compiled. */
async function ofCrates() {
  for (const [binding, [name, target]] of Object.entries(bindings)) {
    const manifest = local('bindings', binding, 'Cargo.toml')
    await run('cargo', ['cyclonedx', '--format', 'json', '--target', target, '--manifest-path', manifest])
    renameSync(local('bindings', binding, `${name}.cdx.json`), local('build', 'sbom', `${binding}.cdx.json`))
  }
}

try {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  if (!(await succeeds('cargo', ['cyclonedx', '--version']))) {
    await step('cargo install cargo-cyclonedx', () =>
      run('cargo', ['install', '--locked', 'cargo-cyclonedx']),
    )
  }
  await step('packages (npm sbom)', ofPackage)
  await step('crates (cargo cyclonedx)', ofCrates)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\nsbom failed: ${error.message}`)
  process.exitCode = 1
} finally {
  for (const parent of ['crates', 'bindings']) {
    for (const crate of readdirSync(local(parent), { recursive: true, encoding: 'utf8' })) {
      if (crate.endsWith('.cdx.json')) rmSync(local(parent, crate))
    }
  }
}
