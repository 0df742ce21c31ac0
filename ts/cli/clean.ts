import { Command, Option } from 'commander'
import { type Backend, upload } from '../backend/backend.ts'
import type { Features } from '../backend/binding.ts'
import { heard } from '../backend/communicator.ts'
import { NhgdError } from '../backend/errors.ts'
import { listed } from '../data/error.ts'
import { oddColumn } from '../data/standardize.ts'
import { type CleanLabelsResult, cleanLabels, type HeldOutGain } from '../tasks/cleanLabels/cleanLabels.ts'
import { expectedWrong } from '../tasks/cleanLabels/inSentences.ts'
import { type CleaningCase, type RivalName, rivals } from '../tasks/cleanLabels/rivals.ts'
import { accuracy } from '../tasks/metrics.ts'
import type { TaskCheckpoint } from '../tasks/stages.ts'
import { type BackendOptions, backendFor, backendOptions } from './backend.ts'
import { changes, readBefore } from './changes.ts'
import { checkOptions } from './check.ts'
import {
  type CheckpointOptions,
  checkpointOf,
  checkpointOptions,
  howToGoOn,
  removeCheckpoint,
  tellResumed,
} from './checkpoint.ts'
import { dataOptions, imageShape, share, whole } from './dataOptions.ts'
import { type Figures, figures, mean, table, verdict } from './figures.ts'
import { findings, worthChecking } from './findings.ts'
import { type Input, type InputOptions, readInput } from './input.ts'
import { interrupts } from './interrupts.ts'
import { writeIssues, writeJson, writeReport, writeWeights } from './output.ts'
import { type ProgressLine, progressLine } from './progress.ts'
import { leads, ranks } from './ranks.ts'
import { inOptions } from './spelling.ts'
import { PIPE, writeAll } from './write.ts'

interface Options extends InputOptions, CheckpointOptions, BackendOptions {
  readonly seed: number
  readonly seeds?: number
  readonly model: 'softmax' | 'perceptron'
  readonly weighting: 'margin' | 'perSample'
  readonly holdout: boolean
  readonly outerSteps?: number
  readonly rivals: boolean
  readonly before?: string
  readonly out?: string
  readonly weights?: string
  readonly report?: string
  readonly json?: string
  readonly suggestTrusted: number
  readonly verbose: boolean
  readonly quiet: boolean
}

/** `nhgd clean`. */
export function cleanCommand(): Command {
  return backendOptions(checkpointOptions(dataOptions(new Command('clean'))))
    .description('find wrong labels, with the help of some that somebody checked')
    .option('--before <file>', 'what --out wrote before the last checks: tells what they changed')
    .option('--demo <name>', 'a data set with known answers: mnist')
    .option('--pred-probs <file>', 'class probabilities of each row by your own cross-validated model')
    .option('--trusted <file>', 'rows whose labels are right, counted from 0, or a mask')
    .option(
      '--standardize',
      'bring every column to mean 0 and deviation 1 (default: but for images of bytes)',
    )
    .option('--no-standardize', 'leave the scales of columns as they are')
    .option('--image-shape <height x width>', 'show samples as pictures', imageShape)
    .option('--trusted-size <n>', 'demo: trusted samples', whole(4, 10_000), 10_000)
    .option('--noise <rate>', 'demo: share of the labels that are replaced', share, 0.5)
    .addOption(new Option('--noise-kind <kind>', 'demo: how').choices(['uniform', 'pair']).default('uniform'))
    .addOption(
      new Option('--weighting <kind>', 'how samples are weighed')
        .choices(['margin', 'perSample'])
        .default('margin'),
    )
    .option('--no-holdout', 'hold no trusted samples back; the last outer step is kept')
    .option('--outer-steps <n>', 'outer iterations', whole(1, 1e6))
    .option('--seed <n>', 'decides every draw', whole(0, 2 ** 31 - 1), 0)
    .option('--seeds <n>', 'demo: run this many seeds, from --seed on, and tell their mean', whole(1, 1000))
    .option('--no-rivals', 'demo: leave the simple rivals out')
    .option(
      '--out <file>',
      'write every label that was judged as CSV, the most doubtful first; - is the pipe',
    )
    .option('--weights <file>', 'write weights, scores and the model as NPZ, or as .safetensors')
    .option('--report <file>', 'write an HTML report (demo: nhgd-report.html)')
    .option('--json <file>', 'write the figures as JSON; - is the pipe')
    .option(
      '--suggest-trusted <n>',
      'without checked or trusted rows: list this many rows to check by hand',
      whole(1, 1e6),
      50,
    )
    .option('--verbose', 'tell how the run went as well', false)
    .option('--quiet', 'print nothing but warnings and errors', false)
    .action(clean)
}

