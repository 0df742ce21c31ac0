import { simd } from './simd.ts'
import type { Threaded } from './threads.ts'

/** The WebAssembly module for this engine, in its place beside this package. */
export function besidePackage(relaxed?: boolean): URL {
  const modules = {
    relaxed: new URL('../../build/wasm-relaxed/nhgd_relaxed.wasm', import.meta.url),
    simd128: new URL('../../build/wasm/nhgd_bg.wasm', import.meta.url),
    scalar: new URL('../../build/wasm-scalar/nhgd_scalar.wasm', import.meta.url),
  }
  return modules[simd(relaxed)]
}

/** A file of the package that bundlers leave where it is: it is of use to few, and large. */
const file = (path: string) => new URL(path, import.meta.url)

/** The module with threads, in its place where it was built. */
export async function threadedBesidePackage(helper?: URL | string, relaxed?: boolean): Promise<Threaded> {
  const name = simd(relaxed) === 'relaxed' ? 'nhgd_threads_relaxed' : 'nhgd_threads'
  return {
    glue: await import(file('../../build/wasm-threads/nhgd.js').href),
    module: file(`../../build/wasm-threads/${name}.wasm`),
    helper: helper ?? file('../../build/wasm-threads/nhgd_helper.js'),
  }
}
