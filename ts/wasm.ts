/**
 * The whole library on WebAssembly alone; with `relaxed: false` its kernels give the same bits wherever they run.
 *
 * @module nhgd/wasm
 */
import type { Backend } from './backend/backend.ts'
import { besidePackage, threadedBesidePackage } from './backend/beside.ts'
import type { LoadOptions } from './backend/loadOptions.ts'
import { loadWasm } from './backend/wasm.ts'

export type { LoadOptions } from './backend/loadOptions.ts'
export type { WasmSource } from './backend/wasmSource.ts'
export * from './library.ts'

/** The WebAssembly backend (`ERR_BACKEND` where it does not load); `wasm` where the module is not in its place. */
export function loadBackend(options: Omit<LoadOptions, 'backend'> = {}): Promise<Backend> {
  return loadWasm(options, besidePackage, threadedBesidePackage)
}
