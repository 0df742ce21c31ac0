import { Command } from 'commander'
import type { Backend } from '../backend/backend.ts'
import type { Matrix } from '../backend/matrix.ts'
import { dataError } from '../data/error.ts'
import { readLabels, readSet } from '../data/index.ts'
import { encodeLabels } from '../data/labels.ts'
import { fitStandardization, standardize } from '../data/standardize.ts'
import { writeCsv } from '../data/writeCsv.ts'
import { usualModel } from '../tasks/classifier.ts'
import { influence } from '../tasks/influence/influence.ts'
import { influenceColumns, valueColumns } from '../tasks/influence/influenceColumns.ts'
import type { InfluenceProgress, InfluenceResult } from '../tasks/influence/options.ts'
import { type BackendOptions, backendFor, backendOptions } from './backend.ts'
import { checkOptions } from './check.ts'
import {
  type CheckpointOptions,
  checkpointOf,
  checkpointOptions,
  howToGoOn,
  removeCheckpoint,
  tellResumed,
} from './checkpoint.ts'
import { atLeast0, columnOptions, modelOption, whole } from './dataOptions.ts'
import { interrupts } from './interrupts.ts'
import { writeJson } from './output.ts'
import { ranks } from './ranks.ts'
import { sameColumns } from './sameColumns.ts'
import { PIPE, writeAll, writeWhole } from './write.ts'

interface Options extends BackendOptions, CheckpointOptions {
  readonly train: string
  readonly test: string
  readonly label?: string
  readonly labels?: string
  readonly testLabels?: string
  readonly header: boolean
  readonly ignore?: readonly string[]
  readonly id?: string
  readonly impute?: 'median'
  readonly standardize?: boolean
  readonly model: 'softmax' | 'perceptron'
  readonly regularization?: number
  readonly top: number
  readonly self: boolean
  readonly seed: number
  readonly seconds?: number
  readonly out?: string
  readonly values?: string
  readonly weights?: string
  readonly json?: string
  readonly quiet: boolean
}

/** Labelled rows of a file. */
interface Rows {
  readonly features: Matrix
  readonly labels: Int32Array
  readonly columns?: readonly string[]
  readonly ids?: readonly string[]
}

/** `nhgd influence`. */
export function influenceCommand(): Command {
  return backendOptions(checkpointOptions(columnOptions(new Command('influence'))))
    .description('tell which training rows help or harm a model on test rows')
    .requiredOption('--train <file>', 'rows that a classifier is trained on, in any format; - is the pipe')
    .requiredOption('--test <file>', 'rows on which its loss matters')
    .option('--label <name>', 'the column of both files (or array of NPZ files) that holds the labels')
    .option('--labels <file>', 'labels of the training rows (default: the training file)')
    .option('--test-labels <file>', 'labels of the test rows (default: the test file)')
    .option(
      '--standardize',
      'bring every column to mean 0 and deviation 1 (default: but for images of bytes)',
    )
    .option('--no-standardize', 'leave the scales of columns as they are')
    .addOption(modelOption('what is trained; a perceptron is slower'))
    .option('--regularization <factor>', 'factor of the squared parameters in the training loss', atLeast0)
    .option('--top <n>', 'rows that are listed per test row, of either kind', whole(1, 1e6), 20)
    .option('--self', 'tell the effect of each training row on itself as well', false)
    .option('--seed <n>', 'decides every draw', whole(0, 2 ** 31 - 1), 0)
    .option('--seconds <s>', 'judge the test rows that there is time for', atLeast0)
    .option('--out <file>', 'write the strongest effects on each test row as CSV; - is the pipe')
    .option('--values <file>', 'write the value of each training row as CSV; - is the pipe')
    .option('--weights <file>', 'write the model and its inverse as safetensors, or as .npz')
    .option('--json <file>', 'write the figures as JSON; - is the pipe')
    .option('--quiet', 'print nothing but warnings and errors', false)
    .action(run)
}

