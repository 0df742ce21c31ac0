import { Worker } from 'node:worker_threads'
import { suite } from 'uvu'
import type { Outcome } from './support/conformance.ts'
import { judge, order } from './support/outcome.ts'
import { bun, deno, run } from './support/run.ts'

const test = suite('runtimes')
const command = 'test/runtimes/support/command.ts'
const permissions = ['--allow-read', '--allow-env', '--node-modules-dir=manual', '--no-lock', '--quiet']

const runtimes: Record<string, (backend: string) => [program: string, args: string[]]> = {
  Node: () => [process.execPath, ['--import', 'tsx', command]],
  Deno: (backend) => [
    deno,
    ['run', ...permissions, ...(backend === 'native' ? ['--allow-ffi'] : []), command],
  ],
  Bun: () => [bun, ['run', command]],
}

for (const [name, how] of Object.entries(runtimes)) {
  for (const backend of ['native', 'wasm'] as const) {
    test(`${name}, ${backend}`, async () => {
      const [program, args] = how(backend)
      judge(JSON.parse(await run(program, [...args, JSON.stringify(await order(backend))])))
    })
  }
}

for (const backend of ['native', 'wasm'] as const) {
  test(`two worker threads of Node at once, ${backend}`, async () => {
    const workerData = await order(backend)
    for (const outcomes of await Promise.all([inThread(workerData), inThread(workerData)])) judge(outcomes)
  })
}

test('a thread that is terminated amid its work leaves the process alive', async () => {
  const worker = new Worker(new URL('./support/thread.ts', import.meta.url), {
    workerData: await order('native'),
  })
  await new Promise((online) => worker.once('online', online))
  await new Promise((later) => setTimeout(later, 300))
  await worker.terminate()
  judge(await inThread(await order('native')))
})

/** The main thread's loader does not reach into workers. */
function thread(workerData: unknown): Worker {
  const file = JSON.stringify(new URL('./support/thread.ts', import.meta.url).href)
  const script = `import('tsx/esm/api').then(({ tsImport }) => tsImport(${file}, ${file}))`
  return new Worker(script, { eval: true, workerData })
}

function inThread(workerData: unknown): Promise<Outcome[]> {
  return new Promise((done, fail) => {
    const worker = thread(workerData)
    worker.once('message', done)
    worker.once('error', fail)
  })
}

test.run()
