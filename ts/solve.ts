import { read } from './backend/backend.ts'
import type { Point } from './backend/binding.ts'
import {
  callback,
  checkOptions,
  flag,
  number,
  numbers,
  seedCheck,
  shape,
  something,
  whole,
} from './backend/check.ts'
import { NhgdError } from './backend/errors.ts'
import * as defaults from './defaults.ts'
import { Breather, Clock } from './hypergradient/clock.ts'
import { type OptimizerSettings, optimizer, optimizerSettings } from './hypergradient/optimizer.ts'
import { Backtracking, jumpCap, projectOnSimplex } from './hypergradient/safeguard.ts'
import type { Estimate, Method, MethodRun } from './methods/method.ts'
import { nhgd } from './methods/nhgd.ts'
import type { Problem } from './problems/problem.ts'

export interface SolveOptions {
  readonly method?: Method
  readonly outerOptimizer?: OptimizerSettings
  /** Outer iterations at the most, 100 by default. */
  readonly outerSteps?: number
  /** Seconds at the most. */
  readonly seconds?: number
  /** Ends once the hypergradient's norm is below it. */
  readonly tolerance?: number
  /** Where to start; the problem's own start otherwise. */
  readonly inner?: ArrayLike<number>
  readonly outer?: ArrayLike<number>
  /** A whole number that decides every draw. */
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
const checks = {
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
  readonly residual: number
  /** Seconds since the start. */
  readonly seconds: number
  readonly estimate: Estimate
  /** θ and v, which go on changing; read them now or not at all. */
  readonly point: Point
}

/** How a run ended. */
export type Status = 'converged' | 'outerSteps' | 'seconds' | 'stopped' | 'aborted' | 'diverged'

const advice: Record<Status, string> = {
  converged: 'the hypergradient is below the tolerance',
  outerSteps: 'the outer steps are used up: raise "outerSteps" if the outer loss still falls',
  seconds: 'the time is used up: raise "seconds" if the outer loss still falls',
  stopped: 'ended by onStep',
  aborted: 'ended by its signal; the result is that of the last whole step',
  diverged:
    'the loss or a variable stopped being finite: lower the inner or the outer rate, or raise "damping"; the result is the last finite point',
}

export interface SolveResult {
  readonly status: Status
  readonly advice: string
  readonly inner: Float32Array | Float64Array
  readonly outer: Float32Array | Float64Array
  readonly steps: number
  /** f where the last hypergradient was taken. */
  readonly outerLoss: number
  readonly residual: number
  /** What the residual was taken with. */
  readonly operator: Estimate['operator']
  readonly damping: number
  readonly fallbacks: Estimate['fallbacks']
  /** By phase. */
  readonly seconds: Readonly<Record<string, number>> & { readonly total: number }
}

/** A run: iterate it for progress, or await its `result`. */
export class Solve implements AsyncIterable<Progress> {
  /** Settles when the run has ended. It goes on by itself unless it is iterated. */
  get result(): Promise<SolveResult> {
    this.#result ??= this.#drain()
    return this.#result
  }

  readonly #generator: AsyncGenerator<Progress, SolveResult>
  readonly #ended: PromiseWithResolvers<SolveResult>
  #result: Promise<SolveResult> | undefined

  constructor(problem: Problem, options: SolveOptions) {
    this.#ended = withResolvers()
    this.#ended.promise.catch(() => {})
    this.#generator = outerLoop(problem, options)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Progress, void> {
    this.#result ??= this.#ended.promise
    try {
      for (;;) {
        const { value, done } = await this.#generator.next()
        if (done) {
          this.#ended.resolve(value)
          return
        }
        yield value
      }
    } catch (error) {
      this.#ended.reject(error)
      throw error
    }
  }

  async #drain(): Promise<SolveResult> {
    for (;;) {
      const { value, done } = await this.#generator.next()
      if (done) return value
    }
  }
}

/** Minimises Φ(v) = f(v, θ*(v)) with a method's hypergradients. */
export function solve(problem: Problem, options: SolveOptions = {}): Solve {
  return new Solve(problem, options)
}

const pointChecks = { inner: numbers, outer: numbers, method: something, seed: seedCheck }

