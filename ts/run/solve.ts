import { arrayType } from '../backend/arrays.ts'
import { read } from '../backend/backend.ts'
import { checkOptions, having, refuse, refuseDisposed } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { Breather } from '../hypergradient/clock.ts'
import type { Estimate } from '../methods/method.ts'
import { type AnyProblem, problemCheck } from '../problems/problem.ts'
import { type Archive, readArchive } from './archive.ts'
import { recordOf, restoreState, saveState } from './checkpoint.ts'
import { CheckpointFile, type Found, lastWhole } from './checkpointFile.ts'
import { optionChecks, type Progress, type SolveOptions } from './options.ts'
import { Ranks } from './ranks.ts'
import { disposeRecord, vectorsOf } from './record.ts'
import { goBack, type RunState, startingPoint, startRun, takeStep } from './state.ts'

/** The state of a run, whose method may not have begun. */
type AnyState = Omit<RunState, 'method'> & Partial<RunState>

/** Stands for work that the signal cut short. */
const cut = Symbol('cut')

/** How a run ended. */
export type Status = 'converged' | 'outerSteps' | 'seconds' | 'stopped' | 'aborted' | 'diverged' | 'failed'

const advice: Record<Status, string> = {
  converged: 'the hypergradient is below the tolerance',
  outerSteps: 'the outer steps are used up: raise "outerSteps" if the outer loss still falls',
  seconds: 'the time is used up: raise "seconds" if the outer loss still falls',
  stopped: 'ended by onStep, or by leaving the loop over its steps',
  aborted: 'ended by its signal; the result is that of the last whole step',
  failed:
    'a function of the problem or a write failed, see the error; the result is that of the last whole step',
  diverged:
    'the loss or a variable stopped being finite, or the loss grew a million million times: lower the inner or the outer rate, set "retryRate", or raise "damping"; the result is the last finite point',
}

