import { number, numbers, size } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import type { ColumnLike } from '../backend/table.ts'
import { dataError, listed } from './error.ts'
import { optional, texts, valuesOf } from './given.ts'

/** Labels as class indices, and what the classes are called. */
export interface Labels {
  /** One class index per sample, 0 to `names.length - 1`. */
  readonly labels: Int32Array
  /** Sorted: numbers by value, text by its code points. */
  readonly names: readonly string[]
}

/**
 * Turns labels of any kind, in an array or a column of a table, into class indices. Text counts as numbers where all of it is written as numbers are, so
 * that "7" and "7.0" are one class; "007" is a text.
 *
 * @param names - the classes where they are already known, as for a second set of the same data.
 * @throws NhgdError `ERR_RANGE` for fractional numbers, `ERR_NOT_FINITE` for NaN and infinity, `ERR_SHAPE` for none,
 * `ERR_DATA` for one that is null or undefined, or isn't among `names`, `ERR_DTYPE` for one that is an object; with the
 * index of the sample.
 */
export function encodeLabels(
  given: ArrayLike<number | string | bigint | boolean> | ColumnLike,
  names?: readonly string[],
  name = 'labels',
): Labels {
  const values = valuesOf(name, given, 'a label')
  const known = optional(texts)('names', names) ?? classNames(values, name)
  const numeric = known.every(isNumber)
  const classes = new Map(known.map((text, index) => [nameOf(text, numeric), index]))
  const labels = Int32Array.from(values, (value, i) => {
    const index = classes.get(nameOf(value, numeric))
    if (index !== undefined) return index
    throw dataError(name, `one of ${listed(known)}`, `${value} at ${i}`)
  })
  return { labels, names: known }
}

/** Classes below `classes` of which there is no sample: the first `most` of them, all by default. */
export function absentClasses(
  labels: ArrayLike<number>,
  classes: number,
  most = Number.POSITIVE_INFINITY,
): number[] {
  size(0)('classes', classes)
  number(0, Number.POSITIVE_INFINITY)('most', most)
  const present = new Set(Array.from(numbers('labels', labels)))
  const absent: number[] = []
  for (let index = 0; index < classes && absent.length < most; index++) {
    if (!present.has(index)) absent.push(index)
  }
  return absent
}

function classNames(values: ArrayLike<number | string>, name: string): string[] {
  if (values.length === 0) throw new NhgdError('ERR_SHAPE', `"${name}" expected at least one label, got none`)
  const all = Array.from(values)
  if (!all.every(isNumber)) return [...new Set(all.map(String))].sort()
  const at = all.findIndex((value) => !Number.isInteger(Number(value)))
  if (at >= 0) {
    const code = Number.isFinite(Number(all[at])) ? 'ERR_RANGE' : 'ERR_NOT_FINITE'
    throw new NhgdError(code, `"${name}" expected whole numbers or text, got ${all[at]} at ${at}`)
  }
  return [...new Set(all.map(Number))].sort((a, b) => a - b).map(String)
}

function isNumber(value: number | string): boolean {
  return typeof value === 'number' || /^-?((0|[1-9]\d*)(\.\d*)?|inf(inity)?)$/i.test(value.trim())
}

/** `7`, `'7'` and `'7.0'` are one class. */
function nameOf(value: number | string, numeric: boolean): string {
  return numeric ? String(Number(value)) : String(value)
}
