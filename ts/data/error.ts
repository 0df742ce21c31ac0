import { NhgdError } from '../backend/errors.ts'

/** `ERR_DATA` in the house's words: which argument, what was expected, what came. */
export function dataError(name: string, expected: string, got: string, options?: ErrorOptions): NhgdError {
  return new NhgdError('ERR_DATA', `"${name}" expected ${expected}, got ${got}`, options)
}

/** "a, b, c and 997 more": the first of `items` for a message, which stays short however many there are. */
export function listed(items: readonly unknown[], count = items.length, shown = 20): string {
  const first = items.slice(0, shown).map((item) => String(item).slice(0, 80))
  return first.join(', ') + (count > first.length ? ` and ${count - first.length} more` : '')
}