/** The advice where the last hypergradient was zero to rounding, and the run ended as one that goes well does. */
const flat: typeof advice = {
  ...advice,
  ...Object.fromEntries(
    (['converged', 'outerSteps', 'seconds'] as const).map((status) => [
      status,
      'the hypergradient is zero to rounding: this is an optimum, or v is where it no longer changes anything, as where weights are 0 or 1; if so, start from another "outer", or keep v in a "box"',
    ]),
  ),
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
  /** ‖∇Φ‖ as the method estimated it there. */
  readonly hypergradientNorm: number
  /** Residual of the last linear solve, see {@link Estimate}. */
  readonly residual?: number
  /** The operator C of the residual. */
  readonly operator: Estimate['operator']
  readonly damping: number
  readonly fallbacks: Estimate['fallbacks']
  /** Callbacks of a custom problem that differences stood for, and by how much these disagreed at the worst. */
  readonly differences?: Readonly<Record<string, number>>
  /** Where a run that went on from a file took it from, and what was wrong with newer checkpoints. */
  readonly resumed?: { readonly file: string; readonly damaged: readonly string[] }
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

  #problem: AnyProblem
  /** The same, which lets the event loop run and rests where the signal aborted. */
  #paced: AnyProblem
  readonly #options: SolveOptions
  readonly #saved: Uint8Array | string | undefined
  readonly #file: CheckpointFile | undefined
  readonly #ranks: Ranks
  readonly #breather = new Breather(() => this.#rest)
  /** What a step that was cut short waits for. */
  #rest: Promise<void> | undefined
  #wake = () => {}
  /** Where what a run goes on from was found. */
  #found: Omit<Found, 'archive'> | undefined
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
  #disposed = false
  /** Steps and saves happen one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  /** `saved` is the archive to go on from, or its file. */
  constructor(problem: AnyProblem, options: SolveOptions, saved?: Uint8Array | string) {
    this.#problem = problemCheck('problem', problem) as AnyProblem
    this.#paced = this.#pacedProblem()
    this.#options = checkOptions(options, optionChecks)
    this.#ranks = new Ranks(this.#options.communicator)
    this.#saved = saved
    this.#file = this.#options.checkpoint && new CheckpointFile(this.#options.checkpoint)
  }

  #pacedProblem(): AnyProblem {
    return this.#problem.paced(() => this.#breather.due())
  }

  /** See {@link save}. */
  async save(): Promise<Uint8Array> {
    this.#resume()
    const state = await this.#started()
    return this.#inTurn(async () => {
      if (!this.#whole) {
        throw new NhgdError(
          'ERR_CHECKPOINT',
          '"run" expected a run whose last step was whole, got one that failed',
        )
      }
      return saveState(this.#paced, this.#options, state)
    })
  }

  /**
   * Ends the run after the step that is under way, and frees what it holds in the backend. Its result stays; its vectors
   * and `save` are `ERR_DISPOSED` from then on.
   */
  async dispose(): Promise<void> {
    this.#left = true
    this.#resume()
    while (this.#state && !this.#end) await this.#advance()
    this.#disposed = true
    const state = await this.#state?.catch(() => undefined)
    if (state) await this.#inTurn(async () => disposeRecord(recordOf(state)))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
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
    const state = await this.#cuttable(this.#started())
    if (state === cut) return this.#finish('aborted', startingPoint(this.#problem, this.#options))
    const { outerSteps = 100, tolerance = 0, onStep } = this.#options
    const before = await this.#ranks.agreed(this.#over(state.outerStep))
    if (before) return this.#last(before, state)
    const work = this.#inTurn(async () => {
      this.#whole = false
      const taken = await takeStep(this.#paced, this.#options, state)
      this.#whole = taken !== undefined
      return taken
    })
    const taken = await this.#cuttable(work)
    if (taken === cut) return this.#finish('aborted', state)
    if (!taken) return this.#diverged(state)
    const { outerStep: step, point } = state
    const { outerLoss, residual } = taken.estimate
    const progress: Progress = { step, outerLoss, residual, ...taken, seconds: this.#elapsed(), point }
    const go = await this.#ranks.together(() => onStep?.(progress))
    for (const queue of this.#queues) queue.push(progress)
    await this.#ranks.compare(step, point)
    if (await this.#ranks.agreed(go === false || undefined)) return this.#last('stopped', state)
    if (taken.hypergradientNorm < tolerance) return this.#last('converged', state)
    if (step >= outerSteps) return this.#last('outerSteps', state)
    if (this.#file && (await this.#ranks.agreed(this.#file.due(step) || undefined))) {
      await this.#write(this.#file, state)
    }
    await this.#breather.due()
  }

  /** Goes back to the last whole step where that is asked for, once; else ends the run. */
  async #diverged(state: RunState): Promise<void> {
    const { retryRate } = this.#options
    if (retryRate === undefined || state.slowed !== undefined) return this.#finish('diverged', state)
    this.#state = goBack(this.#paced, this.#options, state, retryRate)
    await this.#state
    this.#whole = true
  }

  /**
   * What comes of some work, or `cut` as soon as the signal aborts: the work then rests at its next oracle until a save
   * wants it whole. Nothing is cut that has to go to a file, or comes from one.
   */
  async #cuttable<T>(work: Promise<T>): Promise<T | typeof cut> {
    const { signal } = this.#options
    if (!signal || this.#file || this.#saved || this.#ranks.several) return work
    let abort = () => {}
    const aborted = new Promise<typeof cut>((resolve) => {
      abort = () => {
        this.#rest = new Promise((wake) => {
          this.#wake = wake
        })
        resolve(cut)
      }
    })
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    try {
      return await Promise.race([work, aborted])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** Lets a step that was cut short go on. */
  #resume(): void {
    this.#rest = undefined
    this.#wake()
  }

  /** Writes the run to its file. */
  async #write(file: CheckpointFile, state: RunState): Promise<void> {
    try {
      const bytes = await this.save()
      await this.#ranks.together(async () => {
        if (this.#ranks.writes) await file.write(bytes, state.outerStep)
        else file.wrote(state.outerStep)
      })
    } catch (error) {
      throw Object.assign(error as NhgdError, { result: this.#resultOf('failed', state) })
    }
  }

  /** Ends the run after a whole step. */
  async #last(status: Status, state: RunState): Promise<void> {
    if (this.#file?.behind(state.outerStep)) await this.#write(this.#file, state)
    this.#finish(status, state)
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
    if (this.#disposed) return Promise.resolve().then(() => refuseDisposed('run', 'one'))
    this.#state ??= this.#start()
    return this.#state
  }

  async #start(): Promise<RunState> {
    this.#began = performance.now()
    const { communicator } = this.#options
    if (communicator) {
      this.#problem = await this.#problem.over(communicator)
      this.#paced = this.#pacedProblem()
    }
    const archive = await this.#ranks.shared(() => this.#archive())
    this.#found = await this.#ranks.agreed(this.#found)
    if (!archive) return startRun(this.#paced, this.#options)
    const state = await restoreState(this.#paced, this.#options, archive)
    const { file } = this.#found ?? {}
    if (this.#found?.damaged.length === 0 && file === this.#options.checkpoint?.file) {
      this.#file?.wrote(state.outerStep)
    }
    return state
  }

  /** What to go on from. */
  async #archive(): Promise<Archive | undefined> {
    const saved = this.#saved
    let found = await this.#file?.open()
    if (typeof saved === 'object') return readArchive(saved)
    if (saved !== undefined) found = await lastWhole(saved)
    this.#found = found && { file: found.file, damaged: found.damaged }
    if (saved === undefined || found) return found?.archive
    throw new NhgdError('ERR_CHECKPOINT', `"file" expected a checkpoint, got no file "${saved}"`)
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
    const start = () => (this.#saved || this.#found ? undefined : startingPoint(this.#problem, this.#options))
    const state = await this.#started().catch(start)
    const step = (state?.outerStep ?? 0) + 1
    const placed = new NhgdError(code, `${message}, in outer step ${step}`, { cause: error })
    return Object.assign(placed, { callback, step }, state && { result: this.#resultOf('failed', state) })
  }

  #resultOf(status: Status, { outerStep: steps, last, method }: AnyState): SolveResult {
    const { outerLoss, hypergradientNorm, damping, fallbacks } = last
    const isFlat = hypergradientNorm <= Number.EPSILON * Math.abs(outerLoss)
    const { curvature, differences } = this.#problem.oracles
    const known = Number.isNaN(last.residual) ? undefined : last.residual
    const at = { inner: read(last.inner), outer: read(last.outer) }
    const point = this.#problem.start(0, at)
    const hyperparameters = this.#problem.hyperparameters(point)
    disposeRecord(vectorsOf(point))
    return {
      status,
      advice: (isFlat ? flat : advice)[status],
      ...at,
      hyperparameters,
      steps,
      outerLoss,
      hypergradientNorm,
      residual: known,
      operator: known === undefined ? 'none' : curvature,
      damping,
      fallbacks: { ...fallbacks },
      ...(this.#found && { resumed: { file: this.#found.file, damaged: this.#found.damaged } }),
      ...(differences && { differences: { ...differences } }),
      seconds: { ...method?.scratch.clock.seconds, total: this.#elapsed() },
    }
  }

  #finish(status: Status, state: AnyState): void {
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
 * is under way, one that a signal cut short too; `onStep` may wait for it.
 *
 * @throws NhgdError `ERR_CHECKPOINT` for a run that diverged or failed.
 */
export async function save(run: Solve): Promise<Uint8Array> {
  having('a run of solve or resume', 'save')('run', run)
  return run.save()
}

/**
 * Goes on with a run that {@link save} wrote, or with the last whole checkpoint of a file, with the same bits as if it
 * had not been interrupted (to rounding on another backend). The problem and the options have to be those of the saved
 * run, but for when it ends and what looks at it (`outerSteps`, `seconds`, `tolerance`, `signal`, `checkpoint`, `onStep`,
 * `throwOnFailure`); the seed is that of the archive. Functions, such as schedules of step sizes and those of a custom
 * problem, are taken on trust, and of a matrix of more than 1 MiB a part is compared.
 *
 * @throws NhgdError `ERR_CHECKPOINT`, from what is awaited first, for an archive of another method, of other settings,
 * of another problem, other data or another scalar type, or of another version, and for bytes that are truncated, damaged
 * or no archive.
 */
export function resume(problem: AnyProblem, from: Uint8Array | string, options: SolveOptions = {}): Solve {
  if (typeof from !== 'string' && arrayType(from) !== 'Uint8Array') {
    refuse('bytes', 'Uint8Array or the name of a file', from, 'ERR_DTYPE')
  }
  return new Solve(problem, options, from)
}
