import type { Backend } from '../../backend/backend.ts'
import type { DType } from '../../backend/binding.ts'
import {
  backendCheck,
  type Check,
  callback,
  checkOptions,
  doubles,
  dtypeCheck,
  is,
  number,
  numbers,
  refuse,
  shape,
  shown,
  size,
} from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import { type AnyOracles, type AnyProblem, Problem } from '../problem.ts'
import { Functions } from './functions.ts'
import type { ArrayOf, InnerObjective, OuterObjective } from './objectives.ts'
import { CustomOracles } from './oracles.ts'
import type { Entries } from './room.ts'

export interface CustomProblemOptions<D extends DType = 'f64'> {
  readonly backend: Backend
  readonly inner: InnerObjective<ArrayOf<D>>
  readonly outer: OuterObjective<ArrayOf<D>>
  /** Scalar type of θ and v, and of the arrays that callbacks are lent; `f64` by default. */
  readonly dtype?: D
}

const orFunction =
  (constant: Check): Check =>
  (name, value) =>
    typeof value === 'function' ? value : constant(name, value)

const zero = is('0 or a function', (value) => value === 0)
const sizes = { size: size(1), samples: size(1) }
const inner = shape<InnerObjective<Entries>>(
  {
    ...sizes,
    start: orFunction(numbers),
    loss: callback,
    gradient: callback,
    sampleGradients: callback,
    hessianProduct: callback,
    crossProduct: callback,
    regularizer: orFunction(number(0)),
  },
  ['size'],
)
const outer = shape<OuterObjective<Entries>>(
  { ...sizes, start: numbers, loss: callback, gradient: callback, directGradient: orFunction(zero) },
  ['size', 'loss'],
)
const checks = { backend: backendCheck, inner, outer, dtype: dtypeCheck }

/**
 * A problem of a user's own functions, which every method takes. Products and gradients of f that are absent are taken by
 * central differences, whose step is checked; results name them under `differences`. {@link checkDerivatives} compares
 * the callbacks with differences.
 *
 * A callback that throws, or gives another length or a number that is not finite, ends a run with `ERR_CALLBACK`. The
 * error has the name of the `callback`, its message shows the arguments, and that of a run has the `step` and the last
 * good state as `result`.
 *
 * @throws NhgdError `ERR_RANGE` for options, `ERR_SHAPE` for a start of another length.
 */
export function customProblem<D extends DType = 'f64'>(options: CustomProblemOptions<D>): AnyProblem {
  const given = checkOptions<CustomProblemOptions<DType>>(options, checks, ['backend', 'inner', 'outer'])
  const { backend, dtype = 'f64' } = given
  if (!given.inner.gradient && !given.inner.sampleGradients) {
    refuse('inner.gradient', 'a function, unless there are sampleGradients', undefined)
  }
  const innerStart = startOf('inner.start', given.inner)
  const outerStart = startOf('outer.start', given.outer)
  const functions = new Functions(bound(given.inner, options.inner), bound(given.outer, options.outer), dtype)
  const samples = { samples: given.inner.samples ?? 1, outerSamples: given.outer.samples ?? 1 }
  const callbacks = (['inner', 'outer'] as const).flatMap((side) =>
    Object.entries(given[side]).map(([name, value]) =>
      typeof value === 'function' ? `${side}.${name}` : [],
    ),
  )
  const { regularizer } = given.inner
  const settings = {
    callbacks: callbacks.flat().sort().join(' '),
    ...(typeof regularizer === 'number' && { regularizer }),
  }
  return new Problem<AnyOracles>(
    backend,
    dtype,
    0,
    () => new CustomOracles(backend, functions, { ...samples, start: innerStart(0) }),
    (_, seed) => ({ inner: innerStart(seed), outer: outerStart(seed) }),
    {},
    settings,
  )
}

/** The same, with functions that are called as those of the object that the user gave. */
function bound<T extends object>(functions: T, owner: object): T {
  const entries = Object.entries(functions).map(([name, value]) => [
    name,
    typeof value === 'function' ? value.bind(owner) : value,
  ])
  return Object.fromEntries(entries)
}

function startOf(
  name: string,
  { size, start = new Float64Array(size) }: Pick<InnerObjective<Entries>, 'size' | 'start'>,
): (seed: number) => Float64Array {
  const checked = (values: ArrayLike<number>) => {
    if (numbers(name, values).length === size) return doubles(name, values).slice()
    return refuse(name, `${size} numbers`, values.length, 'ERR_SHAPE')
  }
  if (typeof start === 'function') {
    return (seed) => {
      try {
        return checked(start(seed))
      } catch (cause) {
        if (cause instanceof NhgdError) throw cause
        const got = cause instanceof Error ? `${cause.name}: ${cause.message}` : shown(cause)
        const message = `"${name}" expected a result, got ${got} (at seed = ${seed})`
        throw Object.assign(new NhgdError('ERR_CALLBACK', message, { cause }), { callback: name })
      }
    }
  }
  const fixed = checked(start)
  return () => fixed
}
