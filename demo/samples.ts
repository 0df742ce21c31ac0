import type { Matrix } from 'nhgd/wasm'

/** What a run is given, wherever it came from. */
export interface Samples {
  readonly features: Matrix
  /** As given: some are wrong. */
  readonly labels: Int32Array
  /** What the classes are called. */
  readonly names: readonly string[]
  /** Rows whose labels are right. */
  readonly trusted: Uint32Array
  /** What to show of a row as a picture, before any scaling. */
  readonly pictures?: { readonly data: Uint8Array; readonly shape: readonly [height: number, width: number] }
  /** The true labels, where they are known. */
  readonly truth?: Int32Array
  readonly test?: { readonly features: Matrix; readonly labels: Int32Array }
}

/** The features at the scale that the methods' step sizes are meant for: rows of root mean square norm 10. */
export function usualScale(features: Matrix): Matrix {
  let square = 0
  for (const x of features.data) square += x * x
  return square > 0 ? { ...features, scale: 10 / Math.sqrt(square / features.rows) } : features
}
