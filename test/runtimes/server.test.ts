import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { suite } from 'uvu'
import { loadBackend } from '../../ts/index.ts'
import { measure, type Order, type Outcome } from './support/conformance.ts'
import { judge, order } from './support/outcome.ts'
import { bun, deno, hasThreads, root, run } from './support/run.ts'

const test = suite('runtimes')
const command = 'test/runtimes/support/command.ts'
/** Compiled, since a loader of TypeScript does not reach into threads; two folders deep, as the sources are. */
const thread = join(root, 'build', 'runtimes', 'thread.mjs')
const permissions = ['--allow-read', '--allow-env', '--node-modules-dir=manual', '--no-lock', '--quiet']

const runtimes: Record<string, (backend: string) => [program: string, args: string[]]> = {
  Node: () => [process.execPath, ['--import', 'tsx', command]],
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

for (const [name, how] of Object.entries(runtimes)) {
  for (const backend of ['native', 'wasm'] as const) {
    test(`${name}, ${backend}`, async () => {
      const [program, args] = how(backend)
      judge(JSON.parse(await run(program, [...args, JSON.stringify(await order(backend))])))
    })
  }
}

if (hasThreads()) {
  for (const [name, how] of Object.entries(runtimes)) {
    test(`${name}, wasm with threads`, async () => {
      const [program, args] = how('wasm')
      const work: Order = { ...(await order('wasm')), threads: true }
      judge(JSON.parse(await run(program, [...args, JSON.stringify(work)])))
    })
  }

  test('threads change no bit', async () => {
    const bits = await measure(await loadBackend({ backend: 'wasm' }))
    judge(await inThread({ ...(await order('wasm')), threads: true, bits }))
  })
}

test('Node without SIMD, wasm', async () => {
  const refuseVectors = 'data:text/javascript,WebAssembly.validate = () => false'
  const work = JSON.stringify({ ...(await order('wasm')), simd: 'scalar' })
  const args = ['--import', refuseVectors, '--import', 'tsx', command, work]
  judge(JSON.parse(await run(process.execPath, args)))
})

for (const backend of ['native', 'wasm'] as const) {
  test(`two worker threads of Node at once, ${backend}`, async () => {
    const workerData = await order(backend)
    for (const outcomes of await Promise.all([inThread(workerData), inThread(workerData)])) judge(outcomes)
  })
}

test('a thread that is terminated amid its work leaves the process alive', async () => {
  const worker = new Worker(thread, { workerData: await order('native') })
  await new Promise((started, failed) => worker.once('message', started).once('error', failed))
  await worker.terminate()
  judge(await inThread(await order('native')))
})

function inThread(workerData: unknown): Promise<Outcome[]> {
  return new Promise((done, fail) => {
    const worker = new Worker(thread, { workerData })
    worker.on('message', (message) => message !== 'started' && done(message))
    worker.once('error', fail)
  })
}

test.run()
