import * as assert from 'uvu/assert'
import { NhgdError } from '../../ts/backend/errors.ts'

/** Stands for an error of the caller’s own. */
export const own = new Error('of the caller’s')
const fail = () => {
  throw own
}
export const throwing = new Proxy(
  {},
  { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail },
)
/** Getters that throw, of names that options have. */
export const getters = Object.defineProperties(
  {},
  Object.fromEntries(
    ['backend', 'features', 'data', 'length', 'method', 'inner', 'classes', 'n', 'settings'].map((name) => [
      name,
      { get: fail, enumerable: true },
    ]),
  ),
)

/** What no function has a use for, by names. */
export const junk: Readonly<Record<string, unknown>> = {
  undefined,
  null: null,
  zero: 0,
  nan: Number.NaN,
  text: 'x',
  symbol: Symbol('s'),
  bigint: 1n,
  list: [],
  nulls: [null],
  object: {},
  function: () => undefined,
  throwing,
  getters,
}

/**
 * Calls functions with every one and every two of `values`, and with each after each list of `before`: what is thrown has
 * to be a typed error that names the argument, or the caller's own.
 *
 * @param named - of functions whose argument at some place is what errors call another: that place, which stays empty.
 * @returns how many calls there were.
 */
export async function refusesJunk(
  functions: Readonly<Record<string, unknown>>,
  values: Readonly<Record<string, unknown>>,
  named: Readonly<Record<string, number>>,
  before: readonly (readonly string[])[],
): Promise<number> {
  const names = Object.keys(values)
  const calls = [
    [],
    ...names.map((a) => [a]),
    ...names.flatMap((a) => names.map((b) => [a, b])),
    ...before.flatMap((first) => names.map((last) => [...first, last])),
  ]
  let count = 0
  for (const [name, value] of Object.entries(functions)) {
    if (typeof value !== 'function' || name === 'NhgdError') continue
    const isClass = /^class /.test(Function.prototype.toString.call(value))
    const call = value as unknown as new (...args: unknown[]) => unknown
    for (const args of calls) {
      if (args.length > (named[name] ?? Number.POSITIVE_INFINITY)) continue
      count++
      try {
        const given = args.map((arg) => values[arg])
        const made = isClass
          ? new call(...given)
          : (call as unknown as (...args: unknown[]) => unknown)(...given)
        await ((made as { result?: unknown } | undefined)?.result ?? made)
      } catch (error) {
        if (error === own) continue
        assert.instance(error, NhgdError, `${name}(${args.join(', ')}): ${error}`)
        assert.match((error as Error).message, /^"[^"]*" expected .+, got .|^no backend loads|does not load/s)
      }
    }
  }
  return count
}
