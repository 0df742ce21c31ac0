import type { LoadOptions } from './loadOptions.ts'
import { builtin } from './node.ts'
import { compiled, type Glue, type WasmSource } from './wasmSource.ts'

/** The parts of the module with threads. */
export interface Threaded {
  readonly instance: () => ThreadedGlue
  readonly module: WasmSource
  /** The script that helpers run, given their module and memory. */
  readonly helper: URL | string
}

/** Gives the parts of the module with threads; `helper` replaces the script, `relaxed` is as in `LoadOptions`. */
export type ThreadedSource = (helper?: URL | string, relaxed?: boolean) => Promise<Threaded>

/** The glue that wasm-bindgen makes for the module with threads. */
export interface ThreadedGlue extends Glue {
  /** Tells the module how many helpers there are from now on. */
  expectHelpers(count: number): void
}

/** A pass over a batch has hardly more parts than this. */
const mostThreads = 8

/**
 * The source to load from where threads are to be tried: they were asked for, or this is a worker of a page that may
 * share memory. A module that the caller hands over has no threads.
 */
export function wantsThreads(
  { wasm, threads, relaxed }: Omit<LoadOptions, 'backend'>,
  own: ThreadedSource,
): ThreadedSource | undefined {
  if (wasm !== undefined || threads === 1 || !(threads ?? inIsolatedWorker())) return undefined
  return () => own(typeof threads === 'string' || threads instanceof URL ? threads : undefined, relaxed)
}

function inIsolatedWorker(): boolean {
  const { crossOriginIsolated, DedicatedWorkerGlobalScope } = globalThis as Record<string, unknown>
  return crossOriginIsolated === true && DedicatedWorkerGlobalScope !== undefined
}

/** An instance for `most` threads whose helpers are ready, and how it ends. Throws where they do not start. */
export async function loadThreaded(
  source: ThreadedSource,
  most = cores(),
): Promise<{ binding: ThreadedGlue; memory: WebAssembly.Memory; end(): void }> {
  if ('document' in globalThis) throw new Error('a page’s own thread may not wait: load in a worker')
  const { instance, module: from, helper } = await source()
  const glue = instance()
  const module = await compiled(from)
  const { memory } = await glue.default({ module_or_path: module })
  const count = Math.max(1, Math.min(most, mostThreads) - 1)
  const helpers = Array.from({ length: count }, () => startHelper(helper, { module, memory }))
  const end = () => {
    for (const { end } of helpers) end()
    glue.end()
  }
  try {
    await Promise.all(helpers.map(({ ready }) => ready))
  } catch (error) {
    end()
    throw error
  }
  glue.expectHelpers(count)
  return { binding: glue, memory, end }
}

function cores(): number {
  const { navigator } = globalThis as { navigator?: { hardwareConcurrency?: number } }
  return navigator?.hardwareConcurrency ?? builtin('node:os').availableParallelism()
}

interface Helper {
  /** Resolves when the helper is about to help; from then on it never returns. */
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
  // A helper keeps no process alive that has nothing else to do.
  return { ready: ready.then(() => worker.unref()), end: () => worker.terminate() }
}

function settle(said: unknown, resolve: () => void, reject: (reason: Error) => void): void {
  if (said === 'ready') resolve()
  else reject(new Error(String(said)))
}