async function clean(options: Options, command: Command): Promise<void> {
  await checkOptions(command)
  const checkpoint = await checkpointOf(options)
  const backend = await backendFor(options)
  // Nothing looks at our signal while files are read, so that the system's own way of ending stays until then.
  const first = await readInput(options, options.seed, backend)
  const { signal: stop } = interrupts()
  const line = progressLine(options.quiet)
  const { backend: name, simd, threads } = backend.info()
  if (options.verbose) line.say(`${name} backend, ${simd}, ${threads} thread${threads === 1 ? '' : 's'}`)
  const runs: Figures[] = []
  for (let seed = options.seed; seed < options.seed + (options.seeds ?? 1); seed++) {
    const input = seed === options.seed ? first : await readInput(options, seed, backend)
    const run = await one(backend, input, { ...options, kept: checkpoint }, seed, line, stop, command)
    if (run) runs.push(run)
    if (await heard(ranks(), stop.aborted)) break
  }
  if (options.json && runs.length > 0) {
    await writeJson(options.json, options.seeds === undefined ? runs[0] : { seeds: runs, mean: mean(runs) })
  }
  await removeCheckpoint(options)
}

/** One seed: clean, judge, write. */
async function one(
  backend: Backend,
  input: Input,
  options: Options & { readonly kept: TaskCheckpoint | undefined },
  seed: number,
  line: ProgressLine,
  signal: AbortSignal,
  command: Command,
): Promise<Figures | undefined> {
  const accuracies: number[] = []
  // What goes through the pipe stands alone there.
  const piped = [options.out, options.weights, options.report, options.json].includes(PIPE)
  const print = (text: string) => (piped ? console.error(text) : console.log(text))
  const known = input.truth && input.test && knownCase(backend, input)
  for (const note of input.notes) line.say(note)
  const { checked } = input
  const before = options.before && (await readBefore(options.before, input.labels.length))
  const trusted = options.demo !== undefined || options.trusted !== undefined
  const result = await cleanLabels({
    backend,
    features: input.features,
    labels: input.labels,
    classes: input.names.length,
    ...(checked && { checked }),
    ...(input.predicted && { predictedProbabilities: input.predicted }),
    ...(trusted && {
      trusted: input.trusted,
      weighting: options.weighting,
      holdout: options.holdout ? 0.2 : 0,
      normalize: input.normalize,
    }),
    model: options.model,
    outerSteps: options.outerSteps,
    ...(options.standardize !== undefined && { standardize: options.standardize }),
    seed,
    signal,
    communicator: ranks(),
    checkpoint: options.kept,
    onProgress(progress) {
      line.show(progress)
      if (known) {
        const p = progress.classifier().probabilities(known.test.features)
        accuracies.push(accuracy(p, known.classes, known.test.labels))
      }
    },
  }).catch(howToGoOn(options))
  line.end()
  tellResumed(result.resumed, (words) => line.say(words))
  // Nobody knows the accuracies of steps before.
  while (known && accuracies.length < result.curves.length) accuracies.unshift(Number.NaN)
  const warned = warnings(input, result, options)
  for (const warning of warned) console.error(`nhgd: ${warning}`)
  if (!options.quiet) {
    if (known) print(`${result.issues.length} of ${result.rows.length} labels look wrong (${input.title})`)
    else print(findings(result, input, options))
    if (before) print(`\n${changes(before, result, input.names)}`)
    if (options.verbose) print(course(command.options, result, accuracies))
  }
  const found =
    known &&
    figures(result, known, accuracies, await runRivals(known, result, options, seed, line, signal), seed)
  if (found && !options.quiet) print(`\n${table(found)}\n\n${verdict(found)}`)
  const report = options.report ?? (options.demo !== undefined ? 'nhgd-report.html' : undefined)
  const { out, weights, json } = options
  const { seconds, backend: info, settings } = result
  const summed = {
    doubted: result.issues.length,
    judged: result.rows.length,
    expectedWrong: expectedWrong(result),
    estimate: result.estimate,
    bilevel: result.bilevel,
    warnings: warned,
    classesWithoutTrusted: unseenClasses(input),
    ...(result.checked.rows.length === 0 && { check: worthChecking(result, options.suggestTrusted) }),
    seconds,
    backend: info,
    seed,
    settings,
  }
  await writeAll([
    out && (() => writeIssues(out, input, result)),
    weights && (() => writeWeights(weights, input, result)),
    report && (() => writeReport(report, input, result, accuracies, found, commandLine())),
    !known && json && (() => writeJson(json, summed)),
  ])
  if (report) line.say(`report: ${report}`)
  return found
}

