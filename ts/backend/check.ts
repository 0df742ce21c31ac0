import { NhgdError } from './errors.ts'

/** Throws `ERR_RANGE` unless `value` is a whole number from `low`. */
export function checkWhole(name: string, value: number, low: number): void {
  if (Number.isInteger(value) && value >= low) return
  throw new NhgdError('ERR_RANGE', `"${name}" expected a whole number from ${low}, got ${value}`)
}

/** Throws `ERR_RANGE` unless `value` is a number from `low` to `high`. */
export function checkWithin(name: string, value: number, low: number, high: number): void {
  if (value >= low && value <= high) return
  throw new NhgdError('ERR_RANGE', `"${name}" expected a number from ${low} to ${high}, got ${value}`)
}

/** Settings as the engine reads them. In JSON, NaN and infinities would count as absent: they are `ERR_NOT_FINITE`. */
export function settingsJson(settings: object): string {
  let list = ''
  return JSON.stringify(settings, function (this: unknown, key: string, value: unknown) {
    if (Array.isArray(value)) list = key
    if (typeof value !== 'number' || Number.isFinite(value)) return value
    const got = Array.isArray(this) ? `${value} at index ${key}` : value
    const name = Array.isArray(this) ? list : key
    throw new NhgdError('ERR_NOT_FINITE', `"${name}" expected finite numbers, got ${got}`)
  })
}
