import {
  type Check,
  checkOptions,
  flag,
  fraction,
  number,
  oneOf,
  perStep,
  positive,
  present,
  shape,
  size,
} from '../backend/check.ts'
import { innerOptimizerSettings } from '../hypergradient/innerOptimizer.ts'

const cross: Check = (name, value) =>
  typeof value === 'object'
    ? shape({ samples: size(1) }, ['samples'])(name, value)
    : oneOf('trajectory', 'all')(name, value)

const refine: Check = (name, value) =>
  typeof value === 'object'
    ? shape({ steps: size(0), rate: number(0) }, ['steps', 'rate'])(name, value)
    : size(0)(name, value)

/** Checks settings of an inverse Fisher: the names in `schedule` here, all others in the engine. */
export const fisherCheck =
  (schedule: Readonly<Record<string, Check>>): Check =>
  (name, value) => {
    const given = Object.entries(present(name, value))
    const form = given.filter(([key]) => !Object.hasOwn(schedule, key))
    const rest = given.filter(([key]) => Object.hasOwn(schedule, key))
    return { ...Object.fromEntries(form), ...shape(schedule)(name, Object.fromEntries(rest)) }
  }

const observe = shape({ every: size(1), samples: size(1) })

/** What each option of a method may be; an option has the same meaning in every method. */
const checks: Readonly<Record<string, Check>> = {
  averaging: number(0, 1),
  batchSize: size(1),
  beta1: fraction,
  beta2: fraction,
  concurrent: flag,
  cross,
  curvatureSamples: size(1),
  damping: positive(),
  depth: size(1),
  epsilon: number(0),
  innerOptimizer: innerOptimizerSettings,
  innerShare: positive(1),
  innerSteps: size(0),
  linearRate: perStep(number(0)),
  memory: size(1),
  multiplier: perStep(positive()),
  observe,
  operator: oneOf('hessian', 'gauss-newton'),
  outerBatchSize: size(1),
  outerShare: positive(1),
  rank: size(1),
  rate: perStep(number(0)),
  refine,
  refineDamping: perStep(number(0)),
  refineSamples: size(1),
  residual: flag,
  scale: number(0),
  share: positive(1),
  steps: size(1),
  terms: size(1),
  tolerance: perStep(number(0)),
}

/** Checks of the rates of methods whose step sizes are constant. */
export const constantRates = { rate: number(0), linearRate: number(0) }

/** Defaults with the options that replace them. */
export type Settings<D, O> = {
  readonly [K in keyof D]: K extends keyof O ? Exclude<O[K], undefined> | D[K] : D[K]
}

/**
 * Options in place of their defaults; an option that is undefined counts as absent.
 *
 * @throws NhgdError `ERR_RANGE` for names without a default and for values that the option cannot have; `special`
 * replaces the checks of some options.
 */
export function settingsOf<D extends object, O extends object>(
  defaults: D,
  options: O,
  special: Readonly<Record<string, Check>> = {},
): Settings<D, O> {
  const known = Object.keys(defaults).map((name) => [name, special[name] ?? checks[name]])
  return { ...defaults, ...checkOptions<object>(options, Object.fromEntries(known)) } as Settings<D, O>
}
