import { NhgdError } from '../backend/errors.ts'

/** `ERR_DATA` in the house's words: which argument, what was expected, what came. */
export function dataError(name: string, expected: string, got: string, options?: ErrorOptions): NhgdError {
  return new NhgdError('ERR_DATA', `"${name}" expected ${expected}, got ${got}`, options)
}
