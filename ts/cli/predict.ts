import { Command } from 'commander'
import { upload } from '../backend/backend.ts'
import { NhgdError } from '../backend/errors.ts'
import { loadBackend } from '../backend/load.ts'
import { dataError, listed } from '../data/error.ts'
import { readBytes, readSet } from '../data/index.ts'
import { writeCsv } from '../data/writeCsv.ts'
import { Classifier } from '../tasks/classifier.ts'
import { mostLikely } from '../tasks/metrics.ts'
import { readModel } from '../tasks/modelFile.ts'
import { checkOptions } from './check.ts'
import { featureOptions } from './dataOptions.ts'
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
    .description('predict the labels of new rows with the model that "clean --weights" wrote')
    .requiredOption('--model <file>', 'the file that "clean --weights" wrote')
    .requiredOption('--out <file>', 'write the predictions as CSV; - is the pipe')
    .action(predict)
}

async function predict(options: Options, command: Command): Promise<void> {
  await checkOptions(command)
  const { model: path, out, header, ignore = [], id, impute } = options
  if (options.features === undefined) throw dataError('--features', 'a file', 'none')
  const bytes = await readBytes(path, '--model')
  const { columns, ...names } = readModel(bytes, '--model')
  const backend = await loadBackend()
  const model = Classifier.load(backend, bytes)
  const classes = names.classes ?? Array.from({ length: model.classes }, (_, i) => `${i}`)
  const texts = id === undefined ? [] : [id]
  const required = [...ignore, ...texts]
  const read = await readSet(options.features, { header, impute, texts, ignore, required, as: '--features' })
  sameColumns(columns, read.columns, model.columns, read.features.columns)
  for (const note of read.notes ?? []) console.error(note)
  const p = model.probabilities(upload(backend, read.features))
  const ids = id === undefined ? undefined : read.texts?.[id]
  const rows = Array.from({ length: read.features.rows }, (_, row) => row)
  const best = rows.map((row) => mostLikely(p, model.classes, row))
  const probability = best.map((c, row) => p[row * model.classes + c].toFixed(6))
  const label = best.map((c) => classes[c])
  await writeWhole(out, writeCsv({ row: rows, ...(ids && { id: ids }), label, probability }))
  if (out !== PIPE) console.log(`${rows.length} predictions are in ${out}.`)
}

/** @throws NhgdError `ERR_SHAPE` where columns are missing, are too many or stand in another order. */
function sameColumns(
  trained: readonly string[] | undefined,
  own: readonly string[] | undefined,
  count: number,
  got: number,
): void {
  if (!trained || !own) {
    if (got === count) return
    throw new NhgdError('ERR_SHAPE', `"--features" expected ${count} columns as in training, got ${got}`)
  }
  const missing = trained.filter((name) => !own.includes(name))
  const other = own.filter((name) => !trained.includes(name))
  if (missing.length > 0 || other.length > 0) {
    const told = [
      ...(missing.length > 0 ? [`none called ${listed(missing)}`] : []),
      ...(other.length > 0 ? [`also ${listed(other)} (leave out with "--ignore")`] : []),
    ]
    throw new NhgdError('ERR_SHAPE', `"--features" expected the columns of training, got ${told.join(', ')}`)
  }
  if (own.length === count && own.every((name, j) => name === trained[j])) return
  throw new NhgdError('ERR_SHAPE', `"--features" expected the columns in the order of training, got another`)
}
