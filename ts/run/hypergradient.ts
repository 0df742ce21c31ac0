import { read } from '../backend/backend.ts'
import { checkOptions, numbers, seedCheck, something } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import type { Estimate, Method } from '../methods/method.ts'
import type { Problem } from '../problems/problem.ts'
import { isFiniteEstimate } from './state.ts'

export interface HypergradientOptions {
  readonly inner: ArrayLike<number>
  readonly outer: ArrayLike<number>
  readonly method: Method
  /** A whole number from 0 to 2⁵³ − 1 that decides every draw, 0 by default. */
  readonly seed?: number
}

const checks = { inner: numbers, outer: numbers, method: something, seed: seedCheck }

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
  const point = problem.start(seed, { inner, outer })
  const state = method.init(problem, point, seed)
  state.optimizer.frozen = true
  const estimate = await method.step(problem, point, state)
  if (!isFiniteEstimate(estimate)) {
    throw new NhgdError('ERR_NUMERIC', '"hypergradient" expected finite numbers, got others at this point')
  }
  const { hypergradient, inner: _, ...rest } = estimate
  return { ...rest, hypergradient: read(hypergradient) }
}
