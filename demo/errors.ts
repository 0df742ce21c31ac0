import { type ErrorCode, NhgdError } from 'nhgd/wasm'

const openings: Partial<Record<ErrorCode, string>> = {
  ERR_DATA: 'A file could not be read as it is.',
  ERR_DTYPE: 'The data are of a kind that can’t be used here.',
  ERR_NOT_FINITE: 'The data hold something that is not a finite number.',
  ERR_SHAPE: 'The sizes do not fit together.',
  ERR_RANGE: 'Something is out of its range.',
  ERR_MEMORY: 'This is too large for the browser’s memory.',
  ERR_BACKEND: 'WebAssembly did not start.',
}

/** An error for people: what kind of thing went wrong, then the library's own words. */
export function inWords(error: unknown): string {
  if (error instanceof NhgdError) return [openings[error.code] ?? '', error.message].join(' ').trim()
  return `Something went wrong: ${error instanceof Error ? error.message : String(error)}`
}
