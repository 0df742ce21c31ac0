import { rm } from 'node:fs/promises'
import type { Command } from 'commander'
import { keptFiles } from '../backend/files.ts'
import { dataError } from '../data/error.ts'
import type { Stages, TaskCheckpoint } from '../tasks/stages.ts'
import { isInterruption } from './interrupts.ts'
import { leads } from './ranks.ts'
import { PIPE } from './write.ts'

export interface CheckpointOptions {
  readonly checkpoint?: string
  readonly resume: boolean
}

/** Adds the options that keep what was computed. */
export function checkpointOptions(command: Command): Command {
  return command
    .option('--checkpoint <file>', 'keep in this file what was computed, and remove it once all is written')
    .option('--resume', 'go on from the file of --checkpoint, if it is there', false)
}

/**
 * Where the task is to keep what it computed.
 *
 * @throws NhgdError `ERR_DATA` where the file is there and nobody said what to do with it.
 */
export async function checkpointOf({
  checkpoint: file,
  resume,
}: CheckpointOptions): Promise<TaskCheckpoint | undefined> {
  if (file === undefined) return undefined
  if (file === PIPE) throw dataError('--checkpoint', 'a file', 'the pipe')
  if (!resume && leads() && (await keptFiles(file)).length > 0) {
    throw dataError('--checkpoint', 'a new file, or "--resume" beside it', `"${file}", which is there`)
  }
  return { file, resume }
}

/** Says where a task went on from, if it did, and what is wrong with newer checkpoints. */
export function tellResumed(resumed: Stages['resumed'], say: (line: string) => void): void {
  if (resumed) say(`went on from ${resumed.file}`)
  for (const damaged of resumed?.damaged ?? []) console.error(`nhgd: a checkpoint was damaged: ${damaged}`)
}

/** Removes the file and those beside it, once nobody needs them any more. */
export async function removeCheckpoint({ checkpoint }: CheckpointOptions): Promise<void> {
  if (checkpoint === undefined || !leads()) return
  for (const file of await keptFiles(checkpoint)) await rm(file, { force: true })
}

/** Lets the error of an interrupted command say how to go on, where there is a file. */
export function howToGoOn({ checkpoint }: CheckpointOptions): (error: unknown) => Promise<never> {
  return async (error) => {
    if (isInterruption(error) && checkpoint !== undefined && (await keptFiles(checkpoint)).length > 0) {
      error.advice = `what was computed is in ${checkpoint}: run the same command with --resume`
    }
    throw error
  }
}
