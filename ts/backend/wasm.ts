import { type Backend, type BackendInfo, backendOf } from './backend.ts'
import type { Binding } from './binding.ts'
import { NhgdError } from './errors.ts'

/** Where the WebAssembly module comes from: its bytes, a compiled module, or a URL to fetch. */
export type WasmSource = BufferSource | WebAssembly.Module | URL | string

interface Glue extends Binding {
  initSync(input: { module: BufferSource | WebAssembly.Module }): unknown
}

let loaded: Glue | undefined

/** The WebAssembly module, from `source` or from its place beside this package (`ERR_BACKEND` where it does not load). */
export async function loadWasm(source?: WasmSource, skipped?: BackendInfo['skipped']): Promise<Backend> {
  if (!loaded) {
    try {
      const glue = (await import('../../build/wasm/nhgd.js' as string)) as Glue
      glue.initSync({ module: await compile(source) })
      loaded = glue
    } catch (error) {
      throw new NhgdError('ERR_BACKEND', `the wasm backend does not load: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
  return backendOf(loaded, 'wasm', skipped)
}

async function compile(source: WasmSource = new URL('../../build/wasm/nhgd_bg.wasm', import.meta.url)) {
  if (source instanceof WebAssembly.Module) return source
  if (typeof source !== 'string' && !(source instanceof URL)) return source
  const url = new URL(source, import.meta.url)
  if (url.protocol !== 'file:') return WebAssembly.compileStreaming(fetch(url))
  const { readFile } = await import('node:fs/promises')
  return readFile(url)
}
