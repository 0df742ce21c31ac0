/** Whether this engine takes WebAssembly's 128-bit vectors. */
export function hasSimd(): boolean {
  return WebAssembly.validate(vectors)
}

/** A module of one function of no arguments: i32.const 0, i8x16.splat, drop. */
const vectors = Uint8Array.from(
  '\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x09\x01\x07\0\x41\0\xfd\x0f\x1a\x0b',
  (byte) => byte.charCodeAt(0),
)
