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
import { gzipSync } from 'node:zlib'
import { local, run, SetupError, step } from './setup/step.mjs'

const node = (...args) => run(process.execPath, args)
const napi = local('node_modules', '@napi-rs', 'cli', 'dist', 'cli.js')

/** The modules by what they are compiled for, then those with threads. */
const modules = {
  relaxed: ['wasm-relaxed', 'nhgd_relaxed'],
  simd128: ['wasm', 'nhgd_bg'],
  scalar: ['wasm-scalar', 'nhgd_scalar'],
}
const threads = {
  relaxed: ['wasm-threads', 'nhgd_threads_relaxed'],
  simd128: ['wasm-threads', 'nhgd_threads'],
}

/** Writes each WebAssembly module as JavaScript that holds its bytes, for bundles that are served without it. */
function inlineModules() {
  rmSync(local('build', 'inlined'), { recursive: true, force: true })
  mkdirSync(local('build', 'inlined'), { recursive: true })
  const write = (name, code) => writeFileSync(local('build', 'inlined', `${name}.js`), code)
  const imported = (name) => `() => import('./${name}.js')`
  const inline = (variants) =>
    Object.entries(variants).map(([simd, [folder, name]]) => {
      write(name, `${unpack}export const module = () => ${packed(local('build', folder, `${name}.wasm`))}\n`)
      return `  ${simd}: ${imported(name)},\n`
    })
  const plain = inline(modules)
  let threaded = [`  helper() { throw new Error('this build has no module with threads') },\n`]
  if (existsSync(local('build', 'wasm-threads'))) {
    write('nhgd_helper', helper())
    threaded = [...inline(threads), `  helper: ${imported('nhgd_helper')},\n`]
  }
  write(
    'index',
    `export const modules = {\n${plain.join('')}}\nexport const threads = {\n${threaded.join('')}}\n`,
  )
}

const unpack = `import { gunzipSync } from 'fflate'
const unpack = (packed) => gunzipSync(Uint8Array.from(atob(packed), (byte) => byte.charCodeAt(0)))
`
const packed = (file) => `unpack('${gzipSync(readFileSync(file), { level: 9 }).toString('base64')}')`

/** The glue of the modules with threads and the script of their helpers. */
function helper() {
  const script = packed(local('build', 'wasm-threads', 'nhgd_helper.js'))
  return `${unpack}export { instance } from '../wasm-threads/nhgd.js'
export const url = () => URL.createObjectURL(new Blob([${script}], { type: 'text/javascript' }))
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
