#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander'
import { NhgdError } from '../backend/errors.ts'
import { cleanCommand } from './clean.ts'
import { distillCommand } from './distill.ts'
import { influenceCommand } from './influence.ts'
import { info } from './info.ts'
import { Interrupted } from './interrupts.ts'
import { predictCommand } from './predict.ts'
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

/** How many processes a launcher of MPI started of this command, and which of them this is. */
const ranks = {
  size: Number(process.env.OMPI_COMM_WORLD_SIZE ?? process.env.PMI_SIZE ?? 1),
  rank: Number(process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK ?? 0),
}

/** 0 done, 1 failed, 2 misuse, 130 or 143 interrupted before there was anything to tell. */
async function main(): Promise<number> {
  if (ranks.size > 1) {
    const advice = 'start it without mpirun, or call solve(problem, { communicator })'
    if (ranks.rank === 0) console.error(`nhgd: a command is one process, got ${ranks.size}: ${advice}`)
    return 2
  }
  try {
    await program.parseAsync()
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof Interrupted) {
      const { advice = 'before there was a result: nothing was written', exitCode } = error
      console.error(`nhgd: interrupted${error.advice ? ':' : ''} ${advice}`)
      return exitCode
    }
    if (error instanceof NhgdError) {
      const options = program.commands.flatMap((command) => command.options)
      const message = error.message.replace(/^"\w+" expected/, (start) => inOptions(start, options))
      console.error(`nhgd: ${message} (${error.code})`)
      const bySystem = (error.cause as NodeJS.ErrnoException | undefined)?.syscall !== undefined
      return misuse.has(error.code) && !(bySystem && error.code === 'ERR_CHECKPOINT') ? 2 : 1
    }
    // Failures of the system, such as a full disk, are told in its words and without a stack.
    console.error((error as NodeJS.ErrnoException).syscall ? `nhgd: ${(error as Error).message}` : error)
    return 1
  }
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
})
