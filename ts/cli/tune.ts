import { Command, InvalidArgumentError, Option } from 'commander'
import { NhgdError } from '../backend/errors.ts'
import { dataError } from '../data/error.ts'
import { readSet, readValues } from '../data/index.ts'
import { encodeLabels } from '../data/labels.ts'
import { writeCsv } from '../data/writeCsv.ts'
import { tuningReport } from '../report/index.ts'
import { coefficientColumns } from '../tasks/tuneRegularization/coefficientColumns.ts'
import type { TuneRegularizationResult } from '../tasks/tuneRegularization/options.ts'
import { Regressor } from '../tasks/tuneRegularization/regressor.ts'
import { tuneRegularization } from '../tasks/tuneRegularization/tuneRegularization.ts'
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
import { featureOptions, list, units, whole } from './dataOptions.ts'
import { interrupts } from './interrupts.ts'
import { writeJson } from './output.ts'
import { inWords, kindOf, short } from './penaltyInWords.ts'
import { ranks } from './ranks.ts'
import { rowFolds } from './rowFolds.ts'
import { allTargets, doubtful } from './targets.ts'
import { PIPE, writeAll, writeWhole } from './write.ts'

interface Options extends BackendOptions, CheckpointOptions {
  readonly features?: string
  readonly target?: readonly string[]
  readonly targets?: string
  readonly model?: 'linear' | 'softmax' | 'perceptron'
  readonly task?: 'regression' | 'classification'
  readonly hidden?: readonly number[]
  readonly per: 'all' | 'feature' | 'layer'
  readonly groups?: string
  readonly power?: number | 'learned'
  readonly folds: number
  readonly holdOut?: number
  readonly groupColumn?: string
  readonly timeColumn?: string
  readonly standardize: boolean
  readonly seed: number
  readonly out?: string
  readonly weights?: string
  readonly report?: string
  readonly json?: string
  readonly header: boolean
  readonly ignore?: readonly string[]
  readonly id?: string
  readonly impute?: 'median'
  readonly quiet: boolean
}

/** `nhgd tune`. */
export function tuneCommand(): Command {
  return backendOptions(checkpointOptions(featureOptions(new Command('tune'))))
    .description('fit a model whose penalty is learned by cross-validation')
    .option(
      '--target <names>',
      'the column of the features file that is to be predicted, or several of numbers with commas between',
      list,
    )
    .option('--targets <file>', 'a file of what is to be predicted, one per row')
    .addOption(
      new Option('--model <kind>', 'default: linear for numbers, softmax (or logistic) for words').choices([
        'linear',
        'softmax',
        'perceptron',
      ]),
    )
    .addOption(
      new Option(
        '--task <kind>',
        'whether numbers are predicted as numbers or are classes (default: by the model; of a perceptron, regression unless all are whole)',
      ).choices(['regression', 'classification']),
    )
    .option('--hidden <units>', 'perceptron: units of each hidden layer, with commas between', units)
    .addOption(
      new Option('--per <what>', 'what has a strength of its own')
        .choices(['all', 'feature', 'layer'])
        .default('all'),
    )
    .option('--groups <file>', 'a group per feature: its members share a strength')
    .option(
      '--power <q>',
      'the exponent: 2 is ridge, 1 is close to the lasso (default: learned; of a perceptron, 2)',
      power,
    )
    .option('--folds <n>', 'folds of the cross-validation', whole(2, 1e6), 5)
    .option('--hold-out <share>', 'in place of folds: hold out this share of the rows once', part)
    .option('--group-column <name>', 'a column: rows with the same value stay together in a fold')
    .option(
      '--time-column <name>',
      'a column of numbers or dates: every fold is judged on what comes after its training',
    )
    .option('--no-standardize', 'leave the scales of columns as they are')
    .option('--seed <n>', 'decides the folds', whole(0, 2 ** 31 - 1), 0)
    .option('--out <file>', 'write the coefficients as CSV; - is the pipe')
    .option('--weights <file>', 'write the model as NPZ, or as .safetensors')
    .option('--report <file>', 'write an HTML report')
    .option('--json <file>', 'write the figures as JSON; - is the pipe')
    .option('--quiet', 'print nothing but warnings and errors', false)
    .action(tune)
}

