import type { Backend, BackendInfo } from './backend.ts'
import { besidePackage, threadedBesidePackage } from './beside.ts'
import { NhgdError } from './errors.ts'
import { checkLoadOptions, loadWasm } from './wasm.ts'
import type { WasmSource } from './wasmSource.ts'

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

/**
 * The native backend if it loads, else WebAssembly; `info()` says which, and why the other was passed over.
 *
 * @throws NhgdError `ERR_BACKEND` where none, or not the forced one, loads.
 */
export async function loadBackend(options: LoadOptions = {}): Promise<Backend> {
  const wanted = checkLoadOptions(options).backend ?? environment('NHGD_BACKEND') ?? 'auto'
  const onWasm = (skipped?: BackendInfo['skipped']) =>
    loadWasm(options, besidePackage, threadedBesidePackage, skipped)
  if (wanted === 'wasm') return onWasm()
  if (wanted === 'native') return native()
  if (wanted !== 'auto') {
    throw new NhgdError('ERR_BACKEND', `"backend" expected native, wasm or auto, got ${wanted}`)
  }
  try {
    return await native()
  } catch (error) {
    const reason = (error as Error).message
    return onWasm([{ backend: 'native', reason }])
  }
}

async function native(): Promise<Backend> {
  const { process } = globalThis as { process?: { versions?: { node?: string } } }
  if (!process?.versions?.node)
    throw new NhgdError('ERR_BACKEND', 'Node-API addons load in Node, Deno and Bun only')
  return (await import('./native.ts')).loadNative()
}

function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  return process?.env?.[name] || undefined
}
