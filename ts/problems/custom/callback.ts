import { shown } from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import { type Entries, moved, type Room, zeros } from './room.ts'

/** What a callback gives that is lent an array to write to: nothing, or an array of its own in its place. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a result is of type void
export type Filled = ArrayLike<number> | undefined | void

/** The same of a callback that may give a number: the value of its function beside the array, or all entries alike. */
export type FilledWithValue = Filled | number

/** A result that is there at once or later. */
export type Eventual<T> = T | Promise<T>

/** What a callback is lent, by name and in its order. It is nobody's once the callback has ended. */
export type Lent = Readonly<Record<string, Entries | Uint32Array>>

/** A function of the user's. */
export interface Callback {
  /** Its place in the options. */
  readonly name: string
  readonly call: (...args: never[]) => unknown
}

/**
 * The number that a callback gives.
 *
 * @throws NhgdError `ERR_CALLBACK`.
 */
export async function numberOf(callback: Callback, lent: Lent, room: Room): Promise<number> {
  const given = await resultOf(callback, lent, Object.values(lent))
  if (typeof given !== 'number' || !Number.isFinite(given)) {
    throw failure(callback, lent, 'a finite number', shown(given))
  }
  room.takeBack(Object.values(lent))
  return given
}

/**
 * The `length` entries that a callback fills in. A number that it returns is the value of its function where it is to be
 * told `beside` them, and one entry that stands for all where it is to be told `alone`.
 *
 * @throws NhgdError `ERR_CALLBACK`.
 */
export async function entriesOf(
  callback: Callback,
  lent: Lent,
  length: number,
  room: Room,
  number?: 'beside' | 'alone',
): Promise<{ entries: Entries; value?: number }> {
  const { dtype } = room
  const out = room.entries(length).fill(Number.NaN)
  const arrays = [out, ...Object.values(lent)]
  const given = await resultOf(callback, lent, [...Object.values(lent), out])
  const expected = `${length} finite numbers`
  const told = number && typeof given === 'number'
  if (told && !Number.isFinite(given)) throw failure(callback, lent, 'a finite number', `${given}`)
  if (told && number === 'alone') {
    room.takeBack(arrays)
    return { entries: zeros(1, dtype).fill(given) }
  }
  const written = told || given === undefined
  const { length: got } = (written ? out : (given ?? {})) as Partial<ArrayLike<number>>
  if (typeof given === 'string' || typeof got !== 'number')
    throw failure(callback, lent, expected, shown(given))
  if (got !== length) {
    throw failure(callback, lent, expected, got === 0 && isDetached(given) ? keptArray : `${got} numbers`)
  }
  const values = written ? out : room.entries(length)
  if (!written) for (let i = 0; i < length; i++) values[i] = (given as ArrayLike<number>)[i]
  const at = notFinite(values)
  if (at >= 0) {
    const untouched = written && values.every(Number.isNaN)
    const why = untouched ? `: nothing was written to "out", which is another array in each call` : ''
    throw failure(callback, lent, expected, `${values[at]} at index ${at}${why}`)
  }
  if (!written) room.takeBack(arrays)
  return { entries: written ? room.takeBackFirst(arrays) : values, ...(told && { value: given }) }
}

async function resultOf(callback: Callback, lent: Lent, args: readonly unknown[]): Promise<unknown> {
  try {
    return await callback.call(...(args as never[]))
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: 'a throw of', message: shown(error) }
    const got = /detached/i.test(message) ? keptArray : `${name}: ${message}`
    throw failure(callback, lent, 'a result', got, error)
  }
}

const keptArray = 'an array that was lent in an earlier call: keep a copy'

const isDetached = (value: unknown) => ArrayBuffer.isView(value) && value.buffer.byteLength === 0

/** Index of the first number that is not finite, −1 where all are. */
function notFinite(values: Entries): number {
  // Zeros add up to zero. Four sums at once wait less for each other than one.
  let [a, b, c, d] = [0, 0, 0, 0]
  const whole = values.length & ~3
  for (let i = 0; i < whole; i += 4) {
    a += 0 * values[i]
    b += 0 * values[i + 1]
    c += 0 * values[i + 2]
    d += 0 * values[i + 3]
  }
  for (let i = whole; i < values.length; i++) a += 0 * values[i]
  return a + b + c + d === 0 ? -1 : values.findIndex((x) => !Number.isFinite(x))
}

/** Says what went wrong: the callback, what was expected and what came, and where it was asked. */
function failure(
  { name }: Callback,
  lent: Lent,
  expected: string,
  got: string,
  cause?: unknown,
): NhgdError & { callback: string } {
  const at = Object.entries(lent).map(([name, values]) => `${name} = ${brief(values)}`)
  const message = `"${name}" expected ${expected}, got ${got} (at ${at.join(', ')})`
  moved(Object.values(lent))
  return Object.assign(new NhgdError('ERR_CALLBACK', message, { cause }), { callback: name })
}

/** The first entries, and how many there are. */
function brief(values: Entries | Uint32Array): string {
  const first = Array.from(values.subarray(0, 4), (x) => Number(x.toPrecision(6))).join(', ')
  return values.length > 4 ? `[${first}, … ${values.length} in all]` : `[${first}]`
}
