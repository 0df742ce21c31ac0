import { checkOptions, is } from './check.ts'
import type { WasmSource } from './wasmSource.ts'

/** How a backend is loaded. */
export interface LoadOptions {
  /** Forces a backend: one that does not load is an error then. The environment variable NHGD_BACKEND does the same. */
  readonly backend?: 'native' | 'wasm' | 'auto'
  /** Where the WebAssembly module comes from, if not from its usual place. */
  readonly wasm?: WasmSource
  /**
   * Whether WebAssembly gets helpers: workers on its memory for passes over many samples and for the Fisher. Absent, in
   * dedicated workers of cross-origin isolated pages alone; the URL of the helpers' script (nhgd/nhgd_helper.js) where a
   * policy forbids workers made from code. Where they don't start, `info().skipped` says why. The bits stay the same.
   */
  readonly threads?: boolean | URL | string
  /**
   * Whether WebAssembly's relaxed SIMD is used, which is faster where the machine fuses products and sums. Absent, where
   * the engine takes it; `false` rounds every product, so that kernels give the same bits on every machine. Where the
   * module is not of the kind asked for, as one that was loaded before, `info().skipped` says so.
   */
  readonly relaxed?: boolean
}

const isThreads = (value: unknown) => ['boolean', 'string'].includes(typeof value) || value instanceof URL

/** Refuses unknown options of `loadBackend` and values that no option has. */
export function checkLoadOptions(options: LoadOptions): LoadOptions {
  const backends = ['native', 'wasm', 'auto']
  return checkOptions(options, {
    backend: is('native, wasm or auto', (value) => backends.includes(value as string), 'ERR_BACKEND'),
    wasm: (_, source) => source,
    threads: is('true, false or a URL', isThreads, 'ERR_BACKEND'),
    relaxed: is('true or false', (value) => typeof value === 'boolean', 'ERR_BACKEND'),
  })
}
