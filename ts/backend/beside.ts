import { simd } from './simd.ts'
import type { Threaded } from './threads.ts'

/** Where the WebAssembly module for this engine lies in this package. */
export function besidePackage(relaxed?: boolean): URL {
  const modules = {
    relaxed: new URL('../../build/wasm-relaxed/nhgd_relaxed.wasm', import.meta.url),
    simd128: new URL('../../build/wasm/nhgd_bg.wasm', import.meta.url),
    scalar: new URL('../../build/wasm-scalar/nhgd_scalar.wasm', import.meta.url),
  }
  return modules[simd(relaxed)]
}

/** A file of the package that bundlers leave where it is, since it is large and few need it. */
const file = (path: string) => new URL(path, import.meta.url)

/** The module with threads, where the build has put it. */
export async function threadedBesidePackage(helper?: URL | string, relaxed?: boolean): Promise<Threaded> {
  const name = simd(relaxed) === 'relaxed' ? 'nhgd_threads_relaxed' : 'nhgd_threads'
  return {
    ...(await import(file('../../build/wasm-threads/nhgd.js').href)),
    module: file(`../../build/wasm-threads/${name}.wasm`),
    helper: helper ?? file('../../build/wasm-threads/nhgd_helper.js'),
  }
}
