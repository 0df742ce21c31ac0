/**
 * The name of a typed array's class, or undefined for anything else. Arrays of another realm (Jest, `node:vm`, frames)
 * have classes of their own by the same names, which `instanceof` does not know.
 */
export function arrayType(value: unknown): string | undefined {
  return ArrayBuffer.isView(value) ? (value as Uint8Array)[Symbol.toStringTag] : undefined
}

/** Whether the memory of a typed array is gone: its buffer was handed over, or has shrunk. */
export function isGone(array: Uint8Array): boolean {
  if (array.length > 0) return false
  try {
    Uint8Array.prototype.values.call(array)
    return false
  } catch {
    return true
  }
}
