/**
 * The whole library on WebAssembly alone, for the same numbers wherever it runs.
 *
 * @module nhgd/wasm
 */
import type { Backend } from './backend/backend.ts'
import { besidePackage } from './backend/beside.ts'
import { loadWasm, type WasmSource } from './backend/wasm.ts'

export type { WasmSource } from './backend/wasm.ts'
export * from './library.ts'

/** The WebAssembly backend (`ERR_BACKEND` where it does not load); `wasm` where the module is not in its place. */
export function loadBackend({ wasm }: { readonly wasm?: WasmSource } = {}): Promise<Backend> {
  return loadWasm(() => wasm ?? besidePackage())
}
