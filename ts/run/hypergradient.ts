import { read } from '../backend/backend.ts'
import type { Point } from '../backend/binding.ts'
import { checkOptions, numbers, seedCheck } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { type Estimate, type Method, methodCheck } from '../methods/method.ts'
import { type Problem, problemCheck } from '../problems/problem.ts'
import { isFiniteEstimate } from './state.ts'

export interface HypergradientOptions {
  readonly inner: ArrayLike<number>
  readonly outer: ArrayLike<number>
  readonly method: Method
  /** A whole number from 0 to 2⁵³ − 1 that decides every draw, 0 by default. */
  readonly seed?: number
}

const checks = { inner: numbers, outer: numbers, method: methodCheck, seed: seedCheck }

/**
 * An estimate of ∇Φ at a given point, θ left where it is.
 *
 * @throws NhgdError `ERR_NUMERIC` where a number of the estimate is not finite.
 */
export async function hypergradient(
  problem: Problem,
  options: HypergradientOptions,
): Promise<Omit<Estimate, 'hypergradient' | 'inner'> & { hypergradient: Float32Array | Float64Array }> {
  const { inner, outer, method, seed = 0 } = checkOptions(options, checks, ['inner', 'outer', 'method'])
  problemCheck('problem', problem)
  const point = problem.start(seed, { inner, outer })
  const estimate = await estimateAt(problem, point, method, seed)
  const { hypergradient, inner: _, ...rest } = estimate
  return { ...rest, hypergradient: read(hypergradient) }
}

async function estimateAt(problem: Problem, point: Point, method: Method, seed: number): Promise<Estimate> {
  const failed = (cause?: unknown) =>
    new NhgdError('ERR_NUMERIC', '"hypergradient" expected finite numbers, got others at this point', {
      cause,
    })
  try {
    const state = method.init(problem, point, seed)
    state.optimizer.frozen = true
    const estimate = await method.step(problem, point, state)
    if (isFiniteEstimate(estimate)) return estimate
  } catch (error) {
    // All that was given is finite.
    throw (error as NhgdError).code === 'ERR_NOT_FINITE' ? failed(error) : error
  }
  throw failed()
}
