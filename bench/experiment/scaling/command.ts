import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { mpiEnvironment } from '../../../test/support/mpirun.ts'
import { commit } from '../../harness/machine.ts'
import { write } from '../jobs.ts'
import {
  at,
  type Calls,
  fitLine,
  hidingBatch,
  type Lengths,
  type Line,
  type Model,
  type OracleName,
  type Parts,
  predict,
  total,
} from './model.ts'
import { flopsPerSample, outlook, told } from './outlook.ts'
import type { Job, Measured } from './rank.ts'
import { type Sizes, type WorkName, works } from './work.ts'

interface Options {
  readonly work: WorkName[]
  readonly ranks: number[]
  readonly cycles: number
  readonly seed: number
  readonly quick: boolean
  readonly json?: string
}

/** Numbers of entries that the model is fitted on, and others that it is tried on. */
const lengths = { fitted: [1000, 30_000, 300_000, 4_000_000], others: [10_000, 100_000, 1_000_000] }
/** What two ranks have to gain, and how far a prediction may be off. */
const bars = { speedup: 1.7, error: 0.2 }

/** A prediction beside what was measured. */
interface Tried {
  readonly what: string
  readonly measured: number
  readonly predicted: number
}

interface Row {
  readonly scaling: 'strong' | 'weak'
  readonly ranks: number
  readonly seconds: number
  /** Seconds of one rank over its own; in weak scaling the samples grow with the ranks, and 1 is the most. */
  readonly speedup: number
  readonly predicted: number
  readonly parts: Parts
  /** Bytes of each rank's own memory. */
  readonly memory: readonly number[]
}

interface Found {
  readonly work: WorkName
  readonly sizes: Sizes
  readonly pinned: boolean
  readonly lengths: Lengths
  readonly oracles: Readonly<Record<OracleName, Line>>
  readonly reductions: readonly { readonly ranks: number; readonly line: Line }[]
  readonly rest: number
  readonly rows: readonly Row[]
  readonly tried: readonly Tried[]
  readonly hidingBatch: readonly { readonly ranks: number; readonly samples: number }[]
  /** Seconds per refresh: all inverses of layers on each rank, and half of them sent. */
  readonly inverse: number
  readonly sending: number
}

const list = (text: string) => text.split(',')

/** `npm run experiment -- scaling`. */
export function scalingCommand(): Command {
  return new Command('scaling')
    .description('ranks of one core each: strong and weak scaling, a model of it, and what a cluster needs')
    .option('--work <names>', 'cleaning, perceptron', (text) => list(text) as WorkName[], [
      'cleaning',
      'perceptron',
    ])
    .option('--ranks <counts>', 'numbers of ranks beside one', (text) => list(text).map(Number), counts())
    .option(
      '--cycles <n>',
      'how often the steps between two refreshes are timed; the fastest counts',
      Number,
      3,
    )
    .option('--seed <n>', 'decides the pictures and every draw', Number, 0)
    .option('--quick', 'a fifth of the samples and less, one cycle', false)
    .option('--json <file>', 'the figures as JSON')
    .action(run)
}

/** 2, 4, 8, … up to the cores. */
function counts(): number[] {
  const all: number[] = []
  for (let ranks = 2; ranks <= Math.max(2, availableParallelism()); ranks *= 2) all.push(ranks)
  return all
}

async function run(options: Options): Promise<void> {
  const mpirun = findMpirun()
  if (!mpirun) {
    console.error('there is no MPI: npm run setup -- --mpi, or set MPI_BIN to the folder of its mpirun')
    process.exitCode = 2
    return
  }
  const found: Found[] = []
  for (const work of options.work) {
    const one = scaled(mpirun, work, options)
    console.log(tableOf(one))
    found.push(one)
  }
  const perceptron = found.find(({ work }) => work === 'perceptron') ?? found[0]
  const prospect = outlook(flopsPerSample[perceptron.work] / perceptron.oracles.innerStep.each)
  console.log(told(prospect))
  const { seed, quick } = options
  const machine = { processor: cpus()[0]?.model, cores: availableParallelism() }
  if (options.json)
    write(
      options.json,
      `${JSON.stringify({ commit: commit(), machine, seed, quick, found, outlook: prospect }, null, 2)}\n`,
    )
}

