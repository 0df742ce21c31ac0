// npm run experiment -- cleaning --methods all --seeds 5 --budget 30s --report FILE.html
// npm run experiment -- quadratic
// npm run experiment -- theory --report FILE.html
// npm run experiment -- distillation --json FILE
// npm run experiment -- scale --json FILE
// npm run experiment -- scaling --json FILE
import { Command, InvalidArgumentError, Option } from 'commander'
import { otherCells } from './cells.ts'
import { type Cell, debianFashion, missing } from './data.ts'
import { distillationCommand } from './distillation/command.ts'
import { describe, grid } from './grid.ts'
import { influenceCommand } from './influence/command.ts'
import type { Job, Run } from './job.ts'
import { type RunnerOptions, runner, write } from './jobs.ts'
import { networkCommand } from './network/command.ts'
import { noiseCommand } from './noise/command.ts'
import { reviewCommand } from './noise/review.ts'
import { pdeCommand } from './pde/command.ts'
import { quadraticTable } from './quadratic.ts'
import { csv, entry, mean, page, table } from './report.ts'
import { scaleCommand } from './scale/command.ts'
import { scalingCommand } from './scaling/command.ts'
import { theoryCommand } from './theory/command.ts'
import { lost } from './verdict.ts'

interface Options extends RunnerOptions {
  readonly methods: string[]
  readonly seeds: number
  readonly firstSeed: number
  readonly budget: number
  readonly clock: Job['clock']
  readonly dataset: Cell['dataset']
  readonly noise: number
  readonly kind: Cell['kind']
  readonly trusted: number
  readonly cells: boolean
  readonly rivals: boolean
  readonly fashion: string
  readonly quick: boolean
  readonly json?: string
  readonly csv?: string
  readonly report?: string
}

/** Simple rivals, which no honest report leaves out. */
const simple = ['unweighted', 'trustedOnly', 'filter']

const program = new Command('experiment')
  .description('methods on equal budgets; every run is a process of its own')
  .addCommand(
    new Command('cleaning')
      .description('weights for samples with wrong labels, softmax regression')
      .option('--methods <names>', `all, or of ${Object.keys(grid).join(',')}`, methods, Object.keys(grid))
      .option('--seeds <n>', 'runs of each method with its best step sizes', Number, 5)
      .option('--first-seed <n>', 'the first of the seeds, on which the grid is tried', Number, 0)
      .option('--budget <seconds>', 'for each run; a third of it for each point of the grid', seconds, 30)
      .addOption(
        new Option('--clock <kind>', 'what the budget counts').choices(['wall', 'cpu']).default('wall'),
      )
      .addOption(new Option('--dataset <name>').choices(['mnist', 'fashion']).default('mnist'))
      .option('--noise <rate>', 'share of the labels that are replaced', Number, 0.5)
      .addOption(new Option('--kind <kind>', 'how').choices(['uniform', 'pair']).default('uniform'))
      .option('--trusted <n>', 'trusted samples', Number, 10_000)
      .option(
        '--cells',
        'then the five best on every other noise, size and data set: two seeds, five seconds',
        false,
      )
      .option('--fashion <folder>', 'where the files of Fashion-MNIST are', debianFashion)
      .option('--quick', 'one seed, half a second, no grid, a fifth of the data', false)
      .option('--jobs <n>', 'processes at a time; more than one asks for --clock cpu', Number, 1)
      .option('--resume', 'go on where the lines file ends', false)
      .option('--no-rivals', 'leaves out the simple rivals')
      .option('--lines <file>', 'one run per line', 'build/experiment.jsonl')
      .option('--json <file>', 'entries as JSON')
      .option('--csv <file>', 'entries as CSV')
      .option('--report <file>', 'tables and curves as HTML')
      .action(cleaning),
  )
  .addCommand(
    new Command('quadratic')
      .description('a quadratic problem, whose answer is known')
      .option('--json <file>', 'entries as JSON')
      .action(async ({ json }) => {
        const { text, entries } = await quadraticTable()
        console.log(text)
        if (json) write(json, `${JSON.stringify(entries, null, 2)}\n`)
      }),
  )

program
  .addCommand(noiseCommand())
  .addCommand(reviewCommand())
  .addCommand(influenceCommand())
  .addCommand(theoryCommand())
  .addCommand(distillationCommand())
  .addCommand(pdeCommand())
  .addCommand(scaleCommand())
  .addCommand(scalingCommand())
  .addCommand(networkCommand())

