#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { NhgdError } from '../backend/errors.ts'
import { cleanCommand } from './clean.ts'
import { info } from './info.ts'
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
  .addCommand(
    new Command('info')
      .description('tell which backend runs here, and why others do not')
      .action(async () => {
        console.log(JSON.stringify(await info(), null, 2))
      }),
  )
for (const command of program.commands) command.exitOverride().copyInheritedSettings(program)

/** The message with the option's spelling where it names an argument that an option sets. */
function inOptions(message: string): string {
  const options = program.commands.flatMap((command) => command.options)
  return message.replace(/^"(\w+)" expected/, (whole, name) => {
    const option = options.find((option) => option.attributeName() === name)
    return option ? `"${option.long}" expected` : whole
  })
}

/** 0 done, 1 failed, 2 misuse. */
async function main(): Promise<number> {
  try {
    await program.parseAsync()
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof NhgdError) {
      console.error(`nhgd: ${inOptions(error.message)} (${error.code})`)
      return misuse.has(error.code) ? 2 : 1
    }
    console.error(error)
    return 1
  }
}

main().then((code) => {
  process.exitCode = code
})