async function tune(options: Options, command: Command): Promise<void> {
  await checkOptions(command)
  const { features: path, target, targets: file, header, ignore = [], impute, id, groups } = options
  const { groupColumn, timeColumn } = options
  if (path === undefined) throw dataError('--features', 'a file', 'none')
  if ((target === undefined) === (file === undefined)) {
    throw dataError(
      '--target',
      'a column, or "--targets" with a file',
      target === undefined ? 'neither' : 'both',
    )
  }
  if (options.holdOut !== undefined && command.getOptionValueSource('folds') === 'cli')
    throw dataError('--hold-out', 'no "--folds" beside it', 'both')
  const checkpoint = await checkpointOf(options)
  fitting(options)
  const backend = await backendFor(options)
  const texts = [...(target ?? []), id, groupColumn, timeColumn].filter((name) => name !== undefined)
  const asked = { header, impute, texts, ignore, required: [...ignore, ...texts], as: '--features', backend }
  const { features, columns, notes = [], texts: read } = await readSet(path, asked)
  const name = target === undefined ? '--targets' : '--target'
  const given = target
    ? target.map((one) => read?.[one] ?? [])
    : [Array.from(await readValues(file as string, { header, as: name }), String)]
  const { values, names: classes } = allTargets(given, name, options)
  const { rows } = features
  if (values.length !== rows * given.length) {
    throw new NhgdError('ERR_SHAPE', `"--targets" expected ${rows}, one per row, got ${values.length}`)
  }
  const told = [...notes, ...doubtful(values, classes, options)]
  for (const note of told) if (!options.quiet) console.error(note)
  const own = groups === undefined ? undefined : await groupsOf(groups, features.columns, header)
  const stop = interrupts()
  const result = await tuneRegularization({
    backend,
    features,
    ...(classes ? { labels: values } : { targets: { data: values, rows, columns: given.length } }),
    ...(options.model === 'perceptron' && { model: 'perceptron', hidden: options.hidden }),
    penalty: { per: own ? 'group' : options.per, groups: own, power: options.power },
    folds: rowFolds(options, classes ? values : rows, read),
    standardize: options.standardize,
    columns,
    seed: options.seed,
    signal: stop.signal,
    communicator: ranks(),
    checkpoint,
    onProgress({ step, loss }) {
      if (process.stderr.isTTY && !options.quiet)
        process.stderr.write(`\r\x1b[Kstep ${step}  loss ${short(loss)}`)
    },
  }).catch(howToGoOn(options))
  stop.release()
  if (process.stderr.isTTY && !options.quiet) process.stderr.write('\r\x1b[K')
  tellResumed(result.resumed, console.error)
  for (const warning of result.warnings) console.error(`nhgd: ${warning}`)
  const nameOf = (j: number) => columns?.[j] ?? `${j}`
  const kind = kindOf(options.model, classes)
  const learns = (options.power ?? (kind === 'perceptron' ? 2 : 'learned')) === 'learned'
  const sentences = inWords({
    result,
    kind,
    keptRidge: learns && result.penalty.power === 2,
    rows,
    columns: features.columns,
    targets: target ?? ['the target'],
    nameOf,
    classes,
  })
  const { out, weights, report, json } = options
  const title = target?.join(' and ') ?? path
  const piped = [out, report, json].includes(PIPE)
  if (!options.quiet) (piped ? console.error : console.log)(sentences.join('\n'))
  const { losses, penalty, path: curve, bestStep, leftOut, intercepts, seconds } = result
  const figures = {
    model: kind,
    curvature: result.curvature,
    rows,
    features: features.columns,
    ...(target && { targets: target }),
    penalty: { strengths: Array.from(penalty.strengths), power: penalty.power },
    losses,
    path: curve.map((point) => ({ ...point, strengths: Array.from(point.strengths) })),
    bestStep,
    leftOut: leftOut.map(nameOf),
    intercepts: Array.from(intercepts),
    smoothingInfluence: result.smoothingInfluence,
    warnings: result.warnings,
    seed: options.seed,
    seconds,
  }
  await writeAll([
    out &&
      (() => writeWhole(out, writeCsv(coefficientColumns(result, { columns, classes, targets: target })))),
    weights && (() => writeWhole(weights, saved(result.model, weights, columns, classes))),
    json && (() => writeJson(json, figures)),
    report &&
      (() =>
        writeWhole(
          report,
          tuningReport({ title, sentences, result, values, classes, targets: target, nameOf }),
        )),
  ])
  await removeCheckpoint(options)
}

/** Refuses options that do not fit the model. */
function fitting({ model, task, hidden, per, groups, out }: Options): void {
  const isPerceptron = model === 'perceptron'
  const refuse = (name: string, expected: string) => {
    throw new NhgdError('ERR_RANGE', `"${name}" expected ${expected}, got ${model ?? 'another model'}`)
  }
  if (model === 'linear' && task === 'classification') refuse('--task', 'regression, or another model')
  if (model === 'softmax' && task === 'regression') refuse('--task', 'classification, or another model')
  if (!isPerceptron) {
    if (hidden) refuse('--hidden', '"--model perceptron" beside it')
    if (per === 'layer') refuse('--per layer', '"--model perceptron" beside it')
    return
  }
  const linear = 'a model with coefficients'
  if (groups !== undefined) refuse('--groups', linear)
  if (per === 'feature') refuse('--per feature', linear)
  if (out !== undefined) refuse('--out', linear)
}

/** The model with the names that `nhgd predict` needs. */
function saved(
  model: TuneRegularizationResult['model'],
  path: string,
  columns: readonly string[] | undefined,
  classes: readonly string[] | undefined,
): Uint8Array {
  const format = path.toLowerCase().endsWith('.safetensors') ? 'safetensors' : 'npz'
  if (model instanceof Regressor) return model.save({ format, columns })
  return model.save({ format, names: { classes, columns } })
}

/** A number per feature, from 0, for its group, whatever the groups are called. */
async function groupsOf(path: string, columns: number, header: boolean): Promise<Int32Array> {
  const groups = await readValues(path, { header, as: '--groups' })
  if (groups.length === columns) return encodeLabels(Array.from(groups, String), undefined, '--groups').labels
  throw new NhgdError(
    'ERR_SHAPE',
    `"--groups" expected ${columns} groups, one per feature, got ${groups.length}`,
  )
}

function part(text: string): number {
  const share = Number(text)
  if (share > 0 && share < 1) return share
  throw new InvalidArgumentError('expected a number between 0 and 1.')
}

function power(text: string): number | 'learned' {
  const q = Number(text)
  if (text === 'learned' || (q > 0 && q <= 2)) return text === 'learned' ? text : q
  throw new InvalidArgumentError('expected a number above 0 and at most 2, or learned.')
}