function findMpirun(): string | undefined {
  const own = fileURLToPath(new URL('../../../build/mpi/bin', import.meta.url))
  const folders = [process.env.MPI_BIN, ...(process.env.PATH ?? '').split(delimiter), own]
  return folders.map((folder) => folder && join(folder, 'mpirun')).find((path) => path && existsSync(path))
}

function scaled(mpirun: string, work: WorkName, { ranks, seed, quick, cycles: given }: Options): Found {
  const script = fileURLToPath(new URL('rank.ts', import.meta.url))
  const measure = (size: number, job: Omit<Job, 'work' | 'cycles' | 'seed'>): Measured => {
    const whole: Job = { ...job, work, seed, cycles: quick ? 1 : given }
    const args = ['-n', `${size}`, process.execPath, ...process.execArgv, script, JSON.stringify(whole)]
    const env = { ...process.env, ...mpiEnvironment }
    const { stdout, stderr, status } = spawnSync(mpirun, args, { encoding: 'utf8', env, maxBuffer: 2 ** 28 })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }
  const { rows, [quick ? 'quick' : 'sizes']: sizes } = works[work]
  const times = (factor: number) => ({
    samples: factor * sizes.samples,
    trusted: factor * sizes.trusted,
    batch: factor * sizes.batch,
  })
  const base = measure(1, { sizes, rows: [...rows.fitted, ...rows.others] })
  const smaller = measure(1, { sizes: { ...sizes, batch: sizes.batch / 2 } })
  if (!base.times || !base.calls || !smaller.calls) throw new Error('one rank expected times and calls')
  const { inner, outer, moments, inverse } = base.times
  const sizesOf: Lengths = { inner, outer, moments }
  const tried: Tried[] = []
  const oracles = Object.fromEntries(
    Object.entries(base.times.oracles).map(([name, seconds]) => {
      const line = fitLine(rows.fitted, seconds)
      for (const [i, count] of rows.others.entries()) {
        const measured = seconds[rows.fitted.length + i]
        tried.push({ what: `${name} of ${count} rows`, measured, predicted: at(line, count) })
      }
      return [name, line]
    }),
  ) as Record<OracleName, Line>
  const bare: Model = { oracles, reductions: new Map(), rest: 0 }
  const rest = Math.max(0, base.seconds - total(predict(bare, base.calls, sizesOf, 1)))
  const reductions = new Map<number, Line>()
  const model: Model = { oracles, reductions, rest }
  const predicted = (calls: readonly Calls[], size: number, factor = 1) =>
    predict(model, grown(calls, sizes, factor), { ...sizesOf, outer: factor * outer }, size)
  tried.push({
    what: `outer step, batches of ${sizes.batch / 2} on one rank`,
    measured: smaller.seconds,
    predicted: total(predicted(smaller.calls, 1)),
  })
  const parts = predicted(base.calls, 1)
  const table: Row[] = [
    {
      scaling: 'strong',
      ranks: 1,
      seconds: base.seconds,
      speedup: 1,
      predicted: total(parts),
      parts,
      memory: base.memory,
    },
  ]
  let sending = 0
  for (const size of ranks) {
    const strong = measure(size, {
      sizes,
      lengths: [...lengths.fitted, ...lengths.others],
      broadcast: Math.ceil((4 * moments) / size),
    })
    const seconds = strong.reductions ?? []
    const line = fitLine(lengths.fitted, seconds.slice(0, lengths.fitted.length))
    reductions.set(size, line)
    if (sending === 0) sending = strong.broadcast ?? 0
    for (const [i, count] of lengths.others.entries()) {
      const measured = seconds[lengths.fitted.length + i]
      tried.push({ what: `sum of ${count} floats over ${size} ranks`, measured, predicted: at(line, count) })
    }
    const weak = measure(size, { sizes: times(size) })
    for (const [scaling, run, factor] of [
      ['strong', strong, 1],
      ['weak', weak, size],
    ] as const) {
      const parts = predicted(base.calls, size, factor)
      const what = `outer step, ${scaling} scaling, ${size} ranks`
      tried.push({ what, measured: run.seconds, predicted: total(parts) })
      const speedup = base.seconds / run.seconds
      table.push({
        scaling,
        ranks: size,
        seconds: run.seconds,
        speedup,
        predicted: total(parts),
        parts,
        memory: run.memory,
      })
    }
  }
  return {
    work,
    sizes,
    pinned: base.pinned,
    lengths: sizesOf,
    oracles,
    reductions: [...reductions].map(([ranks, line]) => ({ ranks, line })),
    rest,
    rows: table,
    tried,
    hidingBatch: ranks.map((size) => ({ ranks: size, samples: hidingBatch(model, sizesOf, size) })),
    inverse,
    sending,
  }
}

