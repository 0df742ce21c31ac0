import type { Binding } from './binding.ts'
import type { LoadOptions } from './loadOptions.ts'
import { builtin } from './node.ts'
import { compiled, type WasmSource } from './wasmSource.ts'

/** What the module with threads is made of. */
export interface Threaded {
  readonly glue: ThreadedGlue
  readonly module: WasmSource
  /** The script that helpers run, given their module and memory. */
  readonly helper: URL | string
}

/** Gives all that where it is to be had, with another script if there is one; `relaxed` as in `LoadOptions`. */
export type ThreadedSource = (helper?: URL | string, relaxed?: boolean) => Promise<Threaded>

/** What wasm-bindgen makes of the module with threads. */
export interface ThreadedGlue extends Binding {
  default(input: { module_or_path: WebAssembly.Module }): Promise<{ memory: WebAssembly.Memory }>
  /** So many helpers are there from now on. */
  expectHelpers(count: number): void
}

/** A pass over a batch has hardly more parts. */
const mostThreads = 8

/**
 * The source to load if threads are to be tried: where they were asked for, or in a worker of a page that may share
 * memory. A module that was handed over has none.
 */
export function wantsThreads(
  { wasm, threads, relaxed }: Omit<LoadOptions, 'backend'>,
  own: ThreadedSource,
): ThreadedSource | undefined {
  if (wasm !== undefined || !(threads ?? inIsolatedWorker())) return undefined
  return () => own(typeof threads === 'boolean' ? undefined : threads, relaxed)
}

function inIsolatedWorker(): boolean {
  const { crossOriginIsolated, DedicatedWorkerGlobalScope } = globalThis as Record<string, unknown>
  return crossOriginIsolated === true && DedicatedWorkerGlobalScope !== undefined
}

/** An instance whose helpers are ready. Throws where they can't be had. */
export async function loadThreaded(source: ThreadedSource): Promise<Binding> {
  if ('document' in globalThis) throw new Error('a page’s own thread may not wait: load in a worker')
  const { glue, module: from, helper } = await source()
  const module = await compiled(from)
  const { memory } = await glue.default({ module_or_path: module })
  const count = Math.max(1, Math.min(cores(), mostThreads) - 1)
  const helpers = Array.from({ length: count }, () => startHelper(helper, { module, memory }))
  try {
    await Promise.all(helpers.map(({ ready }) => ready))
  } catch (error) {
    for (const { end } of helpers) end()
    throw error
  }
  glue.expectHelpers(count)
  return glue
}

function cores(): number {
  const { navigator } = globalThis as { navigator?: { hardwareConcurrency?: number } }
  return navigator?.hardwareConcurrency ?? builtin('node:os').availableParallelism()
}

interface Helper {
  /** Resolves when the helper is about to help, which it does for good. */
  readonly ready: Promise<void>
  end(): void
}

function startHelper(url: URL | string, message: unknown): Helper {
  const { process } = globalThis as { process?: { versions?: { node?: string } } }
  return process?.versions?.node ? nodeHelper(url, message) : webHelper(url, message)
}

function webHelper(url: URL | string, message: unknown): Helper {
  const worker = new Worker(url, { type: 'module', name: 'nhgd helper' })
  const ready = new Promise<void>((resolve, reject) => {
    worker.onmessage = ({ data }) => settle(data, resolve, reject)
    worker.onerror = ({ message }) => reject(new Error(message || notStarted))
    worker.postMessage(message)
  })
  return { ready, end: () => worker.terminate() }
}

const notStarted =
  'a worker does not start: allow blob: in worker-src, or pass the URL of nhgd/nhgd_helper.js as "threads"'

/** In Node, Deno and Bun. */
function nodeHelper(url: URL | string, message: unknown): Helper {
  const worker = new (builtin('node:worker_threads').Worker)(new URL(url))
  const ready = new Promise<void>((resolve, reject) => {
    worker.once('message', (said) => settle(said, resolve, reject))
    worker.once('error', reject)
    worker.postMessage(message)
  })
  // Once it helps, it keeps no process alive that has nothing else to do.
  return { ready: ready.then(() => worker.unref()), end: () => worker.terminate() }
}

function settle(said: unknown, resolve: () => void, reject: (reason: Error) => void): void {
  if (said === 'ready') resolve()
  else reject(new Error(String(said)))
}
