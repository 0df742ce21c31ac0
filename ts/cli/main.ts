#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander'
import { together } from '../backend/communicator.ts'
import { NhgdError } from '../backend/errors.ts'
import { cleanCommand } from './clean.ts'
import { distillCommand } from './distill.ts'
import { influenceCommand } from './influence.ts'
import { info } from './info.ts'
import { isInterruption } from './interrupts.ts'
import { predictCommand } from './predict.ts'
import { joinRanks, ranks, turnToTell } from './ranks.ts'
import { reviewCommand } from './review.ts'
import { inOptions } from './spelling.ts'
import { tuneCommand } from './tune.ts'
import { version } from './version.ts'

const misuse = new Set([
  'ERR_SHAPE',
  'ERR_DTYPE',
  'ERR_RANGE',
  'ERR_NOT_FINITE',
  'ERR_DATA',
  'ERR_BACKEND',
  'ERR_CHECKPOINT',
])

const program = new Command('nhgd')
  .description('Hypergradients for data: find wrong labels and weigh samples')
  .version(version)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'nhgd: ')) })
  .addCommand(cleanCommand())
  .addCommand(reviewCommand())
  .addCommand(predictCommand())
  .addCommand(tuneCommand())
  .addCommand(distillCommand())
  .addCommand(influenceCommand())
  .addCommand(
    new Command('info')
      .description('tell which backend runs here, and why others do not')
      .addOption(new Option('--tune', 'tell what kernels chose by the caches of the machine').hideHelp())
      .action(async (options) => {
        console.log(JSON.stringify(await info(options), null, 2))
      }),
  )
for (const command of program.commands) command.exitOverride().copyInheritedSettings(program)

/** 0 done, 1 failed, 2 misuse, 130, 143 or 140 interrupted before there was anything to tell. */
async function main(): Promise<number> {
  try {
    await joinRanks(async (error) => process.exit(await fail(error)))
    return await together(ranks(), command)
  } catch (error) {
    return fail(error)
  }
}

async function command(): Promise<number> {
  try {
    await program.parseAsync()
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    throw error
  }
}

/** Tells of an error where it is this rank's turn; returns the exit code. */
async function fail(error: unknown): Promise<number> {
  const rank = await turnToTell(error)
  if (rank !== undefined) console.error(...toldOf(error, rank))
  return exitCodeOf(error)
}

/** What is printed of an error: failures of the system, such as a full disk, in its words and without a stack. */
function toldOf(error: unknown, rank: string): unknown[] {
  const about = (message: string) => [`nhgd: ${rank}${message}`]
  if (isInterruption(error)) {
    const { advice = 'before there was a result: nothing was written' } = error
    return about(`interrupted${error.advice ? ':' : ''} ${advice}`)
  }
  if (error instanceof NhgdError) {
    const options = program.commands.flatMap((command) => command.options)
    const message = error.message.replace(/^"\w+" expected/, (start) => inOptions(start, options))
    return about(`${message} (${error.code})`)
  }
  if ((error as NodeJS.ErrnoException).syscall) return about((error as Error).message)
  return rank ? [`nhgd: ${rank}`, error] : [error]
}

function exitCodeOf(error: unknown): number {
  if (isInterruption(error)) return error.exitCode ?? 130
  if (!(error instanceof NhgdError)) return 1
  const bySystem = (error.cause as NodeJS.ErrnoException | undefined)?.syscall !== undefined
  return misuse.has(error.code) && !(bySystem && error.code === 'ERR_CHECKPOINT') ? 2 : 1
}

// Whoever reads the output may stop, as `head` does; files are written all the same.
let unwritten = 0
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return
  if (!unwritten) console.error(`nhgd: ${error.message}`)
  unwritten = 1
  process.exitCode ||= 1
})
process.stderr.on('error', () => {})

main().then((code) => {
  process.exitCode = code || unwritten
  // Other ranks may wait for this one, which ends them too.
  if (process.exitCode && ranks().size > 1) process.exit()
})
