import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { NhgdError } from '../backend/errors.ts'
import { dataError } from '../data/error.ts'

/** Options that say nothing unless another stands beside them. */
const beside = {
  trustedSize: 'demo',
  noise: 'demo',
  noiseKind: 'demo',
  seeds: 'demo',
  rivals: 'demo',
  labels: 'features',
  label: 'features',
  trusted: 'features',
  standardize: 'features',
  imageShape: 'features',
  suggestTrusted: 'features',
} as const

const outputs = ['out', 'weights', 'report', 'json'] as const

/** Refuses, before anything is read, what would be ignored and what could not be written at the end. */
export async function checkOptions(command: Command): Promise<void> {
  const given = (name: string) => command.getOptionValueSource(name) === 'cli'
  const long = (name: string) =>
    command.options.find((option) => option.attributeName() === name)?.long ?? name
  if (given('demo') && given('features')) {
    throw new NhgdError('ERR_RANGE', '"--features" expected no "--demo" beside it, got both')
  }
  for (const [name, other] of Object.entries(beside)) {
    if (given(name) && !given(other)) {
      throw new NhgdError('ERR_RANGE', `"${long(name)}" expected "${long(other)}" beside it, got none`)
    }
  }
  // Without trusted samples there are no weights, and nothing to report on.
  for (const name of ['weights', 'report']) {
    if (given(name) && !given('trusted') && !given('demo')) {
      throw new NhgdError('ERR_RANGE', `"${long(name)}" expected "--trusted" beside it, got none`)
    }
  }
  for (const name of outputs) {
    const path: string | undefined = command.getOptionValue(name)
    if (path !== undefined) await writable(`--${name}`, path)
  }
}

/** @throws NhgdError `ERR_DATA` where a file could not be written to `path`. */
export async function writable(name: string, path: string): Promise<void> {
  const refuse = (reason: string) => dataError(name, 'a file that can be written', `"${path}" (${reason})`)
  const there = await stat(path).catch(() => undefined)
  if (there?.isDirectory()) throw refuse('a folder')
  await access(there ? path : dirname(path), constants.W_OK).catch((error: Error) => {
    throw refuse(error.message)
  })
}
