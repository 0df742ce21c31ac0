import type { Sampler } from '../backend/binding.ts'
import type { AnyProblem } from '../problems/problem.ts'
import { Clock } from './clock.ts'
import { type InnerOptimizerSettings, innerOptimizer } from './innerOptimizer.ts'
import type { Stepper } from './optimizer.ts'

/**
 * What a method goes on with from one outer iteration to the next: a record of numbers, vectors, records of them, and
 * objects that save and restore themselves. Whatever stands under a name `scratch` is written before it is read in
 * each outer iteration, and is not saved.
 */
export interface State {
  /** Outer iterations taken, k. */
  outerStep: number
  /** Draws samples of g. */
  readonly sampler: Sampler
  /** Moves θ. */
  readonly optimizer: Stepper
  readonly scratch: { readonly clock: Clock }
}

/** The state that every method starts from. */
export function startingState(problem: AnyProblem, seed: number, inner: InnerOptimizerSettings) {
  const { backend, oracles } = problem
  return {
    outerStep: 0,
    sampler: new backend.Sampler(seed, oracles.samples),
    optimizer: innerOptimizer(backend, inner),
    scratch: { clock: new Clock() },
  }
}
