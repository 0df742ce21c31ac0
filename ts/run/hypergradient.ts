import { read } from '../backend/backend.ts'
import type { Point } from '../backend/binding.ts'
import { checkOptions, numbers, seedCheck } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { Breather } from '../hypergradient/clock.ts'
import { type Estimate, type Method, methodCheck } from '../methods/method.ts'
import { type AnyProblem, problemCheck } from '../problems/problem.ts'
import { disposeRecord, vectorsOf } from './record.ts'
import { isFiniteEstimate } from './state.ts'

export interface HypergradientOptions {
  readonly inner: ArrayLike<number>
  readonly outer: ArrayLike<number>
  readonly method: Method
  /** A whole number from 0 to 2⁵³ − 1 that decides every draw, 0 by default. */
  readonly seed?: number
}

/** An estimate of ∇Φ and how good its parts are. */
export interface HypergradientResult extends Omit<Estimate, 'hypergradient' | 'inner'> {
  readonly hypergradient: Float32Array | Float64Array
  /** Callbacks of a custom problem that differences stood for, and by how much these disagreed at the worst. */
  readonly differences?: Readonly<Record<string, number>>
}

const checks = { inner: numbers, outer: numbers, method: methodCheck, seed: seedCheck }

/**
 * An estimate of ∇Φ at a given point, θ left where it is.
 *
 * @throws NhgdError `ERR_NUMERIC` where a number of the estimate is not finite.
 */
export async function hypergradient(
  problem: AnyProblem,
  options: HypergradientOptions,
): Promise<HypergradientResult> {
  const { inner, outer, method, seed = 0 } = checkOptions(options, checks, ['inner', 'outer', 'method'])
  problemCheck('problem', problem)
  const point = problem.start(seed, { inner, outer })
  const breather = new Breather()
  const paced = problem.paced(() => breather.due())
  const held: object[] = [vectorsOf(point)]
  try {
    const { hypergradient, inner: _, ...rest } = await estimateAt(paced, point, method, seed, held)
    const { differences } = problem.oracles
    return {
      ...rest,
      hypergradient: read(hypergradient),
      ...(differences && { differences: { ...differences } }),
    }
  } finally {
    disposeRecord(held)
  }
}

/** `held` is told of the method's state. */
async function estimateAt(
  problem: AnyProblem,
  point: Point,
  method: Method,
  seed: number,
  held: object[],
): Promise<Estimate> {
  const failed = (cause?: unknown) =>
    new NhgdError('ERR_NUMERIC', '"hypergradient" expected finite numbers, got others at this point', {
      cause,
    })
  try {
    const state = await method.init(problem, point, seed)
    held.push(state)
    state.optimizer.frozen = true
    const estimate = await method.step(problem, point, state)
    if (isFiniteEstimate(estimate)) return estimate
  } catch (error) {
    // All that was given is finite.
    throw (error as NhgdError).code === 'ERR_NOT_FINITE' ? failed(error) : error
  }
  throw failed()
}
