// What bundlers take as `nhgd` and `nhgd/wasm` in a build for browsers: the module is code of the bundle, so that there is
// no file to serve beside it.

// biome-ignore lint/suspicious/noTsIgnore: scripts/build.mjs writes it
// @ts-ignore
import { modules, threads } from '../build/inlined/index.js'
import type { Backend } from './backend/backend.ts'
import type { LoadOptions } from './backend/loadOptions.ts'
import { simd } from './backend/simd.ts'
import type { Threaded } from './backend/threads.ts'
import type { WasmSource } from './backend/wasmSource.ts'
import { loadOnWeb } from './backend/web.ts'

export type { LoadOptions } from './backend/loadOptions.ts'
export type { WasmSource } from './backend/wasmSource.ts'
export * from './library.ts'

/** The WebAssembly backend (`ERR_BACKEND` where it does not load); `wasm` to stream the module from a URL instead. */
export function loadBackend(options: LoadOptions = {}): Promise<Backend> {
  return loadOnWeb(options, inlined, threaded)
}

async function inlined(relaxed?: boolean): Promise<WasmSource> {
  const { module } = await modules[simd(relaxed)]()
  return module()
}

async function threaded(helper?: URL | string, relaxed?: boolean): Promise<Threaded> {
  const { instance, url } = await threads.helper()
  const { module } = await (simd(relaxed) === 'relaxed' ? threads.relaxed() : threads.simd128())
  return { instance, helper: helper ?? url(), module: module() }
}
