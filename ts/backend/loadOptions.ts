import { checkOptions, is } from './check.ts'
import type { WasmSource } from './wasmSource.ts'

/** How a backend is loaded. */
export interface LoadOptions {
  /** The one backend to load, which is an error where it does not. The environment variable NHGD_BACKEND does the same. */
  readonly backend?: 'native' | 'wasm' | 'auto'
  /** Where the WebAssembly module comes from; its usual place where absent. */
  readonly wasm?: WasmSource
  /**
   * The threads that passes over many samples use at most, the caller's among them; by default as many as there are cores
   * that the process may use, by its affinity and its control group. With 1, a Fisher works in line. The bits stay the
   * same.
   *
   * In WebAssembly `true`, or more than 1, asks for helpers, which are workers on its memory for these passes and for the
   * Fisher. Where the option is absent, only dedicated workers of cross-origin isolated pages get them. Pass the URL of the
   * helpers' script (nhgd/nhgd_helper.js) where a policy forbids workers made from code. Where the helpers do not start,
   * `info().skipped` says why.
   */
  readonly threads?: number | boolean | URL | string
  /**
   * Whether WebAssembly uses relaxed SIMD, which is faster where the machine fuses products and sums. Where it is
   * absent, the engine decides. `false` rounds every product, so that kernels give the same bits on every machine. Where
   * a module of the other kind was loaded before, `info().skipped` says so.
   */
  readonly relaxed?: boolean
}

const isThreads = (value: unknown) =>
  ['boolean', 'string'].includes(typeof value) ||
  value instanceof URL ||
  (Number.isSafeInteger(value) && (value as number) >= 1)

/** The number of threads that an option asks for, if it is one. */
export const threadsOf = (threads: LoadOptions['threads']) =>
  typeof threads === 'number' ? threads : undefined

/** Refuses unknown options of `loadBackend` and values that no option has. */
export function checkLoadOptions(options: LoadOptions): LoadOptions {
  const backends = ['native', 'wasm', 'auto']
  return checkOptions(options, {
    backend: is('native, wasm or auto', (value) => backends.includes(value as string), 'ERR_BACKEND'),
    wasm: (_, source) => source,
    threads: is('a number of threads, true, false or a URL', isThreads, 'ERR_BACKEND'),
    relaxed: is('true or false', (value) => typeof value === 'boolean', 'ERR_BACKEND'),
  })
}
