import { arrayType, isGone } from '../backend/arrays.ts'
import { gone } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'

/** `ERR_DATA` in the house's words: which argument, what was expected, what came. */
export function dataError(name: string, expected: string, got: string, options?: ErrorOptions): NhgdError {
  return new NhgdError('ERR_DATA', `"${name}" expected ${expected}, got ${got || 'nothing'}`, options)
}

/** The bytes of a file, or `ERR_DTYPE` for anything else. */
export function bytesOf(value: Uint8Array, name: string): Uint8Array {
  const type = arrayType(value)
  if (type === 'Uint8Array' && !isGone(value)) return value
  const got = type === 'Uint8Array' ? gone : (type ?? typeof value)
  throw new NhgdError('ERR_DTYPE', `"${name}" expected a Uint8Array, got ${got}`)
}

/** "a, b, c and 997 more": the first of `items` for a message, which stays short however many there are. */
export function listed(items: readonly unknown[], count = items.length, shown = 20): string {
  const first = items.slice(0, shown).map((item) => String(item).slice(0, 80))
  return first.join(', ') + (count > first.length ? ` and ${count - first.length} more` : '')
}
