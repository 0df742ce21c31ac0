import { checkWhole, checkWithin } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { type Rate, rateAt } from '../hypergradient/optimizer.ts'
import type { NhgdOptions } from './nhgdOptions.ts'

const { POSITIVE_INFINITY } = Number

/** Throws `ERR_RANGE` for options that the engine does not see itself. */
export function checkOptions({ refine, cross, fisher, ...options }: Required<NhgdOptions>): void {
  checkWhole('innerSteps', options.innerSteps, 0)
  checkWhole('batchSize', options.batchSize, 1)
  checkWhole('refine', typeof refine === 'object' ? refine.steps : refine, 0)
  if (typeof refine === 'object') checkWithin('refine.rate', refine.rate, 0, POSITIVE_INFINITY)
  checkWhole('refineSamples', options.refineSamples, 1)
  refineDampingAt(options, 0)
  checkWithin('averaging', options.averaging, 0, 1)
  checkWhole('refreshEvery', fisher.refreshEvery ?? 0, 0)
  checkChoice('reset', fisher.reset ?? 'never', ['outer', 'never'])
  if (typeof cross === 'object') checkWhole('cross.samples', cross.samples, 1)
  else if (cross !== 'trajectory' && cross !== 'all') {
    const expected = '"trajectory", "all" or { samples }'
    throw new NhgdError('ERR_RANGE', `"cross" expected ${expected}, got ${cross}`)
  }
}

/** Damping of the corrections in outer iteration k; `ERR_RANGE` unless it is a number from 0. */
export function refineDampingAt({ refineDamping }: { readonly refineDamping: Rate }, k: number): number {
  const damping = rateAt(refineDamping, k)
  checkWithin('refineDamping', damping, 0, POSITIVE_INFINITY)
  return damping
}

/** Throws `ERR_RANGE` for options that are none of `known`. */
export function checkNames(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) checkChoice('options', name, known)
}

function checkChoice(name: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return
  throw new NhgdError('ERR_RANGE', `"${name}" expected one of ${known.join(', ')}, got ${value}`)
}

/** The least of each option that counts something. */
const counts: Readonly<Record<string, number>> = {
  batchSize: 1,
  curvatureSamples: 1,
  depth: 1,
  innerSteps: 0,
  memory: 1,
  outerBatchSize: 1,
  rank: 1,
  steps: 0,
  terms: 1,
}

/** Defaults with the options that replace them. */
export type Settings<D, O> = {
  readonly [K in keyof D]: K extends keyof O ? Exclude<O[K], undefined> | D[K] : D[K]
}

/**
 * Options in place of their defaults; one that is undefined counts as absent. Throws `ERR_RANGE` for names that have no
 * default, counts that are no whole numbers and other numbers below 0.
 */
export function settingsOf<D extends object, O extends object>(defaults: D, options: O): Settings<D, O> {
  checkNames(options, Object.keys(defaults))
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  for (const [name, value] of Object.entries(given)) {
    if (name in counts) checkWhole(name, value, counts[name])
    else if (typeof value === 'number') checkWithin(name, value, 0, POSITIVE_INFINITY)
  }
  return { ...defaults, ...given } as Settings<D, O>
}
