// What bundlers take as `nhgd` and `nhgd/wasm` in a build for browsers: the module is code of the bundle, so that there is
// no file to serve beside it.
import type { Backend } from './backend/backend.ts'
import type { LoadOptions } from './backend/load.ts'
import { hasSimd } from './backend/simd.ts'
import type { Threaded } from './backend/threads.ts'
import type { WasmSource } from './backend/wasmSource.ts'
import { loadOnWeb } from './backend/web.ts'

export type { LoadOptions } from './backend/load.ts'
export type { WasmSource } from './backend/wasmSource.ts'
export * from './library.ts'

/** The WebAssembly backend (`ERR_BACKEND` where it does not load); `wasm` to stream the module from a URL instead. */
export function loadBackend(options: LoadOptions = {}): Promise<Backend> {
  return loadOnWeb(options, inlined, threaded)
}

async function inlined(): Promise<WasmSource> {
  const { module } = hasSimd()
    ? // biome-ignore lint/suspicious/noTsIgnore: scripts/build.mjs writes them
      // @ts-ignore
      await import('../build/inlined/nhgd.js')
    : // biome-ignore lint/suspicious/noTsIgnore: as above
      // @ts-ignore
      await import('../build/inlined/nhgd_scalar.js')
  return module()
}

async function threaded(helper?: URL | string): Promise<Threaded> {
  // biome-ignore lint/suspicious/noTsIgnore: as above
  // @ts-ignore
  const { threaded } = await import('../build/inlined/nhgd_threads.js')
  return threaded(helper)
}
