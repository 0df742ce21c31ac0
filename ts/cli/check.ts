import { constants } from 'node:fs'
import { access, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { NhgdError } from '../backend/errors.ts'
import { dataError } from '../data/error.ts'
import { arrayOf, isCsv, isTableFile } from '../data/formats.ts'
import { leads, ranks } from './ranks.ts'
import { PIPE } from './write.ts'

/** Options that need another option beside them. */
const beside = {
  trustedSize: 'demo',
  noise: 'demo',
  noiseKind: 'demo',
  seeds: 'demo',
  rivals: 'demo',
  labels: 'features',
  label: 'features',
  trusted: 'features',
  checked: 'features',
  checkedColumn: 'features',
  before: 'features',
  predProbs: 'features',
  ignore: 'features',
  id: 'features',
  groupColumn: 'features',
  timeColumn: 'features',
  impute: 'features',
  header: 'features',
  standardize: 'features',
  imageShape: 'features',
  model: 'features',
  suggestTrusted: 'features',
  resume: 'checkpoint',
  weighting: 'trusted',
  holdout: 'trusted',
} as const

const inputs = [
  'features',
  'labels',
  'trusted',
  'checked',
  'before',
  'model',
  'predProbs',
  'targets',
  'groups',
  'train',
  'test',
  'testLabels',
] as const
const outputs = ['out', 'values', 'weights', 'report', 'json'] as const

/** Refuses, before anything is read, options that would be ignored and outputs that could not be written. */
export async function checkOptions(command: Command): Promise<void> {
  const given = (name: string) => command.getOptionValueSource(name) === 'cli'
  const value = (name: string): string | undefined => command.getOptionValue(name)
  const long = (name: string) => {
    const negated = (value(name) as unknown) === false
    const named = command.options.filter((option) => option.attributeName() === name)
    return named.find((option) => option.negate === negated)?.long ?? name
  }
  if (given('demo') && given('features')) {
    throw new NhgdError('ERR_RANGE', '"--features" expected no "--demo" beside it, got both')
  }
  for (const [name, other] of Object.entries(beside)) {
    const enough =
      given(other) ||
      (other === 'trusted' && given('demo')) ||
      (other === 'features' && command.name() === 'influence')
    if (given(name) && !enough) {
      throw new NhgdError('ERR_RANGE', `"${long(name)}" expected "${long(other)}" beside it, got none`)
    }
  }
  const instead = [
    ['suggestTrusted', 'trusted'],
    ['suggestTrusted', 'checked'],
    ['checked', 'trusted'],
    ['predProbs', 'trusted'],
    ['model', 'trusted'],
    ['checkedColumn', 'trusted'],
    ['checkedColumn', 'checked'],
    ['groupColumn', 'timeColumn'],
    ['verbose', 'quiet'],
    ['checkpoint', 'seeds'],
  ] as const
  for (const [name, other] of instead) {
    if (!given(name) || !given(other)) continue
    throw new NhgdError('ERR_RANGE', `"${long(name)}" expected no "${long(other)}" beside it, got both`)
  }
  if (given('outerSteps') && !['trusted', 'checked', 'checkedColumn', 'demo'].some(given)) {
    throw new NhgdError(
      'ERR_RANGE',
      '"--outer-steps" expected "--checked" or "--trusted" beside it, got none',
    )
  }
  if (given('quiet') && !given('demo') && !outputs.some(given)) {
    throw new NhgdError('ERR_RANGE', '"--quiet" expected "--out" or another output beside it, got none')
  }
  const features = value('features')
  for (const name of ['ignore', 'id', 'checkedColumn', 'groupColumn', 'timeColumn'] as const) {
    if (!given(name) || features === undefined || isTableFile(features)) continue
    throw dataError(long(name), 'a CSV file of features, or another table', `"${features}"`)
  }
  if (
    given('header') &&
    !['features', 'labels', 'trusted', 'train', 'test', 'testLabels'].some((name) => isCsv(value(name) ?? ''))
  ) {
    throw dataError('--no-header', 'a CSV file', `"${features}"`)
  }
  const taken = new Map<string, string>()
  for (const name of [...inputs, ...outputs, 'checkpoint'] as const) {
    // The model of `predict` is a file, that of `clean` a kind.
    const path = name === 'model' && command.name() !== 'predict' ? undefined : value(name)
    if (path === undefined) continue
    const output = !inputs.includes(name as never)
    if (output && leads()) await writable(long(name), path)
    if (!output && path === PIPE && ranks().size > 1)
      throw dataError(long(name), 'a file on several ranks', 'standard input, which rank 0 alone has')
    const file = await identity(path, output)
    const other = file && taken.get(file)
    if (other && (output || path === PIPE))
      throw dataError(long(name), `another file than "${long(other)}"`, `"${path}" twice`)
    if (file) taken.set(file, name)
  }
}

/** What tells a file from others, whatever it is called; nothing for devices. */
async function identity(name: string, output: boolean): Promise<string | undefined> {
  if (name === PIPE) return output ? 'standard output' : 'standard input'
  const { path } = arrayOf(name)
  const there = await stat(path).catch(() => undefined)
  if (there) return there.isFile() ? `${there.dev} ${there.ino}` : undefined
  return join(await realpath(dirname(path)).catch(() => resolve(dirname(path))), basename(path))
}

/** @throws NhgdError `ERR_DATA` where a file could not be written to `path`. */
export async function writable(name: string, path: string): Promise<void> {
  const refuse = (reason: string) => dataError(name, 'a file that can be written', `"${path}" (${reason})`)
  if (path === PIPE) return
  if (path === '') throw refuse('no name')
  const there = await stat(path).catch(() => undefined)
  if (there?.isDirectory()) throw refuse('a folder')
  // The file is written beside its place first.
  const touched = [...(there ? [path] : []), ...(!there || there.isFile() ? [dirname(path)] : [])]
  for (const one of touched) {
    await access(one, constants.W_OK).catch((error: Error) => {
      throw refuse(error.message)
    })
  }
}
