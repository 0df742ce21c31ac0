// What is published: dist from ts, and under build/npm a package for each platform's addon, this platform's filled.
// The setup comes first.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import { local, run, SetupError, step } from './setup/step.mjs'

const node = (...args) => run(process.execPath, args)
const napi = local('node_modules', '@napi-rs', 'cli', 'dist', 'cli.js')

/** Writes each WebAssembly module as JavaScript that holds its bytes, for bundles that are served without it. */
function inlineModules() {
  mkdirSync(local('build', 'inlined'), { recursive: true })
  for (const file of [
    local('build', 'wasm', 'nhgd_bg.wasm'),
    local('build', 'wasm-scalar', 'nhgd_scalar.wasm'),
  ]) {
    const packed = gzipSync(readFileSync(file), { level: 9 }).toString('base64')
    const code = `import { gunzipSync } from 'fflate'
const packed = '${packed}'
export const module = () => gunzipSync(Uint8Array.from(atob(packed), (byte) => byte.charCodeAt(0)))
`
    writeFileSync(local('build', 'inlined', `${basename(file, '.wasm').replace('_bg', '')}.js`), code)
  }
}

try {
  await step('dist (tsc)', async () => {
    rmSync(local('dist'), { recursive: true, force: true })
    await node(local('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json')
  })
  await step('modules as code for browsers', inlineModules)
  await step('packages of the platforms (napi)', async () => {
    rmSync(local('build', 'npm'), { recursive: true, force: true })
    await node(napi, 'create-npm-dirs', '--npm-dir', 'build/npm')
    for (const addon of readdirSync(local('build', 'native')).filter((name) => name.endsWith('.node'))) {
      const [, platform] = addon.split('.')
      copyFileSync(local('build', 'native', addon), local('build', 'npm', platform, addon))
    }
  })
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\nbuild failed: ${error.message}`)
  process.exitCode = 1
}