/** An estimate of ∇Φ at a given point, θ left where it is. */
export async function hypergradient(
  problem: Problem,
  at: { inner: ArrayLike<number>; outer: ArrayLike<number>; method: Method; seed?: number },
): Promise<Omit<Estimate, 'hypergradient' | 'inner'> & { hypergradient: Float32Array | Float64Array }> {
  const { inner, outer, method, seed = 0 } = checkOptions(at, pointChecks, ['inner', 'outer', 'method'])
  const point = problem.start(seed, { inner, outer })
  const run = method.start({ problem, point, seed, clock: new Clock(), frozen: true })
  const { hypergradient, inner: _, ...rest } = await run.estimate(0)
  return { ...rest, hypergradient: read(hypergradient) }
}

async function* outerLoop(problem: Problem, given: SolveOptions): AsyncGenerator<Progress, SolveResult> {
  const options = checkOptions(given, checks)
  const { method = nhgd(), outerSteps = 100, seconds = Number.POSITIVE_INFINITY, tolerance = 0 } = options
  const { outerOptimizer = defaults.outerOptimizer, seed = 0, signal, box, simplex } = options
  const began = performance.now()
  const elapsed = () => (performance.now() - began) / 1000
  const clock = new Clock()
  const point = problem.start(seed, options)
  const good = { inner: read(point.inner), outer: read(point.outer) }
  const outer = optimizer(problem.backend, outerOptimizer)
  const run = method.start({ problem, point, seed, clock, frozen: false })
  const cap = jumpCap(options.jumpCap ?? Number.POSITIVE_INFINITY)
  const room = () => problem.zeros(point.outer.length)
  const backtracking =
    options.backtracking === undefined ? undefined : new Backtracking(options.backtracking, room(), room())
  const breather = new Breather()
  let last: Estimate | undefined
  let status: Status = 'outerSteps'
  let step = 0
  while (step < outerSteps) {
    if (signal?.aborted) status = 'aborted'
    else if (elapsed() >= seconds) status = 'seconds'
    if (status !== 'outerSteps') break
    const estimate = await finiteEstimate(run, step, point)
    if (!estimate) {
      status = 'diverged'
      break
    }
    const size = cap(estimate.hypergradient)
    const move = () => outer.step(point.outer, estimate.hypergradient)
    if (!backtracking) move()
    else if (!backtracking.wentBack(point.outer, estimate.outerLoss)) backtracking.take(point.outer, move)
    if (simplex !== undefined && point.outer.isFinite()) projectOnSimplex(point.outer, simplex)
    if (box) point.outer.clamp(box.low, box.high)
    if (!point.outer.isFinite()) {
      status = 'diverged'
      break
    }
    step++
    last = estimate
    good.inner = read(estimate.inner)
    good.outer = read(point.outer)
    const { outerLoss, residual } = estimate
    const progress = {
      step,
      outerLoss,
      residual,
      hypergradientNorm: size,
      seconds: elapsed(),
      estimate,
      point,
    }
    const go = await options.onStep?.(progress)
    yield progress
    if (go === false) status = 'stopped'
    else if (size < tolerance) status = 'converged'
    if (status !== 'outerSteps') break
    await breather.due()
  }
  const result: SolveResult = {
    status,
    advice: advice[status],
    ...good,
    steps: step,
    outerLoss: last?.outerLoss ?? Number.NaN,
    residual: last?.residual ?? Number.NaN,
    operator: last?.operator ?? 'none',
    damping: last?.damping ?? Number.NaN,
    fallbacks: last?.fallbacks ?? {},
    seconds: { ...clock.seconds, total: elapsed() },
  }
  if (status === 'diverged' && options.throwOnFailure) {
    throw Object.assign(new NhgdError('ERR_DIVERGED', result.advice), { result })
  }
  return result
}

/** The next estimate, or nothing where a number in it stopped being finite. */
async function finiteEstimate(run: MethodRun, step: number, point: Point): Promise<Estimate | undefined> {
  try {
    const estimate = await run.estimate(step)
    const numbers = [estimate.outerLoss, estimate.hypergradient.dot(estimate.hypergradient)]
    return numbers.every(Number.isFinite) && point.inner.isFinite() ? estimate : undefined
  } catch (error) {
    // All that was given to the run was finite.
    if ((error as NhgdError).code === 'ERR_NOT_FINITE' || !point.inner.isFinite()) return undefined
    throw error
  }
}

interface PromiseWithResolvers<T> {
  promise: Promise<T>
  resolve(value: T): void
  reject(reason: unknown): void
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void
  let reject!: (reason: unknown) => void
  const promise = new Promise<T>((ok, no) => {
    resolve = ok
    reject = no
  })
  return { promise, resolve, reject }
}
