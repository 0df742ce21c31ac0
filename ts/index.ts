/**
 * Hypergradients from JavaScript: natural hypergradient descent and its kin, on native or WebAssembly kernels.
 *
 * @module nhgd
 */
export { type LoadOptions, loadBackend } from './backend/load.ts'
export type { WasmSource } from './backend/wasmSource.ts'
export * from './library.ts'
