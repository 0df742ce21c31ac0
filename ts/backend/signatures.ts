import { arrayType, isGone } from './arrays.ts'
import type { Binding } from './binding.ts'
import { type Check, flag, gone, is, refuseAs, refuseDisposed, seedCheck, whole } from './check.ts'
import { isBroken, isDisposed } from './handles.ts'
import { refuseEnded } from './instance.ts'

/** What a call of a binding takes. */
export interface Signature {
  /** Whether it resolves to its result. */
  readonly later: boolean
  /**
   * Throws `ERR_DTYPE`, `ERR_RANGE`, `ERR_NOT_FINITE` or `ERR_DISPOSED` unless the arguments are what the table says, and
   * makes them what the binding takes.
   */
  check(args: unknown[]): void
}

/**
 * The signatures of a binding by the names of calls: `Vector`, its constructor, `Vector.axpy`, `gemm`. They come from the
 * table (ts/backend/binding.ts) by way of the binding; `null` stands for a class that has no constructor.
 */
export function signaturesOf(binding: Binding): Map<string, Signature | null> {
  const signatures = Object.entries<string | null>(JSON.parse(binding.signatures()))
  return new Map(signatures.map(([call, text]) => [call, text === null ? null : signature(text, binding)]))
}

function signature(text: string, binding: Binding): Signature {
  const checks = Array.from(text.matchAll(/(\w+): (\w+)(\??)/g), ([, name, kind, optional]) => {
    const check = kinds[kind] ?? (/Array(Out)?$/.test(kind) ? typedArray(kind) : handle(kind, binding))
    return (value: unknown) => (optional !== '' && value === undefined ? undefined : check(name, value))
  })
  const check = (args: unknown[]) => {
    for (let i = 0; i < checks.length; i++) args[i] = checks[i](args[i])
  }
  return { later: text.startsWith('async '), check }
}

const number = is<number>('a number', (value) => typeof value === 'number')
const finite = is('a finite number', Number.isFinite, 'ERR_NOT_FINITE')
const kinds: Record<string, Check> = {
  number,
  string: is('a string', (value) => typeof value === 'string'),
  boolean: flag,
  Whole: whole(0),
  Seed: seedCheck,
  Finite: (name, value) => finite(name, number(name, value)),
}

/**
 * A typed array whose buffer is still there. Memory that others may write to meanwhile is copied first; it can't be filled.
 */
function typedArray(kind: string): Check {
  const type = kind.replace(/Out$/, '')
  const check = is<Uint8Array>(type, (value) => arrayType(value) === type, 'ERR_DTYPE')
  return (name, value) => {
    const array = check(name, value)
    if (isGone(array)) return refuseAs(name, type, gone)
    if (!isShared(array.buffer)) return array
    return kind === type ? array.slice() : refuseAs(name, 'memory of its own', 'a SharedArrayBuffer')
  }
}

const isShared = (buffer: ArrayBufferLike) =>
  Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]'

/** Accepts objects of a class of the binding, and those that were disposed of only where `anyway`. */
export function handle(name: string, binding: Binding, anyway = false): Check<object> {
  const owner = binding[name as 'Vector']
  const check = is<object>(`${name} of this backend`, (value) => value instanceof owner, 'ERR_DTYPE')
  return (argument, value) => {
    const object = check(argument, value)
    if (anyway) return object
    refuseEnded(binding)
    if (isBroken(object))
      return refuseAs(argument, `a whole ${name}`, 'one that a panic broke', 'ERR_INTERNAL')
    return isDisposed(object) ? refuseDisposed(argument, name) : object
  }
}
