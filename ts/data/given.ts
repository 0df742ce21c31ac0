import { type Check, doubles, is, numbers, refuse, refuseAs } from '../backend/check.ts'
import { cellsOf, isColumn } from '../backend/table.ts'
import { dataError } from './error.ts'

export const text = is<string>('a string', (value) => typeof value === 'string')

export const texts = is<readonly string[]>(
  'an array of strings',
  (value) => Array.isArray(value) && value.every((entry) => typeof entry === 'string'),
)

/** A count of samples, whose numbers fit into 32 bits with a sign. */
export const samplesCheck = is<number>(
  'a whole number from 0 that is below 2³¹',
  (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31,
)

export const optional =
  <T>(check: Check<T>): Check<T | undefined> =>
  (name, value) =>
    value === undefined ? undefined : check(name, value)

/** Numbers in any array, none of which is NaN or infinite. */
export const finiteNumbers: Check<Float64Array> = (name, value) => {
  const given = doubles(name, numbers(name, value))
  const at = given.findIndex((entry) => !Number.isFinite(entry))
  return at < 0 ? given : refuseAs(name, 'finite numbers', `${given[at]} at index ${at}`, 'ERR_NOT_FINITE')
}

/** Anything with a length. */
export const list = is<ArrayLike<unknown>>('an array', (value) => {
  const { length } = (typeof value === 'object' && value ? value : {}) as { length?: unknown }
  return Number.isInteger(length) && (length as number) >= 0 && (length as number) < 2 ** 32
})

/**
 * Numbers and texts, one per sample, in an array or a column of a table; truth values and 64-bit integers become texts.
 *
 * @throws NhgdError `ERR_DATA` where one is null or undefined, `ERR_DTYPE` where one is something else.
 */
export function valuesOf(name: string, given: unknown, what: string): (number | string)[] {
  const { length } = list(name, given)
  const cell = isColumn(given) ? cellsOf(given) : (i: number) => (given as ArrayLike<unknown>)[i]
  return Array.from({ length }, (_, i) => {
    const value = cell(i)
    if (typeof value === 'number' || typeof value === 'string') return value
    if (typeof value === 'bigint' || typeof value === 'boolean') return String(value)
    if (value === null || value === undefined)
      throw dataError(name, `${what} for every sample`, `${value} at ${i}`)
    return refuse(`${name}[${i}]`, 'a number or a text', value, 'ERR_DTYPE')
  })
}
