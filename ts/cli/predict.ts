import { Command } from 'commander'
import { upload } from '../backend/backend.ts'
import { NhgdError } from '../backend/errors.ts'
import { loadBackend } from '../backend/load.ts'
import { dataError, listed } from '../data/error.ts'
import { readBytes, readNpz, readSet } from '../data/index.ts'
import { Classifier } from '../tasks/classifier.ts'
import { checkOptions } from './check.ts'
import { featureOptions } from './dataOptions.ts'
import { csvCell } from './output.ts'
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
    .requiredOption('--model <file>', 'the NPZ file that "clean --weights" wrote')
    .requiredOption('--out <file>', 'write the predictions as CSV; - is the pipe')
    .action(predict)
}

async function predict(options: Options, command: Command): Promise<void> {
  await checkOptions(command)
  const { model: path, out, header, ignore = [], id, impute } = options
  if (options.features === undefined) throw dataError('--features', 'a file', 'none')
  const bytes = await readBytes(path, '--model')
  const arrays = readNpz(bytes, '--model')
  const backend = await loadBackend()
  const model = Classifier.load(backend, bytes)
  const classes =
    namesIn(arrays.classes, model.classes) ?? Array.from({ length: model.classes }, (_, i) => `${i}`)
  const texts = id === undefined ? [] : [id]
  const required = [...ignore, ...texts]
  const read = await readSet(options.features, { header, impute, texts, ignore, required, as: '--features' })
  sameColumns(namesIn(arrays.columns, model.columns), read.columns, model.columns, read.features.columns)
  for (const note of read.notes ?? []) console.error(note)
  const p = model.probabilities(upload(backend, read.features))
  const ids = id === undefined ? undefined : read.texts?.[id]
  const lines = Array.from({ length: read.features.rows }, (_, row) => {
    const own = p.subarray(row * model.classes, (row + 1) * model.classes)
    const best = own.indexOf(Math.max(...own))
    return [row, ...(ids ? [csvCell(ids[row])] : []), csvCell(classes[best]), own[best].toFixed(6)].join()
  })
  await writeWhole(out, `row,${ids ? 'id,' : ''}label,probability\n${lines.join('\n')}\n`)
  if (out !== PIPE) console.log(`${lines.length} predictions are in ${out}.`)
}

/** Names that stand in a model's file as the bytes of JSON; nothing where it has none. */
function namesIn(
  array: { readonly data: ArrayLike<unknown> } | undefined,
  count: number,
): string[] | undefined {
  if (!array) return undefined
  try {
    const names: unknown = JSON.parse(
      new TextDecoder().decode(Uint8Array.from(array.data as ArrayLike<number>)),
    )
    if (Array.isArray(names) && names.length === count) return names.map(String)
  } catch {}
  throw new NhgdError('ERR_CHECKPOINT', `"--model" expected ${count} names as JSON, got something else`)
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
