import type { Backend } from '../backend/backend.ts'
import { shape } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { scoped } from '../backend/scope.ts'
import { type Tensor, writeArchive } from '../run/archive.ts'
import { plain, same } from '../run/checkpoint.ts'
import {
  CheckpointFile,
  type CheckpointOptions,
  checkpointChecks,
  type Found,
} from '../run/checkpointFile.ts'

/** Where and how often a task is written to a file: after a stage or an outer step, once it is time to. */
export type TaskCheckpoint = Omit<CheckpointOptions, 'everySteps'>

const { everySteps: _, ...checks } = checkpointChecks
export const taskCheckpointCheck = shape<TaskCheckpoint>(checks, ['file'])

/**
 * What the stages of a task gave: data without classes or functions. A checkpoint keeps it, so that a task that goes on
 * takes it from there. Each stage is computed from settings, data and earlier stages alone.
 */
export class Stages {
  /** Where the task went on from. */
  readonly resumed: Pick<Found, 'file' | 'damaged'> | undefined
  readonly #outcomes: Map<string, unknown>
  readonly #file: CheckpointFile | undefined
  readonly #about: object
  readonly #signal: AbortSignal | undefined
  #written = true

  private constructor(
    about: object,
    signal: AbortSignal | undefined,
    file?: CheckpointFile,
    { archive, ...from }: Partial<Found> = {},
  ) {
    this.#about = about
    this.#signal = signal
    this.#file = file
    const kept = archive && unpack((archive.about as { stages: object }).stages, archive.tensors)
    this.#outcomes = new Map(Object.entries(kept ?? {}))
    this.resumed = archive && (from as Found)
  }

  /**
   * `about` tells the task from others: its name, version, settings and data.
   *
   * @throws NhgdError `ERR_CHECKPOINT` where the file is that of another task, or can't be written.
   */
  static async open(about: object, checkpoint?: TaskCheckpoint, signal?: AbortSignal): Promise<Stages> {
    if (!checkpoint) return new Stages(about, signal)
    const file = new CheckpointFile(checkpoint)
    const found = await file.open()
    const saved = found?.archive.about as { about?: object } | null | undefined
    if (found) same('checkpoint', plain(about), saved?.about ?? {})
    return new Stages(about, signal, file, found)
  }

  /** Whether there is a file: an abort then gives no result, and what the stages gave goes to the file. */
  get kept(): boolean {
    return this.#file !== undefined
  }

  /** What a stage gives: what the file has of it, or else what `work` gives. */
  async take<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    if (this.#outcomes.has(name)) return this.#outcomes.get(name) as T
    const outcome = await work()
    if (!this.#file) return outcome
    this.#signal?.throwIfAborted() // which may have cut the work short
    this.#outcomes.delete(part(name))
    this.#outcomes.set(name, outcome)
    this.#written = false
    if (this.#file.due(0)) await this.write()
    return outcome
  }

  /** What the file has of a stage that had not ended. */
  begun<T>(name: string): T | undefined {
    return this.#outcomes.get(part(name)) as T | undefined
  }

  /** Keeps what a stage has so far, where it is time to write. */
  async soFar(name: string, state: () => Promise<object>): Promise<void> {
    if (!this.#file || !(this.#signal?.aborted || this.#file.due(0))) return
    this.#outcomes.set(part(name), await state())
    this.#written = false
    await this.write()
  }

  /** Writes what there is that the file has not. */
  async write(): Promise<void> {
    if (!this.#file || this.#written) return
    const tensors = new Map<string, Tensor>()
    const stages = pack(Object.fromEntries(this.#outcomes), 'stage', tensors)
    await this.#file.write(writeArchive({ about: { about: plain(this.#about), stages }, tensors }), 0)
    this.#written = true
  }
}

/** What every task that is kept has. */
interface Kept {
  readonly backend: Backend
  readonly signal?: AbortSignal
  readonly checkpoint?: TaskCheckpoint
}

/**
 * Does a task in stages, on a backend whose handles end with it; where it is aborted, what the stages gave is written.
 * `about` tells the task from others.
 */
export async function inStages<S extends Kept, R extends object>(
  settings: S,
  about: (settings: S) => object,
  work: (settings: S, stages: Stages) => Promise<R>,
): Promise<R & { readonly resumed?: NonNullable<Stages['resumed']> }> {
  const { backend, checkpoint, signal } = settings
  const stages = await Stages.open(checkpoint ? about(settings) : {}, checkpoint, signal)
  try {
    const result = await scoped(backend, (own) => work({ ...settings, backend: own }, stages))
    return stages.resumed ? { ...result, resumed: stages.resumed } : result
  } catch (error) {
    if (signal?.aborted) await stages.write()
    throw error
  }
}

const part = (name: string) => `${name}, begun`

const isTensor = (value: object): value is Tensor => ArrayBuffer.isView(value)

/** Data as JSON, and its arrays of numbers as tensors that the JSON names. */
function pack(value: unknown, path: string, tensors: Map<string, Tensor>): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return { $number: String(value) }
  if (typeof value !== 'object' || value === null) return value
  if (isTensor(value)) {
    tensors.set(path, value)
    return { $tensor: path }
  }
  if (Array.isArray(value)) return value.map((entry, i) => pack(entry, `${path}.${i}`, tensors))
  const entries = Object.entries(value)
  return Object.fromEntries(entries.map(([name, entry]) => [name, pack(entry, `${path}.${name}`, tensors)]))
}

function unpack(value: unknown, tensors: ReadonlyMap<string, Tensor>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((entry) => unpack(entry, tensors))
  const { $number, $tensor } = value as { $number?: string; $tensor?: string }
  if ($number !== undefined) return Number($number)
  if ($tensor === undefined) {
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, unpack(entry, tensors)]))
  }
  const tensor = tensors.get($tensor)
  if (tensor) return tensor
  throw new NhgdError('ERR_CHECKPOINT', `"${$tensor}" expected saved numbers, got none`)
}