/** The calls of a run with so many times the samples, where a method does not fix their rows. */
function grown(calls: readonly Calls[], { samples }: Sizes, times: number): Calls[] {
  const grows = ({ name, rows }: Calls) =>
    name === 'innerStep' || name === 'outerGradient' || rows === samples
  return calls.map((call) => (grows(call) ? { ...call, rows: times * call.rows } : call))
}

const ms = (seconds: number) => `${(1000 * seconds).toPrecision(3)} ms`
const error = ({ measured, predicted }: Tried) => predicted / measured - 1

function tableOf(found: Found): string {
  const { work, sizes, lengths, rest } = found
  const worst = Math.max(...found.tried.map((tried) => Math.abs(error(tried))))
  const row = ({ scaling, ranks, seconds, speedup, predicted, parts, memory }: Row) => {
    const bar = scaling === 'strong' && ranks === 2 ? ` (bar ${bars.speedup})` : ''
    const mib = memory.map((bytes) => Math.round(bytes / 2 ** 20)).join(', ')
    return `  ${scaling} ${ranks}: ${ms(seconds)} per outer step, ${speedup.toFixed(2)} times one rank${bar}; predicted ${ms(predicted)}: oracles ${ms(parts.oracles)}, sums ${ms(parts.reductions)}, the rest ${ms(parts.rest)}; own memory ${mib} MiB`
  }
  return [
    `${work}: ${sizes.samples} samples, ${sizes.trusted} trusted, batches of ${sizes.batch}, θ ${lengths.inner}, v ${lengths.outer}${found.pinned ? '' : ', ranks not pinned'}`,
    ...found.rows.map(row),
    ...Object.entries(found.oracles).map(
      ([name, { fixed, each }]) => `  ${name}: ${ms(fixed)} + ${(1e6 * each).toPrecision(3)} µs per row`,
    ),
    ...found.reductions.map(
      ({ ranks, line }) =>
        `  sum over ${ranks} ranks: ${ms(line.fixed)} + ${(1e9 * line.each).toPrecision(3)} ns per float`,
    ),
    ...found.hidingBatch.map(
      ({ ranks, samples }) =>
        `  on ${ranks} ranks a gradient takes as long as its sum from ${Math.ceil(samples)} samples per inner step on`,
    ),
    ...found.reductions.map(
      ({ ranks, line }) =>
        `  v is on every rank: its two sums over ${ranks} take ${ms(2 * line.each * lengths.outer)} per outer step`,
    ),
    `  inverses of all layers ${ms(found.inverse)} per refresh, ${ms(found.sending)} to send a rank's share of them; the rest is ${ms(rest)}`,
    `  predictions on other sizes are off by ${(100 * worst).toFixed(0)} % at most (bar ${100 * bars.error} %):`,
    ...found.tried.map(
      (tried) =>
        `    ${tried.what}: ${ms(tried.measured)}, predicted ${(100 * error(tried)).toFixed(0)} % more`,
    ),
  ].join('\n')
}
