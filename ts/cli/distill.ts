import { basename } from 'node:path'
import { Command, Option } from 'commander'
import { NhgdError } from '../backend/errors.ts'
import { dataError } from '../data/error.ts'
import { writeNpz } from '../data/npz.ts'
import { permutation } from '../data/split.ts'
import { takeRows } from '../data/tensor.ts'
import { writeCsv } from '../data/writeCsv.ts'
import { distillationReport } from '../report/index.ts'
import { usualModel } from '../tasks/classifier.ts'
import { type DistillResult, distill } from '../tasks/distill/distill.ts'
import { smallSetColumns } from '../tasks/distill/smallSetColumns.ts'
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
import { atLeast0, featureOptions, imageShape, share, units, whole } from './dataOptions.ts'
import { type Input, type InputOptions, readFiles } from './input.ts'
import { interrupts } from './interrupts.ts'
import { writeJson } from './output.ts'
import { progressLine } from './progress.ts'
import { ranks } from './ranks.ts'
import { PIPE, writeAll, writeWhole } from './write.ts'

interface Options extends InputOptions, CheckpointOptions, BackendOptions {
  readonly perClass: number
  readonly model: 'softmax' | 'perceptron'
  readonly hidden: readonly number[]
  readonly learnTargets: boolean
  readonly regularization?: number
  readonly testShare: number
  readonly steps?: number
  readonly seconds?: number
  readonly compare: boolean
  readonly trainings?: number
  readonly seed: number
  readonly out?: string
  readonly weights?: string
  readonly report?: string
  readonly json?: string
  readonly quiet: boolean
}

/** `nhgd distill`. */
export function distillCommand(): Command {
  return backendOptions(checkpointOptions(featureOptions(new Command('distill'))))
    .description('make a small training set that stands for a large one')
    .option('--labels <file>', 'labels, numbers or text (default: the features file); - is the pipe')
    .option('--label <name>', 'the column of a table, or the array of an NPZ file, that holds the labels')
    .option('--per-class <n>', 'samples of the small set per class', whole(1, 1e6), 1)
    .addOption(
      new Option('--model <kind>', 'what the small set is made for')
        .choices(['softmax', 'perceptron'])
        .default('softmax'),
    )
    .option('--hidden <units>', 'perceptron: units of each hidden layer, with commas between', units, [128])
    .option('--learn-targets', 'learn soft labels too', false)
    .option('--regularization <factor>', 'of the squares of the parameters', atLeast0)
    .option('--test-share <share>', 'rows that accuracies are taken on and the run does not see', share, 0.1)
    .option('--standardize', 'bring every column to mean 0 and deviation 1 (default: but for bytes)')
    .option('--no-standardize', 'leave the scales of columns as they are')
    .option('--image-shape <height x width>', 'show samples as pictures', imageShape)
    .option('--steps <n>', 'outer iterations', whole(0, 1e6))
    .option('--seconds <n>', 'end the run after so many seconds', atLeast0)
    .option('--no-compare', 'train on the small set alone')
    .option('--trainings <n>', 'trainings of each set that is compared', whole(1, 1000))
    .option('--seed <n>', 'decides every draw', whole(0, 2 ** 31 - 1), 0)
    .option('--out <file>', 'write the small set as NPZ, or as .csv; - is the pipe')
    .option('--weights <file>', 'write a model trained on the small set as NPZ, or as .safetensors')
    .option('--report <file>', 'write an HTML report')
    .option('--json <file>', 'write the figures as JSON; - is the pipe')
    .option('--quiet', 'print nothing but warnings and errors', false)
    .action(run)
}

