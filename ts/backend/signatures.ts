import { arrayType, describe } from './arrays.ts'
import type { Binding } from './binding.ts'
import { type ErrorCode, NhgdError } from './errors.ts'

/** What a call of a binding takes. */
export interface Signature {
  /** Whether it resolves to its result. */
  readonly later: boolean
  /** Throws `ERR_DTYPE`, `ERR_RANGE` or `ERR_NOT_FINITE` unless the arguments are what the table says. */
  check(args: readonly unknown[]): void
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
    const wrong = kinds[kind] ?? (kind.endsWith('Array') ? typedArray(kind) : handle(kind, binding))
    return (value: unknown) => {
      if (optional && value === undefined) return
      const fault = wrong(value)
      if (fault) throw new NhgdError(fault[0], `"${name}" expected ${fault[1]}, got ${describe(value)}`)
    }
  })
  const check = (args: readonly unknown[]) => {
    for (let i = 0; i < checks.length; i++) checks[i](args[i])
  }
  return { later: text.startsWith('async '), check }
}

/** The code and what was expected, where a value is not of a kind. */
type Wrong = (value: unknown) => [ErrorCode, string] | undefined

const number: Wrong = (value) => (typeof value === 'number' ? undefined : ['ERR_DTYPE', 'a number'])

const whole: Wrong = (value) =>
  number(value) ??
  (Number.isSafeInteger(value) && (value as number) >= 0
    ? undefined
    : ['ERR_RANGE', 'a whole number from 0 to 2⁵³ − 1'])

const finite: Wrong = (value) =>
  number(value) ?? (Number.isFinite(value) ? undefined : ['ERR_NOT_FINITE', 'a finite number'])

const kinds: Record<string, Wrong> = {
  number,
  string: (value) => (typeof value === 'string' ? undefined : ['ERR_DTYPE', 'a string']),
  boolean: (value) => (typeof value === 'boolean' ? undefined : ['ERR_DTYPE', 'true or false']),
  Whole: whole,
  Seed: whole,
  Finite: finite,
}

const typedArray =
  (name: string): Wrong =>
  (value) =>
    arrayType(value) === name ? undefined : ['ERR_DTYPE', name]

function handle(name: string, binding: Binding): Wrong {
  const owner = binding[name as 'Vector']
  return (value) => (value instanceof owner ? undefined : ['ERR_DTYPE', `${name} of this backend`])
}
