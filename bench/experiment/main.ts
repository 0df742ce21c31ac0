// npm run experiment -- cleaning --methods all --seeds 5 --budget 30s --report FILE.html
import { execFile } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type Cell, debianFashion, missing } from './data.ts'
import { describe, grid } from './grid.ts'
import type { Job, Run } from './job.ts'
import { csv, entry, page, table } from './report.ts'

interface Options {
  readonly methods: string[]
  readonly seeds: number
  readonly budget: number
  readonly clock: Job['clock']
  readonly dataset: Cell['dataset']
  readonly noise: number
  readonly kind: Cell['kind']
  readonly trusted: number
  readonly cells: boolean
  readonly fashion: string
  readonly quick: boolean
  readonly resume: boolean
  readonly lines: string
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
      .option('--quick', 'one seed, one second, no grid, a fifth of the data', false)
      .option('--resume', 'go on where the lines file ends', false)
      .option('--lines <file>', 'one run a line', 'bench/results/experiment.jsonl')
      .option('--json <file>', 'entries as JSON')
      .option('--csv <file>', 'entries as CSV')
      .option('--report <file>', 'tables and curves as HTML')
      .action(cleaning),
  )

async function cleaning(options: Options): Promise<void> {
  const lack = missing(options, options.fashion)
  if (lack) {
    console.error(lack)
    process.exitCode = 2
    return
  }
  const run = runner(options)
  const { dataset, noise, kind, trusted, quick, clock, fashion } = options
  const cell: Cell = quick
    ? { dataset, noise, kind, trusted: Math.min(trusted, 2000), train: 10_000 }
    : { dataset, noise, kind, trusted, train: 50_000 }
  const budget = quick ? 1 : options.budget
  const base = { cell, budget, clock, fashion, candidate: 0, seed: 0 }
  const runs: Run[] = []

  const best = new Map<string, { candidate: number; score: number }>()
  for (const method of options.methods) {
    for (const [candidate, settings] of grid[method].entries()) {
      if (quick && candidate > 0) break
      console.log(`${method} ${candidate}: ${describe(settings)}`)
      const trial =
        quick || grid[method].length === 1
          ? undefined
          : await run({ ...base, method, candidate, budget: budget / 3 })
      const score = trial ? scoreOf(trial) : 0
      if (score < (best.get(method)?.score ?? Number.POSITIVE_INFINITY) || !best.has(method)) {
        best.set(method, { candidate, score })
      }
    }
  }
  for (let seed = 0; seed < (quick ? 1 : options.seeds); seed++) {
    for (const method of quick ? simple.slice(0, 1) : simple)
      runs.push(...found(await run({ ...base, method, seed })))
    for (const [method, { candidate }] of best) {
      runs.push(...found(await run({ ...base, method, candidate, seed })))
    }
  }
  if (options.cells && !quick) {
    const five = [...best.keys()]
      .map((method) => ({ method, score: mean(runs.filter((r) => r.method === method).map(scoreOf)) }))
      .sort((a, b) => a.score - b.score)
      .slice(0, 5)
    for (const other of otherCells(cell, fashion)) {
      for (const seed of [0, 1]) {
        for (const { method } of five) {
          const { candidate } = best.get(method) ?? { candidate: 0 }
          runs.push(...found(await run({ ...base, cell: other, method, candidate, seed, budget: 5 })))
        }
      }
    }
  }
  console.log(table(runs))
  const command = `npm run experiment -- ${process.argv.slice(2).join(' ')}`
  const chosen = [...best].map(([method, { candidate }]) => `${method}: ${describe(grid[method][candidate])}`)
  if (options.json) write(options.json, `${JSON.stringify(runs.map(entry), null, 2)}\n`)
  if (options.csv) write(options.csv, csv(runs))
  if (options.report) write(options.report, page(runs, clock, command, chosen))
}

/** Runs jobs, each once: a job that the lines file has is not run again. */
function runner({ lines, resume }: Options): (job: Job) => Promise<Run | undefined> {
  const done = new Map<string, Run>()
  if (resume && existsSync(lines)) {
    // A run that was cut short may have left half a line at the end.
    for (const line of readFileSync(lines, 'utf8')
      .split('\n')
      .filter((text) => text.endsWith('}'))) {
      const { job, run } = JSON.parse(line)
      done.set(JSON.stringify(job), run)
    }
  } else write(lines, '')
  const script = fileURLToPath(new URL('run.ts', import.meta.url))
  return async (job) => {
    const key = JSON.stringify(job)
    const before = done.get(key)
    if (before) return before
    try {
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, key], {
        maxBuffer: 2 ** 28,
      })
      const run: Run = JSON.parse(stdout)
      appendFileSync(lines, `${JSON.stringify({ job, run })}\n`)
      console.error(
        `${job.method} ${job.candidate}, seed ${job.seed}: f ${run.outerLoss?.toFixed(3)}, accuracy ${run.accuracy?.toFixed(4)}, ${run.steps} steps`,
      )
      return run
    } catch (error) {
      console.error(`${job.method} ${job.candidate}, seed ${job.seed} failed: ${(error as Error).message}`)
      return undefined
    }
  }
}

/** Seconds to f ≤ 0.30, or, above all of these, f at the end. */
function scoreOf(run: Run): number {
  return run.secondsTo.f['0.30'] ?? 1e6 * (run.outerLoss ?? Number.POSITIVE_INFINITY)
}

function otherCells(done: Cell, fashion: string): Cell[] {
  const cells: Cell[] = []
  for (const dataset of ['mnist', 'fashion'] as const) {
    const lack = missing({ dataset }, fashion)
    if (lack) {
      console.error(lack)
      continue
    }
    for (const noise of [0, 0.3, 0.5, 0.8]) {
      for (const kind of noise > 0 ? (['uniform', 'pair'] as const) : (['uniform'] as const)) {
        for (const trusted of [10_000, 2000, 500, 100])
          cells.push({ dataset, noise, kind, trusted, train: 50_000 })
      }
    }
  }
  return cells.filter((cell) => JSON.stringify(cell) !== JSON.stringify({ ...cell, ...done }))
}

function found(run: Run | undefined): Run[] {
  return run ? [run] : []
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
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
