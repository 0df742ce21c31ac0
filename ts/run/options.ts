import type { Point } from '../backend/binding.ts'
import { callback, flag, number, numbers, seedCheck, shape, something, whole } from '../backend/check.ts'
import { type OptimizerSettings, optimizerSettings } from '../hypergradient/optimizer.ts'
import type { Estimate, Method } from '../methods/method.ts'

export interface SolveOptions {
  /** {@link preconditionedConjugateGradients} by default. */
  readonly method?: Method
  readonly outerOptimizer?: OptimizerSettings
  /** Outer iterations at the most, those before a run was resumed included; 100 by default. */
  readonly outerSteps?: number
  /** Seconds at the most. */
  readonly seconds?: number
  /** Ends once the hypergradient's norm is below it. */
  readonly tolerance?: number
  /** Where to start; the problem's own start otherwise. */
  readonly inner?: ArrayLike<number>
  readonly outer?: ArrayLike<number>
  /** A whole number from 0 to 2⁵³ − 1 that decides every draw, 0 by default. */
  readonly seed?: number
  readonly signal?: AbortSignal
  /** Keeps v in a box, by projection after each step. */
  readonly box?: { readonly low: number; readonly high: number }
  /** Keeps v at entries ≥ 0 that have this sum, by projection after each step. */
  readonly simplex?: number
  /** Hypergradients longer than so many times the median of the last ones are shortened to that. */
  readonly jumpCap?: number
  /** Goes back half of an outer step after which f rose by more than this share, and shortens those to come. */
  readonly backtracking?: number
  /** Called after each outer step with the point it led to; `false` ends the run. */
  readonly onStep?: (progress: Progress) => unknown
  /** Turns divergence into an exception that carries `.result`. */
  readonly throwOnFailure?: boolean
}

/** An infinite bound bounds nothing. */
const limit = number(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
export const optionChecks = {
  method: something,
  outerOptimizer: optimizerSettings,
  outerSteps: whole(0),
  seconds: number(0, Number.POSITIVE_INFINITY),
  tolerance: number(0),
  inner: numbers,
  outer: numbers,
  seed: seedCheck,
  signal: something,
  box: shape({ low: limit, high: limit }, ['low', 'high']),
  simplex: number(0),
  jumpCap: number(0, Number.POSITIVE_INFINITY),
  backtracking: number(0, Number.POSITIVE_INFINITY),
  onStep: callback,
  throwOnFailure: flag,
}

/** One outer iteration as it ended. */
export interface Progress {
  /** 1 for the first. */
  readonly step: number
  /** f before the outer step. */
  readonly outerLoss: number
  readonly hypergradientNorm: number
  /** Of the linear solve, see {@link Estimate}. */
  readonly residual?: number
  /** Seconds since the start. */
  readonly seconds: number
  readonly estimate: Estimate
  /** Where the step led to. It goes on changing: read it before the next step, or not at all. */
  readonly point: Point
}
