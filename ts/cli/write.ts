import { stat, writeFile } from 'node:fs/promises'
import { replaceFile } from '../backend/files.ts'
import { leads } from './ranks.ts'

/** What stands for standard input or output in the place of a file. */
export const PIPE = '-'

/**
 * Writes a whole file, or leaves what was there: the content goes to a file beside it, which takes its name in the end.
 * Devices are written to as they are, and `-` is standard output. Of several ranks, rank 0 alone writes.
 */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  if (!leads()) return
  if (path === PIPE) {
    return new Promise((resolve, reject) => {
      process.stdout.write(content, (error) => {
        const deaf = (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE'
        return error && !deaf ? reject(error) : resolve()
      })
    })
  }
  const there = await stat(path).catch(() => undefined)
  if (there && !there.isFile()) return writeFile(path, content)
  return replaceFile(path, content)
}

/**
 * Writes what there is to write, each output whether or not others fail.
 *
 * @throws the last failure; those before it are told.
 */
export async function writeAll(
  writes: readonly ((() => Promise<void>) | '' | false | undefined)[],
): Promise<void> {
  const ended = await Promise.allSettled(writes.map((write) => (write ? write() : undefined)))
  const failures = ended.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
  for (const failure of failures.slice(0, -1)) console.error(`nhgd: ${failure.message}`)
  if (failures.length > 0) throw failures.at(-1)
}