async function cleaning(options: Options): Promise<void> {
  const lack = missing({ dataset: options.cells ? 'fashion' : options.dataset }, options.fashion)
  if (lack) {
    console.error(lack)
    process.exitCode = 2
    return
  }
  if (options.jobs > 1 && options.clock === 'wall') {
    program.error('--jobs above 1 expected --clock cpu: processes that take turns have no time on the wall.')
  }
  const run = runner(options)
  const { dataset, noise, kind, trusted, quick, clock, fashion } = options
  const data = quick ? { trusted: Math.min(trusted, 2000), train: 10_000 } : { trusted, train: 50_000 }
  const cell: Cell = { dataset, noise, kind, ...data, weighting: 'perSample' }
  const budget = quick ? 0.5 : options.budget
  const base: Job = { cell, budget, clock, fashion, method: '', candidate: 0, seed: options.firstSeed }

  const points = options.methods.flatMap((method) =>
    grid[method]
      .slice(0, quick ? 1 : undefined)
      .map((candidate, i) => ({ method, candidate: i, settings: describe(candidate) })),
  )
  for (const { method, candidate, settings } of points) console.log(`${method} ${candidate}: ${settings}`)
  const contested = points.filter(({ method }) => !quick && grid[method].length > 1)
  const trials = await run(
    contested.map(({ method, candidate }) => ({ ...base, method, candidate, budget: budget / 3 })),
  )
  const best = options.methods.map((method) => {
    const own = trials.filter((trial) => trial.method === method)
    return { method, candidate: own.sort((a, b) => scoreOf(a) - scoreOf(b))[0]?.candidate ?? 0 }
  })
  const seeds = Array.from({ length: quick ? 1 : options.seeds }, (_, i) => options.firstSeed + i)
  const rivals = options.rivals ? simple.slice(0, quick ? 1 : undefined) : []
  const contenders = [...rivals.map((method) => ({ method, candidate: 0 })), ...best]
  const runs = await run(
    seeds.flatMap((seed) => contenders.map((contender) => ({ ...base, ...contender, seed }))),
  )
  if (options.cells && !quick) {
    const five = best
      .filter(({ method }) => !method.startsWith('nhgd-'))
      .map((point) => ({ ...point, score: mean(runs.filter((r) => r.method === point.method).map(scoreOf)) }))
      .sort((a, b) => a.score - b.score)
      .slice(0, 5)
    const jobs = otherCells(cell).flatMap((cell) =>
      [0, 1].flatMap((seed) =>
        five.map(({ method, candidate }) => ({ ...base, cell, method, candidate, seed, budget: 5 })),
      ),
    )
    runs.push(...(await run(jobs)))
  }
  console.log(table(runs))
  const losses = lost(runs)
  console.log(`\nWhere the default method is not the best:\n${losses.join('\n')}`)
  const chosen = new Set(best.map(({ method, candidate }) => `${method} ${candidate}`))
  const steps = points.map(({ method, candidate, settings }) => {
    const trial = trials.find((run) => run.method === method && run.candidate === candidate)
    const found = trial
      ? `, f ≤ 0.30 after ${trial.secondsTo.f['0.30']?.toFixed(1) ?? '–'} s, f ${trial.outerLoss}`
      : ''
    return `${chosen.has(`${method} ${candidate}`) ? '→' : ' '} ${method} ${candidate}: ${settings}${found}`
  })
  const command = `npm run experiment -- ${process.argv.slice(2).join(' ')}`
  if (options.json) write(options.json, `${JSON.stringify(runs.map(entry), null, 2)}\n`)
  if (options.csv) write(options.csv, csv(runs))
  if (options.report) write(options.report, page(runs, { clock, command, steps, losses }))
}

/** Seconds to f ≤ 0.30, or, above all of these, f at the end. */
function scoreOf(run: Run): number {
  return run.secondsTo.f['0.30'] ?? 1e6 * (run.outerLoss ?? Number.POSITIVE_INFINITY)
}

function methods(text: string): string[] {
  const names = text === 'all' ? Object.keys(grid) : text.split(',')
  const strange = names.find((name) => !(name in grid))
  if (strange === undefined) return names
  throw new InvalidArgumentError(`no method "${strange}"; there are ${Object.keys(grid).join(', ')}.`)
}

function seconds(text: string): number {
  const value = Number(text.replace(/s$/, ''))
  if (value > 0) return value
  throw new InvalidArgumentError('expected seconds, such as 30s.')
}

program.parseAsync().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
