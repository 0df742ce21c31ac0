// Runs the conformance checks on a page, or in a dedicated worker whose only order comes as a message.
import { loadBackend } from '../../../ts/index.ts'
import type { WasmSource } from '../../../ts/wasm.ts'
import { conform, type Order, type Outcome } from './conformance.ts'

/** The three forms in which a module can be handed over. */
const sources: Record<string, (url: string) => Promise<WasmSource>> = {
  url: async (url) => url,
  bytes: async (url) => (await fetch(url)).arrayBuffer(),
  module: (url) => WebAssembly.compileStreaming(fetch(url)),
}

export interface PageOrder extends Order {
  readonly source: 'url' | 'bytes' | 'module'
  readonly isolated: boolean
}

async function outcomes(order: PageOrder): Promise<Outcome[]> {
  if (crossOriginIsolated !== order.isolated) throw new Error(`crossOriginIsolated is ${crossOriginIsolated}`)
  const wasm = await sources[order.source](new URL('/nhgd_bg.wasm', location.href).href)
  return conform(await loadBackend({ backend: 'wasm', wasm }), order)
}

if (typeof document === 'undefined') {
  addEventListener('message', ({ data }) => outcomes(data).then(postMessage))
} else {
  const inWorker = (order: PageOrder) =>
    new Promise((done, fail) => {
      const worker = new Worker('/main.js', { type: 'module' })
      worker.onmessage = ({ data }) => done(data)
      worker.onerror = fail
      worker.postMessage(order)
    })
  Object.assign(globalThis, { nhgdPage: outcomes, nhgdWorker: inWorker })
}
