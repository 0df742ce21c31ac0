import type { Matrix } from 'nhgd/wasm'
import type { Checks } from './messages.ts'

/** What a run is given, wherever it came from. */
export interface Samples {
  readonly features: Matrix
  /** What the columns are called, where they have names. */
  readonly columns?: readonly string[]
  /** As given: some are wrong. */
  readonly labels: Int32Array
  /** What the classes are called. */
  readonly names: readonly string[]
  /** What came with the data. */
  readonly checks: Checks
  /** What to show of a row as a picture. */
  readonly pictures?: { readonly data: Uint8Array; readonly shape: readonly [height: number, width: number] }
  /** The true labels, where they are known. */
  readonly truth?: Int32Array
  readonly test?: { readonly features: Matrix; readonly labels: Int32Array }
}

/** A number that changes with any label or feature (FNV-1a), to know the data again. */
export function fingerprint({ features, labels, names }: Samples): string {
  let hash = 0x811c9dc5
  const add = (bytes: Uint8Array) => {
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  }
  add(new TextEncoder().encode(JSON.stringify(names)))
  for (const { buffer, byteOffset, byteLength } of [labels, features.data])
    add(new Uint8Array(buffer, byteOffset, byteLength))
  return `${features.rows}x${features.columns}-${(hash >>> 0).toString(16)}`
}
