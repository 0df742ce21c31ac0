import { mkdtempSync, rmSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { type BuildOptions, build, type Plugin } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { build as viteBuild } from 'vite'
import { strictPolicy, withChromium, withServer } from './support/chromium.ts'
import { bun, deno, hasThreads, npm, root, run } from './support/run.ts'

const test = suite('package')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-package-'))
const tarball = join(folder, 'nhgd.tgz')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

/** θ* = ½v, f = ½(θ − 1)²: at v = 4 the hypergradient is ½. */
const body = `
  const problem = quadratic({ backend, h: [2], c: [1], c0: [0], q: [1], t: [1], mu: 0, dtype: 'f64' })
  const { hypergradient: gradient } = await hypergradient(problem, { inner: [2], outer: [4], method: exact() })
  return [backend.info().backend, gradient[0].toFixed(9)].join(' ')
`
const names = '{ exact, hypergradient, loadBackend, quadratic }'
const example = (from: string, how = '') => `import ${names} from '${from}'
export async function main() {
  const backend = await loadBackend(${how})
  ${body}
}
`
const page = '<!doctype html><meta charset="utf-8"><script type="module" src="./main.js"></script>'
const show = `
main().then((text) => { document.title = text }, (error) => { document.title = String(error) })
`

test.before(async () => {
  await run(process.execPath, ['scripts/build.mjs'])
  const packed = await npm(['pack', '--silent', '--pack-destination', folder], root)
  await writeFile(tarball, await readFile(join(folder, packed.trim())))
  await writeFile(join(folder, 'package.json'), '{ "private": true }')
  await npm(['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], folder)
  for (const entry of ['nhgd', 'nhgd/native', 'nhgd/wasm']) {
    const file = `${entry.replace('/', '-')}.mjs`
    await writeFile(join(folder, file), `${example(entry)}\nmain().then(console.log)\n`)
  }
})

test.after(() => rmSync(folder, { recursive: true, force: true }))

const threadedFiles = [
  'build/inlined/nhgd_helper.js',
  'build/inlined/nhgd_threads.js',
  'build/inlined/nhgd_threads_relaxed.js',
  'build/wasm-threads/nhgd.js',
  'build/wasm-threads/nhgd_helper.js',
  'build/wasm-threads/nhgd_threads.wasm',
  'build/wasm-threads/nhgd_threads_relaxed.wasm',
]

test('it holds both backends and compiled code, and nothing else', async () => {
  const installed = join(folder, 'node_modules', 'nhgd')
  const files = (await readdir(installed, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(installed.length + 1)
        .replaceAll('\\', '/'),
    )
  const odd = files.filter((file) => !/^dist\/.+\.(js|d\.ts)$/.test(file)).sort()
  const addon = odd.filter((file) => /^build\/native\/nhgd\..+\.node$/.test(file))
  assert.is(addon.length, 1, `${addon}`)
  assert.equal(
    odd.filter((file) => !addon.includes(file)),
    [
      'LICENSE-APACHE',
      'LICENSE-MIT',
      'README.md',
      'build/inlined/index.js',
      'build/inlined/nhgd_bg.js',
      'build/inlined/nhgd_relaxed.js',
      'build/inlined/nhgd_scalar.js',
      'build/native/index.cjs',
      'build/wasm-relaxed/nhgd_relaxed.wasm',
      'build/wasm-scalar/nhgd_scalar.wasm',
      ...(hasThreads() ? threadedFiles : []),
      'build/wasm/nhgd.js',
      'build/wasm/nhgd_bg.wasm',
      'package.json',
    ].sort(),
  )
})

test('nothing runs when it is installed, nor when a package of a platform is', async () => {
  const platforms = (await readdir(join(root, 'build', 'npm'))).map((name) =>
    join(root, 'build', 'npm', name),
  )
  assert.ok(platforms.length > 1)
  for (const published of [join(folder, 'node_modules', 'nhgd'), ...platforms]) {
    const { scripts = {}, gypfile } = JSON.parse(await readFile(join(published, 'package.json'), 'utf8'))
    const run = Object.keys(scripts).filter((name) => /install|prepare|^prepublish$/.test(name))
    assert.equal([run, gypfile, (await readdir(published)).includes('binding.gyp')], [[], undefined, false])
  }
})

test('publint and Are The Types Wrong find nothing', async () => {
  if (!hasThreads()) return // one of the files that package.json names was not built
  await run(bin('publint'), ['run', tarball, '--strict'])
  await run(bin('attw'), [
    tarball,
    '--profile',
    'esm-only',
    '--exclude-entrypoints',
    'nhgd.wasm',
    'nhgd_relaxed.wasm',
    'nhgd_scalar.wasm',
    'nhgd_helper.js',
  ])
})

test('its types are found under nodenext and under bundler', async () => {
  const imported = {
    nhgd: 'loadBackend, solve',
    'nhgd/kernels': 'gemm',
    'nhgd/data': 'readFeatures, readIndices, readLabels, parseFeatures',
  }
  const code = Object.entries(imported).map(([from, names]) => `export { ${names} } from '${from}'\n`)
  await writeFile(join(folder, 'types.mts'), code.join(''))
  for (const [resolution, module] of [
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ]) {
    const options = ['--moduleResolution', resolution, '--module', module, '--target', 'es2023', '--noEmit']
    const lib = ['--lib', 'es2023,dom,esnext.disposable', '--strict', '--skipLibCheck']
    await run(bin('tsc'), [...options, ...lib, 'types.mts'], { cwd: folder })
  }
})

const answers = {
  'nhgd.mjs': 'native 0.500000000',
  'nhgd-native.mjs': 'native 0.500000000',
  'nhgd-wasm.mjs': 'wasm 0.500000000',
}
const permissions = ['--allow-read', '--allow-env', '--allow-ffi', '--node-modules-dir=manual']
for (const [file, answer] of Object.entries(answers)) {
  test(`${file} in Node, Deno and Bun`, async () => {
    const cwd = folder
    assert.is((await run(process.execPath, [file], { cwd })).trim(), answer, 'Node')
    assert.is((await run(deno, ['run', ...permissions, file], { cwd })).trim(), answer, 'Deno')
    assert.is((await run(bun, ['run', file], { cwd })).trim(), answer, 'Bun')
  })
}

test('require', async () => {
  const script = `const ${names} = require('nhgd')
async function main() { const backend = await loadBackend(); ${body} }
main().then(console.log)`
  await writeFile(join(folder, 'required.cjs'), script)
  assert.is((await run(process.execPath, ['required.cjs'], { cwd: folder })).trim(), 'native 0.500000000')
})

test('every entry point opens', async () => {
  const script = `for (const entry of ['', '/native', '/wasm', '/kernels', '/data']) console.log(Object.keys(await import('nhgd' + entry)).length > 0)`
  const printed = await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder })
  assert.is(printed.trim(), Array(5).fill('true').join('\n'))
})

test('nhgd info says what runs', async () => {
  const info = await run(join(folder, 'node_modules', '.bin', 'nhgd'), ['info'], { cwd: folder })
  const { backend, node, ...more } = JSON.parse(info)
  assert.equal([backend, node], ['native', process.version])
  assert.equal(Object.keys(more), ['package', 'engine', 'platform', 'simd', 'blas', 'threads', 'skipped'])
})

test('nhgd info says why a backend was skipped, and what to do about it', async () => {
  const reason = async (env?: Record<string, string>) => {
    const printed = await run(join(folder, 'node_modules', '.bin', 'nhgd'), ['info'], { cwd: folder, env })
    const { backend, skipped } = JSON.parse(printed)
    assert.equal([backend, skipped.length, skipped[0].backend], ['wasm', 1, 'native'])
    return skipped[0].reason
  }
  const native = join(folder, 'node_modules', 'nhgd', 'build', 'native')
  const [name] = (await readdir(native)).filter((name) => name.endsWith('.node'))
  const addon = join(native, name)
  const kept = await readFile(addon)
  try {
    assert.match(await reason({ NODE_OPTIONS: '--no-addons' }), /run without --no-addons/)
    await writeFile(addon, 'neither of this platform nor of another')
    assert.match(await reason(), /remove node_modules and install here/)
    await rm(addon)
    assert.match(await reason(), /reinstall with optional packages/)
  } finally {
    await writeFile(addon, kept)
  }
  const withoutForeign = permissions.filter((flag) => flag !== '--allow-ffi')
  const denied = run(deno, ['run', '--no-prompt', ...withoutForeign, 'nhgd-native.mjs'], { cwd: folder })
  assert.match(String(await denied.catch((error) => error)), /--allow-ffi flag; or use the wasm backend/)
})

/** Bundles an example as for a browser unless other conditions are given. */
async function bundle(name: string, source: string, options: BuildOptions): Promise<void> {
  const entry = join(folder, `${name}.mjs`)
  await writeFile(entry, source)
  await build({ entryPoints: { main: entry }, bundle: true, format: 'esm', logLevel: 'silent', ...options })
}

test('bundled by esbuild and by Vite, in Chromium', async () => {
  const bundles: Record<string, (out: string) => Promise<unknown>> = {
    esbuild: (outdir) => bundle('esbuild', `${example('nhgd')}${show}`, { outdir }),
    'esbuild, a classic script': (outdir) =>
      bundle('classic', `${example('nhgd/wasm')}${show}`, { outdir, format: 'iife' }),
    'esbuild, the module as a file': (outdir) => {
      const source = `import wasm from 'nhgd/nhgd.wasm'\nexport * from 'nhgd/data'\n${example('nhgd', '{ wasm }')}${show}`
      return bundle('file', source, { outdir, splitting: true, loader: { '.wasm': 'file' } })
    },
    async vite(outDir) {
      await writeFile(join(folder, 'index.html'), page)
      await writeFile(join(folder, 'main.js'), `${example('nhgd')}${show}`)
      await viteBuild({ root: folder, configFile: false, logLevel: 'error', build: { outDir } })
    },
  }
  await withChromium(async (browser) => {
    for (const [name, make] of Object.entries(bundles)) {
      const out = join(folder, `out ${name}`)
      await make(out)
      const files = (await readdir(out, { recursive: true })).filter((file) => file.endsWith('.wasm'))
      assert.is(files.length, name.endsWith('as a file') ? 1 : 0, `${name} emits ${files}`)
      await writeFile(join(out, 'index.html'), await indexOf(out))
      await withServer(out, {}, async (url) => {
        const tab = await browser.newPage()
        await tab.goto(url)
        await tab.waitForFunction(() => document.title !== '')
        assert.is(await tab.title(), 'wasm 0.500000000', name)
      })
    }
  })
})

test('without optional packages it is bundled for Node, and their files are an error that says what to install', async () => {
  const code = `import { readSet } from 'nhgd/data'
readSet(process.argv[2]).then(console.log, ({ message }) => console.log(message))`
  const outfile = join(folder, 'tables.out.mjs')
  await bundle('tables', code, { outfile, entryPoints: [join(folder, 'tables.mjs')], platform: 'node' })
  for (const [name, told] of [
    ['snappy.parquet', 'npm install hyparquet'],
    ['plain.feather', 'npm install apache-arrow'],
  ]) {
    const file = join(root, 'test', 'fixtures', 'tables', name)
    assert.match(await run(process.execPath, [outfile, file], { cwd: folder }), told)
  }
})

test('bundled for a worker, it has helpers where the page is isolated and its policy allows them', async () => {
  if (!hasThreads()) return
  const outdir = join(folder, 'out worker')
  await writeFile(
    join(folder, 'starter.mjs'),
    `new Worker('./worker.js', { type: 'module' }).onmessage = ({ data }) => { document.title = JSON.stringify(data) }`,
  )
  await bundle(
    'worker',
    `import { loadBackend } from 'nhgd'\nloadBackend().then((backend) => postMessage(backend.info()))`,
    {
      outdir,
      splitting: true,
      entryPoints: { main: join(folder, 'starter.mjs'), worker: join(folder, 'worker.mjs') },
    },
  )
  await writeFile(join(outdir, 'index.html'), page)
  await withChromium(async (browser) => {
    const info = (policy: string, isolated: boolean) =>
      withServer(outdir, { isolated, policy }, async (url) => {
        const tab = await browser.newPage()
        await tab.goto(url)
        await tab.waitForFunction(() => document.title !== '')
        return JSON.parse(await tab.title())
      })
    const { threads, simd, skipped } = await info(`${strictPolicy}; worker-src 'self' blob:`, true)
    assert.ok(threads > 1, JSON.stringify(skipped))
    assert.is(simd, 'relaxed')
    const forbidden = await info(strictPolicy, true)
    assert.is(forbidden.threads, 1)
    assert.match(forbidden.skipped[0].reason, /allow blob: in worker-src/)
    const alone = await info(strictPolicy, false)
    assert.equal([alone.threads, alone.simd, alone.skipped], [1, 'relaxed', []])
  })
})

/** Vite writes a page of its own. */
const indexOf = (out: string) => readFile(join(out, 'index.html'), 'utf8').catch(() => page)

test('a build for browsers names nothing native, and refuses what is', async () => {
  const outdir = join(folder, 'web')
  await bundle('web', `export * from 'nhgd'\nexport { gemm } from 'nhgd/kernels'`, { outdir, minify: true })
  assert.not.match(await readFile(join(outdir, 'main.js'), 'utf8'), /index\.cjs|createRequire|import\.meta/)
  const native = await bundle('native', `import 'nhgd/native'`, { outdir }).catch((error) => error)
  assert.match(String(native), /nhgd\/native/)
})

test('where nothing may be compiled at run time, as in workerd, the imported module runs', async () => {
  const outfile = join(folder, 'workerd.js')
  // Workers import a file of WebAssembly as a WebAssembly.Module.
  const compiled: Plugin = {
    name: 'compiled',
    setup({ onLoad }) {
      onLoad({ filter: /\.wasm$/ }, () => ({ contents: 'export default compiled', loader: 'js' }))
    },
  }
  const source = `${example('nhgd')}\nglobalThis.answer = main()`
  await bundle('workerd', source, {
    outfile,
    entryPoints: [join(folder, 'workerd.mjs')],
    format: 'iife',
    conditions: ['workerd', 'worker', 'browser'],
    plugins: [compiled],
  })
  const file = join(folder, 'node_modules', 'nhgd', 'build', 'wasm', 'nhgd_bg.wasm')
  const world = createContext(
    {
      compiled: new WebAssembly.Module(await readFile(file)),
      TextDecoder,
      TextEncoder,
      performance,
      setTimeout,
    },
    { codeGeneration: { strings: false, wasm: false } },
  )
  runInContext(await readFile(outfile, 'utf8'), world)
  assert.is(await world.answer, 'wasm 0.500000000')
  assert.throws(() => runInContext('new WebAssembly.Module(new Uint8Array(8))', world), /disallowed/)
})

test('Node with other conditions, or without addons', async () => {
  const inNode = (flag: string, file: string) => run(process.execPath, [flag, file], { cwd: folder })
  assert.is((await inNode('--conditions=browser', 'nhgd.mjs')).trim(), answers['nhgd-wasm.mjs'])
  assert.is((await inNode('--no-addons', 'nhgd.mjs')).trim(), answers['nhgd-wasm.mjs'])
  const failed = await inNode('--no-addons', 'nhgd-native.mjs').catch((error) => error)
  assert.match(String(failed), /addons is disabled.+run without --no-addons/)
})

test.run()
