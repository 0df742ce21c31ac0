import { arrayType } from '../backend/arrays.ts'
import { read } from '../backend/backend.ts'
import { checkOptions, having, refuse } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { Breather } from '../hypergradient/clock.ts'
import type { Estimate } from '../methods/method.ts'
import { type AnyProblem, problemCheck } from '../problems/problem.ts'
import { restoreState, saveState } from './checkpoint.ts'
import { optionChecks, type Progress, type SolveOptions } from './options.ts'
import { type RunState, startingPoint, startRun, takeStep } from './state.ts'

/** How a run ended. */
export type Status = 'converged' | 'outerSteps' | 'seconds' | 'stopped' | 'aborted' | 'diverged' | 'failed'

const advice: Record<Status, string> = {
  converged: 'the hypergradient is below the tolerance',
  outerSteps: 'the outer steps are used up: raise "outerSteps" if the outer loss still falls',
  seconds: 'the time is used up: raise "seconds" if the outer loss still falls',
  stopped: 'ended by onStep, or by leaving the loop over its steps',
  aborted: 'ended by its signal; the result is that of the last whole step',
  failed: 'a function of the problem failed, see the error; the result is that of the last whole step',
  diverged:
    'the loss or a variable stopped being finite: lower the inner or the outer rate, or raise "damping"; the result is the last finite point',
}

export interface SolveResult {
  readonly status: Status
  readonly advice: string
  readonly inner: Float32Array | Float64Array
  readonly outer: Float32Array | Float64Array
  /** What v stands for, by the names of its blocks: weights in [0, 1], strengths exp v; empty where it has none. */
  readonly hyperparameters: Readonly<Record<string, Float32Array | Float64Array>>
  readonly steps: number
  /** f where the last hypergradient was taken. */
  readonly outerLoss: number
  /** Residual of the last linear solve, see {@link Estimate}. */
  readonly residual?: number
  /** The operator C of the residual. */
  readonly operator: Estimate['operator']
  readonly damping: number
  readonly fallbacks: Estimate['fallbacks']
  /** Callbacks of a custom problem that differences stood for, and by how much these disagreed at the worst. */
  readonly differences?: Readonly<Record<string, number>>
  /** Seconds by phase. A resumed run counts from where it was resumed. */
  readonly seconds: Readonly<Record<string, number>> & { readonly total: number }
}

/**
 * A run: iterate it for progress, or await its `result`. Each iterator is shown every step from where it started;
 * leaving its loop ends the run.
 */
export class Solve implements AsyncIterable<Progress> {
  /** Settles when the run has ended. Once it is asked for, the run goes on by itself. */
  get result(): Promise<SolveResult> {
    this.#result ??= this.#toTheEnd()
    return this.#result
  }

  readonly #problem: AnyProblem
  readonly #options: SolveOptions
  readonly #saved: Uint8Array | undefined
  readonly #breather = new Breather()
  readonly #queues = new Set<Progress[]>()
  #began = 0
  #state: Promise<RunState> | undefined
  #result: Promise<SolveResult> | undefined
  /** How the run ended. */
  #end: { readonly result: SolveResult } | { readonly error: unknown } | undefined
  /** Whether a loop over the steps was left. */
  #left = false
  /** Whether the last step ended well. After a failed one the state is not fit to go on from. */
  #whole = true
  #advancing: Promise<void> | undefined
  /** Steps and saves happen one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  /** `saved` is the archive to go on from. */
  constructor(problem: AnyProblem, options: SolveOptions, saved?: Uint8Array) {
    this.#problem = problemCheck('problem', problem) as AnyProblem
    this.#options = checkOptions(options, optionChecks)
    this.#saved = saved
  }