async function runRivals(
  known: CleaningCase,
  { settings }: CleanLabelsResult,
  options: Options,
  seed: number,
  line: ProgressLine,
  signal: AbortSignal,
): Promise<Figures['rivals']> {
  const found: Partial<Figures['rivals']> = {}
  if (!options.rivals || !leads()) return found
  const { innerRate: rate, regularization } = settings as { innerRate: number; regularization: number }
  const training = { steps: 1500, rate, batchSize: 1024, regularization, seed, signal }
  for (const name of Object.keys(rivals) as RivalName[]) {
    if (signal.aborted) break
    line.say(`rival: ${name}`)
    Object.assign(found, { [name]: await rivals[name](known, training) })
  }
  return found
}

/** How the run went, for those who know the method. */
function course(
  spelling: readonly Option[],
  { curves, bestStep, overfitting, seconds, solve, bilevel }: CleanLabelsResult,
  accuracies: readonly number[],
): string {
  const phases = Object.entries(seconds).map(([phase, s]) => `${phase} ${s.toFixed(1)}`)
  const [before, after] = [accuracies[0], accuracies.at(-1)]
  return [
    ...(solve ? [`ended by ${solve.status}: ${inOptions(solve.advice, spelling)}`] : []),
    ...(after === undefined || Number.isNaN(before)
      ? []
      : [
          `test accuracy ${before.toFixed(4)} after the first outer step, ${after.toFixed(4)} after the last`,
        ]),
    ...(overfitting
      ? [
          `over-fitting of the trusted samples began after outer step ${bestStep} of ${curves.length}; its weights were kept`,
        ]
      : curves.length > 0
        ? [`kept the weights of outer step ${bestStep} of ${solve ? curves.length : curves.length - 1}`]
        : []),
    ...(bilevel
      ? [
          `on checked rows that were held out, ${gained('the cross-entropy', bilevel.weights)}`,
          `on checked rows that were held out, ${gained('the log loss of the score', bilevel.scores)}`,
        ]
      : []),
    `seconds: ${phases.join(', ')}`,
  ].join('\n')
}

function gained(what: string, { startLoss, endLoss, error, confirmed }: HeldOutGain): string {
  const [start, end, margin] = [startLoss, endLoss, 2 * error].map((loss) => loss.toFixed(4))
  return `${what} is ${start} at the start and ${end} at the end (± ${margin}): the ${confirmed ? 'end' : 'start'} was kept`
}

/** Names of the classes of which no row was checked or trusted; none where nobody checked any. */
function unseenClasses({ names, labels, trusted, checked }: Input): string[] {
  const known = checked ? checked.labels : Array.from(trusted, (row) => labels[row])
  const seen = new Set(Array.from(known))
  return seen.size === 0 ? [] : names.filter((_, index) => !seen.has(index))
}

/** What makes the result doubtful, in sentences. */
function warnings(input: Input, result: CleanLabelsResult, options: Options): string[] {
  const unseen = unseenClasses(input)
  const odd = input.imageShape ? undefined : oddColumn(input.features)
  const named = odd === undefined ? '' : `"${input.columns?.[odd] ?? odd}"`
  const advice = options.standardize !== false ? '' : ': leave "--no-standardize" out'
  return [
    ...(unseen.length > 0
      ? [
          input.checked
            ? `no checked row has the class ${listed(unseen)}: the labels of these classes are not judged`
            : `no trusted row is labelled ${listed(unseen)}: the labels of these classes are not judged`,
        ]
      : []),
    ...result.warnings.filter((warning) => !/^no (checked|trusted) row has the class/.test(warning)),
    ...(named ? [`column ${named} is of another scale than the others, or has an outlier${advice}`] : []),
  ]
}

function knownCase(backend: Backend, input: Input): CleaningCase {
  const { features, labels, truth, test, names } = input
  if (!truth || !test) throw new NhgdError('ERR_INTERNAL', 'a case without an answer')
  const trusted = Uint32Array.from(input.trusted)
  const isTrusted = new Set(trusted)
  const rows = Uint32Array.from(labels.keys()).filter((row) => !isTrusted.has(row))
  let uploaded: Features | undefined
  return {
    backend,
    /** Rivals alone need them. */
    get features() {
      uploaded ??= upload(backend, features)
      return uploaded
    },
    classes: names.length,
    rows,
    given: Int32Array.from(rows, (row) => labels[row]),
    truth: Int32Array.from(rows, (row) => truth[row]),
    trusted,
    trustedLabels: Int32Array.from(trusted, (row) => labels[row]),
    test: { features: upload(backend, test.features), labels: test.labels },
  }
}

/** The command that repeats a run: every option that was given. */
function commandLine(): string {
  return ['nhgd', ...process.argv.slice(2)].join(' ')
}