async function run(options: Options, command: Command): Promise<void> {
  await checkOptions(command)
  if (options.features === undefined) throw dataError('--features', 'a file', 'none')
  if (command.getOptionValueSource('hidden') === 'cli' && options.model !== 'perceptron') {
    throw new NhgdError('ERR_RANGE', '"--hidden" expected "--model perceptron" beside it, got softmax')
  }
  const checkpoint = await checkpointOf(options)
  const backend = await backendFor(options)
  const input = await readFiles(options, options.features, backend)
  const line = progressLine(options.quiet)
  for (const note of input.notes) line.say(note)
  const { seed, perClass, learnTargets, regularization, steps, seconds, trainings, standardize } = options
  const order = permutation(input.labels.length, seed)
  const apart = Math.round(options.testShare * order.length)
  const part = (rows: Int32Array) => ({
    features: takeRows(input.features, rows),
    labels: Int32Array.from(rows, (row) => input.labels[row]),
  })
  const real = part(order.slice(apart).sort())
  enoughPerClass(perClass, real.labels, input.names)
  const classes = input.names.length
  const model = usualModel(options.model, classes, options.hidden)
  const stop = interrupts()
  const result = await distill({
    backend,
    ...real,
    ...(apart > 0 && { test: part(order.slice(0, apart).sort()) }),
    model,
    perClass,
    learnTargets,
    regularization,
    outerSteps: steps,
    seconds,
    trainings,
    compare: options.compare,
    standardize,
    seed,
    signal: stop.signal,
    communicator: ranks(),
    checkpoint,
    onProgress(progress) {
      const { step, steps, seconds } = progress
      const secondsLeft = (seconds / step) * (steps - step)
      line.show({ ...progress, heldOutLoss: Number.NaN, secondsLeft })
    },
  }).catch(howToGoOn(options))
  stop.release()
  line.end()
  tellResumed(result.resumed, (words) => line.say(words))
  const { sentences, table } = inWords(result, input, apart)
  const { out, weights, report, json } = options
  if (!options.quiet) {
    const piped = [out, report, json].includes(PIPE)
    ;(piped ? console.error : console.log)([...sentences, ...table].join('\n'))
  }
  const { judged, curves, solve, settings, backend: info } = result
  const figures = {
    judged,
    curves,
    solve,
    classes: input.names,
    seed,
    seconds: result.seconds,
    settings,
    backend: info,
  }
  const format = weights?.toLowerCase().endsWith('.safetensors') ? 'safetensors' : 'npz'
  const names = { classes: input.names, columns: input.columns }
  const title = `A small set for ${basename(options.features ?? '')}`
  const told = {
    title,
    sentences,
    result,
    classes: input.names,
    imageShape: input.imageShape ?? squareOf(input),
    command: ['nhgd', ...process.argv.slice(2)].join(' '),
  }
  await writeAll([
    out && (() => writeWhole(out, setFile(out, result, input))),
    weights && (() => writeWhole(weights, result.model.save({ format, names }))),
    json && (() => writeJson(json, figures)),
    report && (() => writeWhole(report, distillationReport(told))),
  ])
  await removeCheckpoint(options)
}

/** @throws NhgdError `ERR_RANGE` where a class has too few rows to start from, with its name. */
function enoughPerClass(perClass: number, labels: Int32Array, names: readonly string[]): void {
  const counts = new Float64Array(names.length)
  for (const label of labels) counts[label]++
  const least = counts.indexOf(counts.reduce((least, count) => Math.min(least, count)))
  if (counts[least] >= perClass) return
  const expected = `at most ${counts[least]}, the number of rows with the label "${names[least]}" that are not held out`
  throw new NhgdError('ERR_RANGE', `"--per-class" expected ${expected}, got ${perClass}`)
}

/** What was found: sentences, and a table of the sets that models were trained on. */
function inWords(
  { judged, features, solve }: DistillResult,
  { names, features: { rows } }: Input,
  apart: number,
): { readonly sentences: string[]; readonly table: string[] } {
  const mean = (x: readonly number[]) => x.reduce((sum, x) => sum + x, 0) / x.length
  const share = (name: keyof typeof judged, on: string) =>
    judged[name] ? [`${(100 * mean(judged[name].accuracies)).toFixed(1)} % if trained on ${on}`] : []
  const shares = [
    ...share('distilled', 'the small set'),
    ...share('random samples', 'as many random samples'),
    ...share('all samples', 'all samples'),
  ]
  const of = apart > 0 ? `the ${apart} rows that the run did not see` : 'the real samples'
  const lines = Object.entries(judged).map(([name, { samples, losses, accuracies }]) => {
    const figures = [mean(accuracies), mean(losses)].map((x) => x.toFixed(4)).join('    ')
    return `${name.padEnd(16)} ${String(samples).padStart(7)}    ${figures}`
  })
  return {
    sentences: [
      `${features.rows} samples of ${names.length} classes stand for ${rows - apart} after ${solve.steps} outer steps.`,
      shares.length === 0
        ? 'The run was interrupted: no model was compared.'
        : `A model is right on ${shares.join(', ')} (of ${of}).`,
    ],
    table:
      lines.length === 0
        ? []
        : ['', `${'trained on'.padEnd(16)} samples  accuracy  loss on real samples`, ...lines],
  }
}

/** The small set as a file. */
function setFile(path: string, result: DistillResult, { names, columns }: Input) {
  if (path.toLowerCase().endsWith('.csv')) return writeCsv(smallSetColumns(result, { columns, names }))
  const { features, labels, targets } = result
  const { data, rows, columns: width } = features
  const text = new TextEncoder().encode(JSON.stringify(names))
  return writeNpz({
    features: { data: Float32Array.from(data), shape: [rows, width] },
    labels: { data: Int32Array.from(labels), shape: [rows] },
    ...(targets && { targets: { data: targets, shape: [rows, targets.length / rows] } }),
    classes: { data: text, shape: [text.length] },
  })
}

/** The shape of a square picture of bytes. */
function squareOf({ features: { data, columns } }: Input): readonly [number, number] | undefined {
  const side = Math.round(Math.sqrt(columns))
  return data instanceof Uint8Array && side * side === columns ? [side, side] : undefined
}