async function run(options: Options, command: Command): Promise<void> {
  await checkOptions(command)
  const { top, seed, seconds, regularization, quiet } = options
  const checkpoint = await checkpointOf(options)
  const backend = await backendFor(options)
  const read = await readRows(backend, options, '--train', '--labels')
  const { names, imageShape, labels, ids } = read
  const test = await readRows(backend, options, '--test', '--test-labels', read)
  sameColumns('--test', read.columns, test.columns, read.features.columns, test.features.columns)
  const scaled = scaling(options.standardize ?? !imageShape, read.features)
  const [features, tests] = [read.features, test.features].map(scaled)
  for (const note of read.notes) if (!quiet) console.error(note)
  const stop = interrupts()
  const live = process.stderr.isTTY && !quiet
  const onProgress = (progress: InfluenceProgress) => {
    if (live) process.stderr.write(`\r\x1b[K${progress.stage} ${progress.done}/${progress.total}`)
  }
  const result = await influence({
    backend,
    model: usualModel(options.model, names.length),
    train: { features, labels: read.labels },
    test: { features: tests, labels: test.labels },
    regularization,
    top,
    seed,
    seconds,
    signal: stop.signal,
    communicator: ranks(),
    checkpoint,
    onProgress,
  }).catch(howToGoOn(options))
  const { signal } = stop
  const judging = options.self
    ? result.model.selfInfluence({ signal, communicator: ranks(), onProgress })
    : undefined
  const own = await judging?.catch(howToGoOn(options))
  stop.release()
  if (live) process.stderr.write('\r\x1b[K')
  tellResumed(result.model.resumed, console.error)
  const judged = result.tests.length
  if (result.status === 'seconds') {
    console.error(`nhgd: the time was over after ${judged} of the ${test.labels.length} test rows`)
  }
  const { out, values, weights, json } = options
  const piped = [out, values, weights, json].includes(PIPE)
  if (!quiet) (piped ? console.error : console.log)(inWords(result, read, names, own?.values, top).join('\n'))
  const { model: _, values: worths, ...rest } = result
  const figures = {
    ...rest,
    values: Array.from(worths),
    ...(own && { self: Array.from(own.values), losses: Array.from(own.losses) }),
  }
  await writeAll([
    out &&
      (() => {
        const ofTest = { testLabels: test.labels, testIds: test.ids }
        return writeWhole(out, writeCsv(influenceColumns(result, { labels, ids, names, ...ofTest })))
      }),
    values &&
      (() => writeWhole(values, writeCsv(valueColumns(result, { labels, ids, names, selfInfluence: own })))),
    weights && (async () => writeWhole(weights, await result.model.save({ format: formatOf(weights) }))),
    json && (() => writeJson(json, { rows: read.labels.length, classes: names, seed, ...figures })),
  ])
  await removeCheckpoint(options)
}

async function readRows(
  backend: Backend,
  options: Options,
  as: '--train' | '--test',
  labelsAs: string,
  trained?: { readonly names: readonly string[]; readonly columns?: readonly string[] },
) {
  const { header, impute, id, label, ignore = [] } = options
  const path = as === '--train' ? options.train : options.test
  const file = as === '--train' ? options.labels : options.testLabels
  const texts = id === undefined ? [] : [id]
  const asked = {
    header,
    impute,
    texts,
    required: [...ignore, ...texts],
    trained: trained?.columns,
    as,
    backend,
  }
  const left = file !== undefined && label !== undefined ? [...ignore, label] : ignore
  const set = await readSet(path, { ...asked, ignore: left, ...(file === undefined && { label }) })
  const own = file === undefined ? set.labels : await readLabels(file, { label, header, as: labelsAs })
  if (!own) throw dataError('--label', `a column of the labels, or "${labelsAs}" with a file`, 'none')
  const { labels, names } = trained
    ? encodeLabels(
        Array.from(own.labels, (index) => own.names[index]),
        trained.names,
        as,
      )
    : own
  if (labels.length !== set.features.rows) {
    throw dataError(labelsAs, `${set.features.rows} labels, one per row`, `${labels.length}`)
  }
  const { features, columns, imageShape, notes = [] } = set
  return {
    features,
    labels,
    names,
    columns,
    imageShape,
    notes,
    ids: id === undefined ? undefined : set.texts?.[id],
  }
}

/** Brings features to the scale of the training rows, or leaves them as they are. */
function scaling(standardized: boolean, train: Matrix): (features: Matrix) => Matrix {
  if (!standardized) return (features) => features
  const figures = fitStandardization(train)
  return (features) => standardize(features, figures).features
}

/** What was found, in plain words. */
function inWords(
  { tests, values }: InfluenceResult,
  { labels, ids }: Rows,
  names: readonly string[],
  self: Float64Array | undefined,
  top: number,
): string[] {
  const loss = tests.reduce((sum, test) => sum + test.loss, 0) / tests.length
  const order = Array.from(values, (_, row) => row).sort((a, b) => values[b] - values[a])
  const told = (row: number, value: number) =>
    `  row ${row}${ids ? ` (${ids[row]})` : ''}, labelled ${names[labels[row]]}: ${signed(value)}`
  const list = (rows: readonly number[], of: Float64Array) => rows.map((row) => told(row, of[row]))
  const helpful = order.filter((row) => values[row] > 0).slice(0, top)
  const harmful = order
    .reverse()
    .filter((row) => values[row] < 0)
    .slice(0, top)
  return [
    `A model of ${values.length} training rows has the mean loss ${short(loss)} on ${tests.length} test rows.`,
    'By about how much that loss changes when one training row is removed:',
    '',
    'Rows that help most (the loss rises without them):',
    ...list(helpful, values),
    '',
    'Rows that harm most (the loss falls without them):',
    ...list(harmful, values),
    ...(self
      ? [
          '',
          'Rows that the others explain least (by how much their own loss rises without them):',
          ...list(order.sort((a, b) => self[b] - self[a]).slice(0, top), self),
        ]
      : []),
  ]
}

const formatOf = (path: string) => (path.toLowerCase().endsWith('.npz') ? 'npz' : 'safetensors')
const short = (value: number) => String(Number(value.toPrecision(4)))
const signed = (value: number) => `${value > 0 ? '+' : ''}${short(value)}`
