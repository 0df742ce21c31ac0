import { arrayType, isGone } from './arrays.ts'
import { type ErrorCode, NhgdError } from './errors.ts'
import { widened } from './numbers.ts'
import { cellsOf, isColumn } from './table.ts'

/** Returns a value as it is to be used, or throws `"name" expected X, got Y`. */
export type Check<T = unknown> = (name: string, value: unknown) => T

/** Throws `"name" expected X, got Y`. */
export function refuse(name: string, expected: string, got: unknown, code: ErrorCode = 'ERR_RANGE'): never {
  return refuseAs(name, expected, shown(got), code)
}

/** The same where words say what came. */
export function refuseAs(name: string, expected: string, got: string, code: ErrorCode = 'ERR_RANGE'): never {
  throw new NhgdError(code, `"${name}" expected ${expected}, got ${got}`)
}

/** Throws `ERR_DISPOSED` about `name`. */
export function refuseDisposed(name: string, expected: string): never {
  return refuseAs(name, `${expected} that was not disposed of`, 'one that was', 'ERR_DISPOSED')
}

/** A value as errors show it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  return Array.isArray(value) ? 'an array' : (value.constructor?.name ?? 'an object')
}

/** Accepts the values that `test` accepts. */
export const is =
  <T>(expected: string, test: (value: unknown) => boolean, code?: ErrorCode): Check<T> =>
  (name, value) =>
    test(value) ? (value as T) : refuse(name, expected, value, code)

const isNumber = (value: unknown): value is number => typeof value === 'number'

const upTo = (high: number, unbounded: number) => (high < unbounded ? ` to ${high}` : '')

/** A whole number from `low` to `high`, at most 2⁵³ − 1; −0 becomes 0. */
export function whole(low: number, high = Number.MAX_SAFE_INTEGER): Check<number> {
  const expected = `a whole number from ${low}${upTo(high, Number.MAX_SAFE_INTEGER)}`
  const check = is<number>(
    expected,
    (value) => isNumber(value) && Number.isInteger(value) && value >= low && value <= high,
  )
  return (name, value) => check(name, value) + 0
}

/** A size or a count that crosses to the engine, which holds whole numbers below 2³². */
export const size = (low: number): Check<number> => whole(low, 2 ** 32 - 1)

/** A number from `low` to `high`, finite unless a bound is infinite. */
export function number(low = -Number.MAX_VALUE, high = Number.MAX_VALUE): Check<number> {
  const least = Number.isFinite(low) ? `a number from ${low}` : 'a number'
  const expected = low === -Number.MAX_VALUE ? 'a finite number' : least + upTo(high, Number.MAX_VALUE)
  return is(expected, (value) => isNumber(value) && value >= low && value <= high)
}

/** A finite number above 0 that is at most `high`. */
export const positive = (high = Number.MAX_VALUE): Check<number> =>
  is(
    high < Number.MAX_VALUE ? `a number above 0 and at most ${high}` : 'a number above 0',
    (value) => isNumber(value) && value > 0 && value <= high,
  )

/** A number from 0 that is below 1. */
export const fraction: Check<number> = is(
  'a number from 0 that is below 1',
  (value) => isNumber(value) && value >= 0 && value < 1,
)

/** One of the given strings. */
export const oneOf = <T extends string>(...known: readonly T[]): Check<T> =>
  is(`one of ${known.map((name) => JSON.stringify(name)).join(', ')}`, (value) => known.includes(value as T))

export const flag: Check<boolean> = is('true or false', (value) => typeof value === 'boolean')

export const callback: Check = is('a function', (value) => typeof value === 'function')

/** An object of the library or of the platform, whose own methods check what they are given. */
export const something: Check = is('an object', (value) => typeof value === 'object' && value !== null)

/** An object with these methods. */
export const having = (expected: string, ...methods: readonly string[]): Check =>
  is(expected, (value) =>
    methods.every((name) => typeof (value as Record<string, unknown> | null)?.[name] === 'function'),
  )

export const backendCheck = having('a loaded backend', 'info')
export const modelCheck = is(
  'a model such as softmaxRegression({ classes: 2 })',
  (value) => typeof (value as { kind?: unknown } | null)?.kind === 'string',
) as Check
export const signalCheck: Check = having('an AbortSignal', 'throwIfAborted')

