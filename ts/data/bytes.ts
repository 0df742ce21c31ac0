/** Bytes in memory, or in a file that is read where somebody asks for a part of it. */
export interface Bytes {
  readonly length: number
  subarray(from: number, to: number): Uint8Array
}

/** Which rows are wanted of so many: those from `from` up to, not including, `to`. */
export type RowsOf = (count: number) => { readonly from: number; readonly to: number }
