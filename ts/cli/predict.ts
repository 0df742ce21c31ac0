import { Command } from 'commander'
import { upload } from '../backend/backend.ts'
import { loadBackend } from '../backend/load.ts'
import { dataError } from '../data/error.ts'
import { readBytes, readSet } from '../data/index.ts'
import type { ReadSet } from '../data/read.ts'
import { writeCsv } from '../data/writeCsv.ts'
import { Classifier } from '../tasks/classifier.ts'
import { mostLikely } from '../tasks/metrics.ts'
import { openModel, readModel } from '../tasks/modelFile.ts'
import { Regressor } from '../tasks/tuneRegularization/regressor.ts'
import { checkOptions } from './check.ts'
import { featureOptions } from './dataOptions.ts'
import { sameColumns } from './sameColumns.ts'
import { PIPE, writeWhole } from './write.ts'

interface Options {
  readonly model: string
  readonly features: string
  readonly out: string
  readonly header: boolean
  readonly ignore?: readonly string[]
  readonly id?: string
  readonly impute?: 'median'
}

/** `nhgd predict`. */
export function predictCommand(): Command {
  return featureOptions(new Command('predict'))
    .description('predict new rows with the model that "clean --weights" or "tune --weights" wrote')
    .requiredOption('--model <file>', 'the file that "clean --weights" or "tune --weights" wrote')
    .requiredOption('--out <file>', 'write the predictions as CSV; - is the pipe')
    .action(predict)
}

async function predict(options: Options, command: Command): Promise<void> {
  await checkOptions(command)
  const { model: path, out, header, ignore = [], id, impute } = options
  if (options.features === undefined) throw dataError('--features', 'a file', 'none')
  const bytes = await readBytes(path, '--model')
  const texts = id === undefined ? [] : [id]
  const required = [...ignore, ...texts]
  const read = await readSet(options.features, { header, impute, texts, ignore, required, as: '--features' })
  for (const note of read.notes ?? []) console.error(note)
  const ids = id === undefined ? undefined : read.texts?.[id]
  const row = Array.from({ length: read.features.rows }, (_, row) => row)
  const predictions = openModel(bytes, '--model').tensors.coefficients
    ? numbers(bytes, read)
    : await classes(bytes, read)
  await writeWhole(out, writeCsv({ row, ...(ids && { id: ids }), ...predictions }))
  if (out !== PIPE) console.log(`${row.length} predictions are in ${out}.`)
}

/** What a regression says of each row, a column per output. */
function numbers(bytes: Uint8Array, { features, columns }: ReadSet): Record<string, string[]> {
  const model = Regressor.load(bytes, '--model')
  sameColumns(
    '--features',
    openModel(bytes, '--model').namesOf('columns', model.columns),
    columns,
    model.columns,
    features.columns,
  )
  const all = model.predict(features)
  const { outputs } = model
  return Object.fromEntries(
    Array.from({ length: outputs }, (_, c) => [
      outputs === 1 ? 'prediction' : `prediction${c}`,
      Array.from({ length: features.rows }, (_, row) => String(all[row * outputs + c])),
    ]),
  )
}

/** The likeliest class of each row, and how likely it is. */
async function classes(bytes: Uint8Array, { features, columns }: ReadSet): Promise<Record<string, string[]>> {
  const { columns: trained, classes: named } = readModel(bytes, '--model')
  const backend = await loadBackend()
  const model = Classifier.load(backend, bytes)
  sameColumns('--features', trained, columns, model.columns, features.columns)
  const names = named ?? Array.from({ length: model.classes }, (_, i) => `${i}`)
  const p = model.probabilities(upload(backend, features))
  const best = Array.from({ length: features.rows }, (_, row) => mostLikely(p, model.classes, row))
  return {
    label: best.map((c) => names[c]),
    probability: best.map((c, row) => p[row * model.classes + c].toFixed(6)),
  }
}
