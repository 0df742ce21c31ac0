import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { simd } from '../../ts/backend/simd.ts'
import { loadBackend } from '../../ts/index.ts'
import { type Answer, measure, type Order } from './support/conformance.ts'
import { judge, order } from './support/outcome.ts'
import { bun, deno, hasThreads, root, run } from './support/run.ts'

const test = suite('runtimes')
const command = 'test/runtimes/support/command.ts'
/** Compiled, since a loader of TypeScript does not reach into threads; two folders deep, as the sources are. */
const thread = join(root, 'build', 'runtimes', 'thread.mjs')
const permissions = ['--allow-read', '--allow-env', '--node-modules-dir=manual', '--no-lock', '--quiet']

/** Node 20 has relaxed SIMD behind a flag, later ones without. */
const relaxing = process.version.startsWith('v20.') ? ['--experimental-wasm-relaxed-simd'] : []

const runtimes: Record<string, (backend: string) => [program: string, args: string[]]> = {
  Node: () => [process.execPath, ['--import', 'tsx', command]],
  'Node with relaxed SIMD': () => [process.execPath, [...relaxing, '--import', 'tsx', command]],
  Deno: (backend) => [
    deno,
    ['run', ...permissions, ...(backend === 'native' ? ['--allow-ffi'] : []), command],
  ],
  Bun: () => [bun, ['run', command]],
}

test.before(async () => {
  const entryPoints = [join(root, 'test', 'runtimes', 'support', 'thread.ts')]
  await build({
    entryPoints,
    outfile: thread,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  })
})

async function ask(name: string, work: Order): Promise<Answer> {
  const [program, args] = runtimes[name](work.expected)
  const answer = JSON.parse(await run(program, [...args, JSON.stringify(work)]))
  judge(answer)
  return answer
}

for (const name of Object.keys(runtimes)) {
  test(`${name}, native`, async () => {
    await ask(name, await order('native'))
  })

  test(`${name}, wasm; with threads, which change no bit`, async () => {
    const work: Order = { ...(await order('wasm')), simd: name === 'Node' ? simd() : 'relaxed' }
    const { measured: bits } = await ask(name, work)
    if (hasThreads()) await ask(name, { ...work, threads: true, bits })
  })

  test(`${name}, wasm without relaxed SIMD, which gives the same bits everywhere`, async () => {
    const bits = await measure(await loadBackend({ backend: 'wasm', relaxed: false }))
    const work: Order = { ...(await order('wasm')), relaxed: false, simd: 'simd128', bits }
    await ask(name, work)
    if (hasThreads()) await ask(name, { ...work, threads: true })
  })
}

if (hasThreads()) {
  test('threads of a worker thread change no bit', async () => {
    const bits = await measure(await loadBackend({ backend: 'wasm', relaxed: false }))
    judge(await inThread({ ...(await order('wasm')), threads: true, relaxed: false, bits }))
  })
}

for (const name of ['Node', 'Deno', 'Bun']) {
  test(`${name} writes a run to a file and goes on from it`, async () => {
    const own = mkdtempSync(join(tmpdir(), 'nhgd-run-'))
    const file = join(own, 'run')
    const [program, args] = runtimes[name]('wasm')
    const written = args.flatMap((arg) => (arg === '--allow-read' ? [arg, '--allow-write'] : [arg]))
    const script = [...written.slice(0, -1), 'test/runtimes/support/checkpoint.ts', file]
    const { outer, whole, resumed } = JSON.parse(await run(program, script))
    assert.equal(outer, whole)
    assert.equal(resumed, { file: realpathSync(file), damaged: [] })
    assert.equal(readdirSync(own).sort(), ['run', 'run.1', 'run.2'])
    rmSync(own, { recursive: true })
  })
}

test('Node without SIMD, wasm', async () => {
  const refuseVectors = 'data:text/javascript,WebAssembly.validate = () => false'
  const work = JSON.stringify({ ...(await order('wasm')), simd: 'scalar' })
  const args = ['--import', refuseVectors, '--import', 'tsx', command, work]
  judge(JSON.parse(await run(process.execPath, args)))
})

test('relaxed SIMD that is there already is said to be', async () => {
  const script = `import { loadBackend } from './ts/wasm.ts'
    await loadBackend()
    console.log(JSON.stringify((await loadBackend({ relaxed: false })).info()))`
  const args = [...relaxing, '--import', 'tsx', '--input-type=module', '--eval', script]
  const { simd, skipped } = JSON.parse(await run(process.execPath, args))
  assert.is(simd, 'relaxed')
  assert.equal(skipped, [
    { backend: 'wasm without relaxed SIMD', reason: 'the module that is loaded has it' },
  ])
})

for (const backend of ['native', 'wasm'] as const) {
  test(`two worker threads of Node at once, ${backend}`, async () => {
    const workerData = await order(backend)
    for (const answer of await Promise.all([inThread(workerData), inThread(workerData)])) judge(answer)
  })
}

test('a thread that is terminated amid its work leaves the process alive', async () => {
  const worker = new Worker(thread, { workerData: await order('native') })
  await new Promise((started, failed) => worker.once('message', started).once('error', failed))
  await worker.terminate()
  judge(await inThread(await order('native')))
})

function inThread(workerData: unknown): Promise<Answer> {
  return new Promise((done, fail) => {
    const worker = new Worker(thread, { workerData })
    worker.on('message', (message) => message !== 'started' && done(message))
    worker.once('error', fail)
  })
}

test.run()
