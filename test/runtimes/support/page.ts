// Runs the conformance checks on a page, or in a dedicated worker whose only order comes as a message.
import { loadBackend } from '../../../ts/index.ts'
import type { WasmSource } from '../../../ts/wasm.ts'
import { type Answer, conform, type Order } from './conformance.ts'

/** The three forms in which a module can be handed over. */
const sources: Record<string, (url: string) => Promise<WasmSource>> = {
  url: async (url) => url,
  bytes: async (url) => (await fetch(url)).arrayBuffer(),
  module: (url) => WebAssembly.compileStreaming(fetch(url)),
}

export interface PageOrder extends Order {
  /** What the module is handed over as; absent, it is in its place beside the library. */
  readonly source?: 'url' | 'bytes' | 'module'
  readonly isolated: boolean
  readonly helper?: string | false
}

async function answer({ source, helper: threads, ...order }: PageOrder): Promise<Answer> {
  if (crossOriginIsolated !== order.isolated) throw new Error(`crossOriginIsolated is ${crossOriginIsolated}`)
  const wasm = source && (await sources[source](new URL('/build/wasm/nhgd_bg.wasm', location.href).href))
  return conform(await loadBackend({ backend: 'wasm', wasm, threads, relaxed: order.relaxed }), order)
}

if (typeof document === 'undefined') {
  addEventListener('message', ({ data }) => answer(data).then(postMessage))
} else {
  const inWorker = (order: PageOrder) =>
    new Promise((done, fail) => {
      const worker = new Worker('/main.js', { type: 'module' })
      worker.onmessage = ({ data }) => done(data)
      worker.onerror = fail
      worker.postMessage(order)
    })
  Object.assign(globalThis, { nhgdPage: answer, nhgdWorker: inWorker })
}
