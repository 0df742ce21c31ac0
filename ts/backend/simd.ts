/** What a WebAssembly module is compiled for. Relaxed SIMD fuses a product and a sum where the machine does. */
export type Simd = 'relaxed' | 'simd128' | 'scalar'

/** The most that this engine takes, relaxed SIMD only where `relaxed` allows it. */
export function simd(relaxed = true): Simd {
  if (relaxed && takes(...vector, ...vector, ...vector, ...fusedProduct, drop)) return 'relaxed'
  return takes(...vector, drop) ? 'simd128' : 'scalar'
}

/** i32.const 0, i8x16.splat */
const vector = [0x41, 0, 0xfd, 0x0f]
/** f32x4.relaxed_madd */
const fusedProduct = [0xfd, 0x85, 0x02]
const drop = 0x1a

/** Whether this engine takes a module of one function, of no arguments and with these instructions. */
function takes(...code: number[]): boolean {
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  const types = [1, 4, 1, 0x60, 0, 0]
  const functions = [3, 2, 1, 0]
  const bodies = [0x0a, code.length + 4, 1, code.length + 2, 0, ...code, 0x0b]
  return WebAssembly.validate(Uint8Array.of(...header, ...types, ...functions, ...bodies))
}
