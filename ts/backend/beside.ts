import { hasSimd } from './simd.ts'

/** The WebAssembly module in its place beside this package: one without SIMD where the engine has none. */
export function besidePackage(): URL {
  return hasSimd()
    ? new URL('../../build/wasm/nhgd_bg.wasm', import.meta.url)
    : new URL('../../build/wasm-scalar/nhgd_scalar.wasm', import.meta.url)
}
