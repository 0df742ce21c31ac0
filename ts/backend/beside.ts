import { hasSimd } from './simd.ts'
import type { Threaded } from './threads.ts'

/** The WebAssembly module in its place beside this package: one without SIMD where the engine has none. */
export function besidePackage(): URL {
  return hasSimd()
    ? new URL('../../build/wasm/nhgd_bg.wasm', import.meta.url)
    : new URL('../../build/wasm-scalar/nhgd_scalar.wasm', import.meta.url)
}

/** A file of the package that bundlers leave where it is: it is of use to few, and large. */
const file = (path: string) => new URL(path, import.meta.url)

/** The module with threads, in its place where it was built. */
export async function threadedBesidePackage(helper?: URL | string): Promise<Threaded> {
  return {
    glue: await import(file('../../build/wasm-threads/nhgd.js').href),
    module: file('../../build/wasm-threads/nhgd_threads.wasm'),
    helper: helper ?? file('../../build/wasm-threads/nhgd_helper.js'),
  }
}