  /** See {@link save}. */
  async save(): Promise<Uint8Array> {
    const state = await this.#started()
    return this.#inTurn(async () => {
      if (!this.#whole) {
        throw new NhgdError(
          'ERR_CHECKPOINT',
          '"run" expected a run whose last step was whole, got one that failed',
        )
      }
      return saveState(this.#problem, this.#options, state)
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Progress, void> {
    const queue: Progress[] = []
    this.#queues.add(queue)
    try {
      for (;;) {
        while (queue.length === 0 && !this.#end) await this.#advance()
        const progress = queue.shift()
        if (!progress) break
        yield progress
      }
      if (this.#end && 'error' in this.#end) throw this.#end.error
    } finally {
      this.#queues.delete(queue)
      this.#left = true
      if (!this.#end && !this.#advancing) await this.#advance()
    }
  }

  async #toTheEnd(): Promise<SolveResult> {
    while (!this.#end) await this.#advance()
    if ('error' in this.#end) throw this.#end.error
    return this.#end.result
  }

  /** Takes a step, or ends the run; all who wait for that wait for the same one. */
  #advance(): Promise<void> {
    this.#advancing ??= this.#step()
      .catch(async (error) => {
        this.#end ??= { error: await this.#placed(error) }
      })
      .finally(() => {
        this.#advancing = undefined
      })
    return this.#advancing
  }

  async #step(): Promise<void> {
    const state = await this.#started()
    const { outerSteps = 100, tolerance = 0, onStep } = this.#options
    const before = this.#over(state.outerStep)
    if (before) return this.#finish(before, state)
    const taken = await this.#inTurn(async () => {
      this.#whole = false
      const taken = await takeStep(this.#problem, this.#options, state)
      this.#whole = taken !== undefined
      return taken
    })
    if (!taken) return this.#finish('diverged', state)
    const { outerStep: step, point } = state
    const { outerLoss, residual } = taken.estimate
    const progress: Progress = { step, outerLoss, residual, ...taken, seconds: this.#elapsed(), point }
    const go = await onStep?.(progress)
    for (const queue of this.#queues) queue.push(progress)
    if (go === false) this.#finish('stopped', state)
    else if (taken.hypergradientNorm < tolerance) this.#finish('converged', state)
    else if (step >= outerSteps) this.#finish('outerSteps', state)
    else await this.#breather.due()
  }

  /** Why no further step is taken. */
  #over(step: number): Status | undefined {
    const { outerSteps = 100, seconds = Number.POSITIVE_INFINITY, signal } = this.#options
    if (this.#left) return 'stopped'
    if (step >= outerSteps) return 'outerSteps'
    if (signal?.aborted) return 'aborted'
    return this.#elapsed() >= seconds ? 'seconds' : undefined
  }

  #started(): Promise<RunState> {
    this.#state ??= (async () => {
      this.#began = performance.now()
      const [problem, options, saved] = [this.#problem, this.#options, this.#saved]
      return saved ? restoreState(problem, options, saved) : startRun(problem, options)
    })()
    return this.#state
  }

  #elapsed(): number {
    return (performance.now() - this.#began) / 1000
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  /** The error of a callback with the outer step that it ended, and the last whole step as its result. */
  async #placed(error: unknown): Promise<unknown> {
    const { code, message, callback } = error as NhgdError & { callback?: string }
    if (code !== 'ERR_CALLBACK') return error
    // Where the method could not even begin, a run that was saved has its archive for its last good state.
    const start = () => (this.#saved ? undefined : startingPoint(this.#problem, this.#options))
    const state = await this.#started().catch(start)
    const step = (state?.outerStep ?? 0) + 1
    const placed = new NhgdError(code, `${message}, in outer step ${step}`, { cause: error })
    return Object.assign(placed, { callback, step }, state && { result: this.#resultOf('failed', state) })
  }

  #resultOf(
    status: Status,
    { outerStep: steps, last, method }: Omit<RunState, 'method'> & Partial<RunState>,
  ): SolveResult {
    const { outerLoss, damping, fallbacks } = last
    const { curvature, differences } = this.#problem.oracles
    const known = Number.isNaN(last.residual) ? undefined : last.residual
    const at = { inner: read(last.inner), outer: read(last.outer) }
    return {
      status,
      advice: advice[status],
      ...at,
      hyperparameters: this.#problem.hyperparameters(this.#problem.start(0, at)),
      steps,
      outerLoss,
      residual: known,
      operator: known === undefined ? 'none' : curvature,
      damping,
      fallbacks: { ...fallbacks },
      ...(differences && { differences: { ...differences } }),
      seconds: { ...method?.scratch.clock.seconds, total: this.#elapsed() },
    }
  }

  #finish(status: Status, state: RunState): void {
    const result = this.#resultOf(status, state)
    const failed = status === 'diverged' && this.#options.throwOnFailure
    this.#end = failed
      ? { error: Object.assign(new NhgdError('ERR_DIVERGED', result.advice), { result }) }
      : { result }
  }
}

/**
 * Minimises Φ(v) = f(v, θ*(v)) with a method's hypergradients.
 *
 * @throws NhgdError `ERR_RANGE` for unknown options and for values that an option can't have.
 */
export function solve(problem: AnyProblem, options: SolveOptions = {}): Solve {
  return new Solve(problem, options)
}

/**
 * All that decides how a run goes on, as one archive in the layout of safetensors. It waits for the end of a step that
 * is under way; `onStep` may wait for it.
 *
 * @throws NhgdError `ERR_CHECKPOINT` for a run that diverged or failed.
 */
export async function save(run: Solve): Promise<Uint8Array> {
  having('a run of solve or resume', 'save')('run', run)
  return run.save()
}

/**
 * Goes on with a run that {@link save} wrote, with the same bits as if it had not been interrupted. The problem and
 * the options have to be those of the saved run, but for when it ends and what looks at it (`outerSteps`, `seconds`,
 * `tolerance`, `signal`, `onStep`, `throwOnFailure`); the seed is that of the archive. Functions in the options, such
 * as schedules of step sizes, and the samples, priors and groups of the problem are taken on trust.
 *
 * @throws NhgdError `ERR_CHECKPOINT`, from what is awaited first, for an archive of another method, of other settings,
 * of a problem of another shape, other settings or scalar type, or of another version, and for bytes that are truncated or no archive.
 */
export function resume(problem: AnyProblem, bytes: Uint8Array, options: SolveOptions = {}): Solve {
  if (arrayType(bytes) !== 'Uint8Array') refuse('bytes', 'Uint8Array', bytes, 'ERR_DTYPE')
  return new Solve(problem, options, bytes)
}