/** The numbers of an array as doubles; refuses an entry that is no number, which JavaScript would turn into one. */
export function doubles(name: string, values: ArrayLike<number>): Float64Array {
  if (values instanceof Float64Array) return values
  const at = Array.prototype.findIndex.call(values, (value) => typeof value !== 'number')
  if (at < 0) return Float64Array.from(values)
  throw new NhgdError('ERR_RANGE', `"${name}" expected numbers, got ${shown(values[at])} at index ${at}`)
}

const list = is<ArrayLike<number>>(
  'an array of numbers',
  (value) => typeof value === 'object' && typeof (value as ArrayLike<number> | null)?.length === 'number',
)

/** What errors call a typed array without memory. */
export const gone = 'one whose buffer is detached or has shrunk'

/**
 * Numbers in an array, a typed array, a column of a table or a tensor of one dimension; whoever reads them checks those
 * of an array.
 */
export const numbers: Check<ArrayLike<number>> = (name, value) => {
  if (isColumn(value)) {
    const at = cellsOf(value)
    return widened(
      name,
      Array.from({ length: value.length }, (_, row) => at(row)),
    )
  }
  const { data, dims, shape = dims } = (value ?? {}) as { data?: unknown; dims?: unknown; shape?: unknown }
  const given = Array.isArray(shape) && shape.length === 1 && arrayType(data) ? data : value
  if (arrayType(given) && isGone(given as Uint8Array)) refuseAs(name, 'an array of numbers', gone)
  return arrayType(given)?.startsWith('Big') ? widened(name, given) : list(name, given)
}

export const dtypeCheck = is<'f32' | 'f64'>(
  '"f32" or "f64"',
  (value) => value === 'f32' || value === 'f64',
  'ERR_DTYPE',
)

/** Whatever decides random draws. */
export const seedCheck = whole(0)

/** A value, or a function from the number of a step to one; what the function returns is checked as well. */
export const perStep =
  <T>(check: Check<T>): Check<T | ((step: number) => T)> =>
  (name, value) =>
    typeof value === 'function' ? (step) => check(name, value(step)) : check(name, value)

/** A plain object without what is undefined in it; `null` in it is refused, since JSON would make it absent. */
export const present: Check<Record<string, unknown>> = (name, value) => defined(name, value, (key) => key)

function defined(name: string, value: unknown, nameOf: (key: string) => string): Record<string, unknown> {
  const given = Object.entries(something(name, value) as object).filter(([, entry]) => entry !== undefined)
  for (const [key, entry] of given) if (entry === null) refuse(nameOf(key), 'a value or undefined', entry)
  return Object.fromEntries(given)
}

/**
 * An object that has no other names than `checks`; what is undefined in it counts as absent, and `required` lists the
 * names that may not be absent. The messages name an entry of `prefix` as `prefix.entry`.
 */
export function shape<T extends object>(
  checks: { readonly [K in keyof Required<T>]: Check },
  required: readonly (keyof T & string)[] = [],
  prefix = true,
): Check<T> {
  return (name, value) => {
    const known = checks as Readonly<Record<string, Check>>
    const nameOf = (key: string) => (prefix ? `${name}.${key}` : key)
    const given = defined(name, value, nameOf)
    for (const key of required) given[key] ??= undefined
    for (const key of Object.keys(given)) {
      if (!Object.hasOwn(known, key)) refuse(name, `one of ${Object.keys(known).join(', ')}`, key)
      given[key] = known[key](nameOf(key), given[key])
    }
    return given as T
  }
}

/** Checks the options of a call: like {@link shape}, but the messages name an entry by itself. */
export function checkOptions<T extends object>(
  options: T,
  checks: { readonly [K in keyof Required<T>]: Check },
  required: readonly (keyof T & string)[] = [],
): T {
  return shape<T>(checks, required, false)('options', options)
}

/** Settings as the engine reads them. In JSON, NaN and infinities would count as absent: they are `ERR_NOT_FINITE`. */
export function settingsJson(settings: object): string {
  let list = ''
  return JSON.stringify(settings, function (this: unknown, key: string, value: unknown) {
    if (Array.isArray(value)) list = key
    if (value === null) refuse(key, 'a value or undefined', value)
    if (typeof value !== 'number' || Number.isFinite(value)) return value
    const got = Array.isArray(this) ? `${value} at index ${key}` : value
    const name = Array.isArray(this) ? list : key
    throw new NhgdError('ERR_NOT_FINITE', `"${name}" expected finite numbers, got ${got}`)
  })
}
