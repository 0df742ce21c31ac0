// What is published: dist from ts, and under build/npm a package for each platform's addon, this platform's filled.
// The setup comes first.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import { local, run, SetupError, step } from './setup/step.mjs'

const node = (...args) => run(process.execPath, args)
const napi = local('node_modules', '@napi-rs', 'cli', 'dist', 'cli.js')

const packed = (content) => gzipSync(content, { level: 9 }).toString('base64')
const unpack = `import { gunzipSync } from 'fflate'
const unpack = (packed) => gunzipSync(Uint8Array.from(atob(packed), (byte) => byte.charCodeAt(0)))
`

/** Writes each WebAssembly module as JavaScript that holds its bytes, for bundles that are served without it. */
function inlineModules() {
  mkdirSync(local('build', 'inlined'), { recursive: true })
  for (const file of [
    local('build', 'wasm', 'nhgd_bg.wasm'),
    local('build', 'wasm-scalar', 'nhgd_scalar.wasm'),
  ]) {
    const code = `${unpack}export const module = () => unpack('${packed(readFileSync(file))}')\n`
    writeFileSync(local('build', 'inlined', `${basename(file, '.wasm').replace('_bg', '')}.js`), code)
  }
  writeFileSync(local('build', 'inlined', 'nhgd_threads.js'), inlineThreads())
}

/** The module with threads, the glue and the script of its helpers; a bundler looks for the file in any case. */
function inlineThreads() {
  const file = (name) => local('build', 'wasm-threads', name)
  if (!existsSync(file('nhgd_threads.wasm'))) {
    return `export const threaded = () => { throw new Error('this build has no module with threads') }\n`
  }
  return `${unpack}import * as glue from '../wasm-threads/nhgd.js'
const url = () => URL.createObjectURL(new Blob([unpack('${packed(readFileSync(file('nhgd_helper.js')))}')], { type: 'text/javascript' }))
export const threaded = (helper = url()) => ({ glue, helper, module: unpack('${packed(readFileSync(file('nhgd_threads.wasm')))}') })
`
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
