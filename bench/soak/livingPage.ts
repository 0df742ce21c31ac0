// The same on a page, where the memory is that of WebAssembly: a page is not told how large its heap is.
import { loadBackend } from '../../ts/backend/load.ts'
import { liveOn } from './lives.ts'

const memories: WebAssembly.Memory[] = []
for (const name of ['instantiate', 'instantiateStreaming'] as const) {
  const original = WebAssembly[name] as (
    ...args: unknown[]
  ) => Promise<Partial<WebAssembly.WebAssemblyInstantiatedSource>>
  const watched = async (...args: unknown[]) => {
    const made = await original.apply(WebAssembly, args)
    const { exports } = made.instance ?? (made as unknown as WebAssembly.Instance)
    memories.push(exports.memory as WebAssembly.Memory)
    return made
  }
  Object.assign(WebAssembly, { [name]: watched })
}
const bytes = () => memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0)

async function living(seconds: number) {
  const backend = await loadBackend({ backend: 'wasm', threads: false })
  const start = performance.now()
  const lives = await liveOn(backend, () => (performance.now() - start) / 1000 / seconds, bytes)
  if (memories.length === 0) throw new Error('no memory of WebAssembly was seen')
  return lives
}
Object.assign(globalThis, { living })
