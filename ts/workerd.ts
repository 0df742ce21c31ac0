// What `nhgd` and `nhgd/wasm` are in workerd (Cloudflare Workers), which compiles modules when it bundles and never when
// it runs: importing the file gives the WebAssembly.Module.

// biome-ignore lint/suspicious/noTsIgnore: whether it is there depends on the build
// @ts-ignore
import module from '../build/wasm/nhgd_bg.wasm'
import type { Backend } from './backend/backend.ts'
import type { LoadOptions } from './backend/loadOptions.ts'
import { loadOnWeb } from './backend/web.ts'

export type { LoadOptions } from './backend/loadOptions.ts'
export type { WasmSource } from './backend/wasmSource.ts'
export * from './library.ts'

/** The WebAssembly backend (`ERR_BACKEND` where it does not load), on the module that was bundled unless `wasm` is one. */
export function loadBackend(options: LoadOptions = {}): Promise<Backend> {
  return loadOnWeb(options, () => module)
}
