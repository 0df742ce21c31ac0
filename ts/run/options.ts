import type { Point } from '../backend/binding.ts'
import {
  type Check,
  callback,
  flag,
  number,
  numbers,
  positive,
  seedCheck,
  shape,
  signalCheck,
  whole,
} from '../backend/check.ts'
import { type Communicator, communicatorCheck } from '../backend/communicator.ts'
import { type OptimizerSettings, optimizerSettings } from '../hypergradient/optimizer.ts'
import { type Estimate, type Method, methodCheck } from '../methods/method.ts'
import { type CheckpointOptions, checkpointCheck } from './checkpointFile.ts'

export interface SolveOptions {
  /** {@link preconditionedConjugateGradients} by default. */
  readonly method?: Method
  /** Optimiser of v, Adam with rate 0.1 by default. */
  readonly outerOptimizer?: OptimizerSettings
  /** Greatest number of outer iterations, 100 by default; a resumed run counts those before it as well. */
  readonly outerSteps?: number
  /** Greatest number of seconds, without a limit by default. */
  readonly seconds?: number
  /** The run ends once the hypergradient's norm is below this number, 0 by default. */
  readonly tolerance?: number
  /** Where to start; by default where the problem starts. */
  readonly inner?: ArrayLike<number>
  readonly outer?: ArrayLike<number>
  /** A whole number from 0 to 2⁵³ − 1 that decides every draw, 0 by default. */
  readonly seed?: number
  /**
   * Ends the run when it aborts; the result is that of the last whole step. The step under way is left within one call of
   * an oracle; with a `checkpoint` it is taken to its end, so that nothing of it is lost.
   */
  readonly signal?: AbortSignal
  /**
   * The ranks that share the run's samples: those of the problem are a rank's own part. All ranks call `solve` with the
   * same options. Batches are drawn from the samples of all, in rank order, so that the run is the one that a single
   * process would take, to rounding; v and θ are those of all, on every rank.
   */
  readonly communicator?: Communicator
  /** Writes the run to a file now and then, and in the end. */
  readonly checkpoint?: CheckpointOptions
  /** Keeps v in a box, by projection after each step. */
  readonly box?: { readonly low: number; readonly high: number }
  /** Keeps the entries of v at or above 0 and their sum at this number, by projection after each step. */
  readonly simplex?: number
  /** Longest hypergradient that is used, in units of the median norm of the last 21; longer ones are scaled down. */
  readonly jumpCap?: number
  /** Where f rises by more than this share of itself, half of the last outer step is taken back, and later ones are
   * shortened. */
  readonly backtracking?: number
  /**
   * Where a step diverges, the run goes back to its last whole step, once, and goes on from there with its method anew and
   * both rates times this number, which is at most 1. By default it ends.
   */
  readonly retryRate?: number
  /** Called after each outer step with the point it led to; `false` ends the run. */
  readonly onStep?: (progress: Progress) => unknown
  /** Turns divergence into an exception that carries `.result`. */
  readonly throwOnFailure?: boolean
}

/** An infinite bound bounds nothing. */
const limit = number(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
export const optionChecks = {
  method: methodCheck,
  outerOptimizer: optimizerSettings,
  outerSteps: whole(0),
  seconds: number(0, Number.POSITIVE_INFINITY),
  tolerance: number(0),
  inner: numbers,
  outer: numbers,
  seed: seedCheck,
  signal: signalCheck,
  communicator: communicatorCheck as Check<Communicator>,
  checkpoint: checkpointCheck,
  box: shape({ low: limit, high: limit }, ['low', 'high']),
  simplex: number(0),
  jumpCap: number(0, Number.POSITIVE_INFINITY),
  backtracking: number(0, Number.POSITIVE_INFINITY),
  retryRate: positive(1),
  onStep: callback,
  throwOnFailure: flag,
}

/** What one outer iteration led to. */
export interface Progress {
  /** Number of the outer iteration, from 1. */
  readonly step: number
  /** f before the outer step. */
  readonly outerLoss: number
  readonly hypergradientNorm: number
  /** Of the linear solve, see {@link Estimate}. */
  readonly residual?: number
  /** Seconds since the start. */
  readonly seconds: number
  readonly estimate: Estimate
  /** The point after the step. The run goes on changing it, so read it before the next step. */
  readonly point: Point
}
