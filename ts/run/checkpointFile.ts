import { flag, is, number, shape, whole } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { keptFiles, replaceFile, tryFolder } from '../backend/files.ts'
import { builtin } from '../backend/node.ts'
import { type Archive, readArchive } from './archive.ts'

/** Where and how often a run is written to a file (Node, Deno and Bun). */
export interface CheckpointOptions {
  /** The file. It is written beside its place first, and holds a whole checkpoint at any moment. */
  readonly file: string
  /** A checkpoint is written after so many outer steps. */
  readonly everySteps?: number
  /** And once so many seconds have passed; 60 by default where `everySteps` is absent. */
  readonly everySeconds?: number
  /** Older checkpoints that stay beside the file as `FILE.1`, the newest, `FILE.2`, …; 1 by default. */
  readonly keep?: number
  /** Whether to go on from the file where there is one; false by default. */
  readonly resume?: boolean
}

const fileName = is<string>('the name of a file', (value) => typeof value === 'string' && value !== '')

export const checkpointChecks = {
  file: fileName,
  everySteps: whole(1),
  everySeconds: number(0, Number.POSITIVE_INFINITY),
  keep: whole(0, 1000),
  resume: flag,
}

export const checkpointCheck = shape<CheckpointOptions>(checkpointChecks, ['file'])

/** Reads the last whole checkpoint of a file. */
export interface Found {
  readonly archive: Archive
  /** The file that it is from: the newest that is whole. */
  readonly file: string
  /** What is wrong with those that are newer, in sentences. */
  readonly damaged: readonly string[]
}

/**
 * The last whole checkpoint of a file and those that were kept beside it; nothing where there is no file.
 *
 * @throws NhgdError `ERR_CHECKPOINT` where none is whole, with what is wrong with each.
 */
export async function lastWhole(path: string): Promise<Found | undefined> {
  const damaged: string[] = []
  for (const file of await keptFiles(path)) {
    try {
      return { archive: readArchive(await builtin('node:fs').promises.readFile(file)), file, damaged }
    } catch (error) {
      damaged.push(`${file}: ${(error as Error).message.replace(/^.*, got /, '')}`)
    }
  }
  if (damaged.length === 0) return undefined
  throw new NhgdError('ERR_CHECKPOINT', `"file" expected a whole checkpoint, got ${damaged.join('; ')}`)
}

/** Writes a run to its file, when it is time to. */
export class CheckpointFile {
  readonly #options: CheckpointOptions
  #steps = -1
  #since = performance.now()

  constructor(options: CheckpointOptions) {
    this.#options = options
  }

  /**
   * What there is to go on from, if that is wanted.
   *
   * @throws NhgdError `ERR_CHECKPOINT` where nothing could be written to the file's folder, or no checkpoint is whole.
   */
  async open(): Promise<Found | undefined> {
    const { file, resume } = this.#options
    await this.#written(() => tryFolder(file))
    return resume ? lastWhole(file) : undefined
  }

  /** Whether it is time to write a run that has taken so many steps. */
  due(steps: number): boolean {
    const { everySteps, everySeconds = everySteps === undefined ? 60 : Number.POSITIVE_INFINITY } =
      this.#options
    return (
      steps - Math.max(0, this.#steps) >= (everySteps ?? Number.POSITIVE_INFINITY) ||
      performance.now() - this.#since >= 1000 * everySeconds
    )
  }

  /** Whether the file holds another count of steps. */
  behind(steps: number): boolean {
    return steps !== this.#steps
  }

  /** @throws NhgdError `ERR_CHECKPOINT` where the file could not be written; that of before is still there. */
  async write(bytes: Uint8Array, steps: number): Promise<void> {
    const { file, keep = 1 } = this.#options
    await this.#written(() => replaceFile(file, bytes, keep))
    this.wrote(steps)
  }

  /** Takes note that the file holds so many steps. */
  wrote(steps: number): void {
    this.#steps = steps
    this.#since = performance.now()
  }

  async #written(act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (cause) {
      const got = `"${this.#options.file}" (${(cause as Error).message})`
      const message = `"checkpoint.file" expected a file that can be written, got ${got}`
      throw new NhgdError('ERR_CHECKPOINT', message, { cause })
    }
  }
}
