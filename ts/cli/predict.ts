import { Command } from 'commander'
import { type Backend, upload } from '../backend/backend.ts'
import type { Matrix } from '../backend/matrix.ts'
import { dataError } from '../data/error.ts'
import { readBytes, readSet } from '../data/index.ts'
import { writeCsv } from '../data/writeCsv.ts'
import { Classifier } from '../tasks/classifier.ts'
import { mostLikely } from '../tasks/metrics.ts'
import { openModel, readModel } from '../tasks/modelFile.ts'
import { Regressor } from '../tasks/tuneRegularization/regressor.ts'
import { type BackendOptions, backendFor, backendOptions } from './backend.ts'
import { checkOptions } from './check.ts'
import { featureOptions } from './dataOptions.ts'
import { sameColumns } from './sameColumns.ts'
import { PIPE, writeWhole } from './write.ts'

interface Options extends BackendOptions {
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
  return backendOptions(featureOptions(new Command('predict')))
    .description('predict new rows with the model that "clean --weights" or "tune --weights" wrote')
    .requiredOption('--model <file>', 'the file that "clean --weights" or "tune --weights" wrote')
    .requiredOption('--out <file>', 'write the predictions as CSV; - is the pipe')
    .action(predict)
}

async function predict(options: Options, command: Command): Promise<void> {
  await checkOptions(command)
  const { model: path, out, header, ignore = [], id, impute } = options
  if (options.features === undefined) throw dataError('--features', 'a file', 'none')
  const backend = await backendFor(options)
  const bytes = await readBytes(path, '--model')
  const texts = id === undefined ? [] : [id]
  const required = [...ignore, ...texts]
  const model = openModel(bytes, '--model').tensors.coefficients
    ? regression(backend, bytes)
    : classifier(backend, bytes)
  const { names: trained } = model
  const set = { header, impute, texts, ignore, required, trained, as: '--features', backend }
  const read = await readSet(options.features, set)
  sameColumns('--features', trained, read.columns, model.columns, read.features.columns)
  for (const note of read.notes ?? []) console.error(note)
  const ids = id === undefined ? undefined : read.texts?.[id]
  const row = Array.from({ length: read.features.rows }, (_, row) => row)
  const predictions = model.predict(read.features)
  await writeWhole(out, writeCsv({ row, ...(ids && { id: ids }), ...predictions }))
  if (out !== PIPE) console.log(`${row.length} predictions are in ${out}.`)
}

/** A model of a file, with the columns that it was trained on. */
interface Predictor {
  readonly columns: number
  readonly names?: readonly string[]
  /** The columns of predictions, one entry per row. */
  predict(features: Matrix): Record<string, string[]>
}

/** A regression, which gives a column per output. */
function regression(backend: Backend, bytes: Uint8Array): Predictor {
  const model = Regressor.load(bytes, backend, '--model')
  const { columns, outputs } = model
  return {
    columns,
    names: openModel(bytes, '--model').namesOf('columns', columns),
    predict(features) {
      const all = model.predict(features)
      return Object.fromEntries(
        Array.from({ length: outputs }, (_, c) => [
          outputs === 1 ? 'prediction' : `prediction${c}`,
          Array.from({ length: features.rows }, (_, row) => String(all[row * outputs + c])),
        ]),
      )
    },
  }
}

/** A classifier, which gives the likeliest class of each row, and how likely it is. */
function classifier(backend: Backend, bytes: Uint8Array): Predictor {
  const { columns: trained, classes: named } = readModel(bytes, '--model')
  const model = Classifier.load(backend, bytes)
  const { columns, classes } = model
  const names = named ?? Array.from({ length: classes }, (_, i) => `${i}`)
  return {
    columns,
    names: trained,
    predict(features) {
      const p = model.probabilities(upload(backend, features))
      const best = Array.from({ length: features.rows }, (_, row) => mostLikely(p, classes, row))
      return {
        label: best.map((c) => names[c]),
        probability: best.map((c, row) => p[row * classes + c].toFixed(6)),
      }
    },
  }
}
