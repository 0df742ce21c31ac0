import type { Backend } from '../backend/backend.ts'
import { shape } from '../backend/check.ts'
import type { Communicator } from '../backend/communicator.ts'
import { scoped } from '../backend/scope.ts'
import { type Tensor, writeArchive } from '../run/archive.ts'
import { plain, same } from '../run/checkpoint.ts'
import {
  CheckpointFile,
  type CheckpointOptions,
  checkpointChecks,
  type Found,
} from '../run/checkpointFile.ts'
import { pack, unpack } from '../run/packed.ts'
import { Ranks } from '../run/ranks.ts'

/** Where and how often a task is written to a file: after a stage or an outer step, once it is time to. */
export type TaskCheckpoint = Omit<CheckpointOptions, 'everySteps'>

const { everySteps: _, ...checks } = checkpointChecks
export const taskCheckpointCheck = shape<TaskCheckpoint>(checks, ['file'])

/**
 * What the stages of a task gave: data without classes or functions. A checkpoint keeps it, so that a task that goes on
 * takes it from there. Each stage is computed from settings, data and earlier stages alone. On several ranks all of them
 * have all of it, and rank 0 alone has the file.
 */
export class Stages {
  /** The ranks that do the task. */
  readonly ranks: Ranks
  /** Whether there is a file: an abort then gives no result, and what the stages gave goes to the file. */
  readonly kept: boolean
  /** Where the task went on from. */
  readonly resumed: Pick<Found, 'file' | 'damaged'> | undefined
  readonly #outcomes: Map<string, unknown>
  readonly #file: CheckpointFile | undefined
  readonly #about: object
  #written = true
  #writing = Promise.resolve()

  private constructor(
    about: object,
    ranks: Ranks,
    kept: boolean,
    file?: CheckpointFile,
    { archive, ...from }: Partial<Found> = {},
  ) {
    this.ranks = ranks
    this.kept = kept
    this.#about = about
    this.#file = file
    const outcomes = archive && unpack((archive.about as { stages: object }).stages, archive.tensors)
    this.#outcomes = new Map(Object.entries(outcomes ?? {}))
    this.resumed = archive && (from as Found)
  }

  /**
   * `about` tells the task from others: its name, version, settings and data.
   *
   * @throws NhgdError `ERR_CHECKPOINT` where the file is that of another task, or can't be written.
   */
  static async open(about: object, checkpoint?: TaskCheckpoint, ranks = new Ranks()): Promise<Stages> {
    if (!checkpoint) return new Stages(about, ranks, false)
    const file = ranks.writes ? new CheckpointFile(checkpoint) : undefined
    let found: Found | undefined
    const archive = await ranks.shared(async () => {
      found = await file?.open()
      return found?.archive
    })
    const { archive: _, ...from } = found ?? {}
    const where = await ranks.agreed(archive && from)
    const saved = archive?.about as { about?: object } | null | undefined
    if (archive) same('checkpoint', plain(about), saved?.about ?? {})
    return new Stages(about, ranks, true, file, { archive, ...where })
  }

  /** What a stage gives: what the file has of it, or else what `work` gives. */
  async take<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    if (this.#outcomes.has(name)) return this.#outcomes.get(name) as T
    const outcome = await work()
    await this.#keep([name], [outcome])
    return outcome
  }

  /** The same for stages that do not depend on each other, which the ranks share out. */
  async takeEach<T>(names: readonly string[], work: (stage: number) => Promise<T>): Promise<T[]> {
    const all = names.map((name) => this.#outcomes.get(name) as T)
    const missing = Array.from(names.keys()).filter((stage) => !this.#outcomes.has(names[stage]))
    for (let at = 0; at < missing.length; at += this.ranks.size) {
      const next = missing.slice(at, at + this.ranks.size)
      const outcomes = await this.ranks.sharedOut(next.length, (k) => work(next[k]))
      for (const [k, outcome] of outcomes.entries()) all[next[k]] = outcome
      await this.#keep(
        next.map((stage) => names[stage]),
        outcomes,
      )
    }
    return all
  }

  async #keep(names: readonly string[], outcomes: readonly unknown[]): Promise<void> {
    await this.ranks.heed()
    if (!this.kept) return
    this.ranks.signal?.throwIfAborted() // which may have cut the work short
    if (this.#file) {
      for (const [k, name] of names.entries()) {
        this.#outcomes.delete(part(name))
        this.#outcomes.set(name, outcomes[k])
      }
      this.#written = false
    }
    await this.ranks.together(async () => {
      if (this.#file?.due(0)) await this.write()
    })
  }

  /** What the file has of a stage that had not ended. */
  begun<T>(name: string): T | undefined {
    return this.#outcomes.get(part(name)) as T | undefined
  }

  /** Keeps what a stage has so far, where it is time to write. */
  async soFar(name: string, state: () => Promise<object>): Promise<void> {
    await this.ranks.heed()
    if (!this.kept) return
    const due = await this.ranks.some(this.#file?.due(0) ?? false)
    if (!(this.ranks.signal?.aborted || due)) return
    const outcome = await state()
    await this.ranks.together(async () => {
      if (!this.#file) return
      this.#outcomes.set(part(name), outcome)
      this.#written = false
      await this.write()
    })
  }

  /** Writes what there is that the file has not. */
  write(): Promise<void> {
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    if (!this.#file || this.#written) return
    const tensors = new Map<string, Tensor>()
    const stages = pack(Object.fromEntries(this.#outcomes), 'stage', tensors)
    this.#written = true // of what comes meanwhile it is said that it is not
    try {
      await this.#file.write(writeArchive({ about: { about: plain(this.#about), stages }, tensors }), 0)
    } catch (error) {
      this.#written = false
      throw error
    }
  }
}

/** What every task that is kept has. */
interface Kept {
  readonly backend: Backend
  readonly signal?: AbortSignal
  readonly communicator?: Communicator
  readonly checkpoint?: TaskCheckpoint
}

/**
 * Does a task in stages, on a backend whose handles end with it; where it is aborted, what the stages gave is written.
 * `about` tells the task from others.
 *
 * @throws NhgdError `ERR_RANK` where ranks have other options or data.
 */
export async function inStages<S extends Kept, R extends object>(
  settings: S,
  about: (settings: S) => object,
  work: (settings: S, stages: Stages) => Promise<R>,
): Promise<R & { readonly resumed?: NonNullable<Stages['resumed']> }> {
  const { backend, checkpoint, communicator } = settings
  const ranks = new Ranks(communicator, settings.signal)
  const { signal } = ranks
  const own = checkpoint || ranks.several ? about(settings) : {}
  await ranks.alike(own)
  const stages = await Stages.open(own, checkpoint, ranks)
  // Whoever ends the ranks may not wait for what is under way.
  const early = () => void stages.write().catch(() => {})
  if (ranks.several) settings.signal?.addEventListener('abort', early, { once: true })
  try {
    const task = () => scoped(backend, (own) => work({ ...settings, signal, backend: own }, stages))
    const result = await ranks.together(task)
    return stages.resumed ? { ...result, resumed: stages.resumed } : result
  } catch (error) {
    if (signal?.aborted) await stages.write()
    throw error
  } finally {
    settings.signal?.removeEventListener('abort', early)
  }
}

const part = (name: string) => `${name}, begun`
