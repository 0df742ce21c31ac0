import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { Command } from 'commander'
import { loadBackend } from '../../../ts/backend/load.ts'
import { debianFashion, missing } from '../data.ts'
import { write } from '../jobs.ts'
import { kinds } from './labels.ts'
import { type Cell, type Result, runCell } from './run.ts'
import { report, summaries } from './table.ts'

interface Options {
  readonly sets: string
  readonly set: readonly string[]
  readonly rates: string
  readonly checked: string
  readonly cells?: string
  readonly seed: number
  readonly seeds: number
  readonly fashion: string
  readonly quick: boolean
  readonly resume: boolean
  readonly lines: string
  readonly json?: string
}

/** `npm run experiment -- noise`. */
export function noiseCommand(): Command {
  return new Command('noise')
    .description('wrong labels as they arise in life: ours against its start and simple rivals')
    .option('--sets <names>', 'of mnist and fashion', 'mnist,fashion')
    .option(
      '--set <name=folder>',
      'a set as NPY files: features, true (given, if its noise is real), test_features, test_true',
      (text: string, all: readonly string[]) => [...all, text],
      [] as readonly string[],
    )
    .option('--rates <shares>', 'shares of wrong labels', '0.1,0.3,0.5')
    .option('--checked <numbers>', 'checked rows; 1000 for sets of at least 30 000 rows alone', '60,200,1000')
    .option('--cells <text>', 'only cells whose name has this text')
    .option('--seed <n>', 'the first seed', Number, 0)
    .option('--seeds <n>', 'draws of each cell', Number, 3)
    .option('--fashion <folder>', 'where the files of Fashion-MNIST are', debianFashion)
    .option('--quick', 'one draw, one rate, 60 checked rows, the first set', false)
    .option('--resume', 'go on where the lines file ends', false)
    .option('--lines <file>', 'one draw per line', 'build/noise.jsonl')
    .option('--json <file>', 'the table as JSON')
    .action(noise)
}

async function noise(options: Options): Promise<void> {
  const folders = new Map(options.set.map((text) => text.split('=', 2) as [string, string]))
  const large = options.sets.split(',').filter((name) => name !== '')
  if (large.includes('fashion')) {
    folders.set('fashion', options.fashion)
    const lack = missing({ dataset: 'fashion' }, options.fashion)
    if (lack) {
      console.error(`${lack}; left out`)
      large.splice(large.indexOf('fashion'), 1)
    }
  }
  const numbers = (text: string) => text.split(',').map(Number)
  const cells: Cell[] = [...large, ...options.set.map((text) => text.split('=', 1)[0])].flatMap(
    (set): Cell[] => {
      const folder = folders.get(set)
      const real = folder !== undefined && existsSync(`${folder}/given.npy`)
      const sizes = numbers(options.checked).filter((size) => size < 1000 || large.includes(set))
      if (real) return sizes.map((checked) => ({ set, kind: 'real' as const, rate: 0, checked }))
      return kinds.flatMap((kind) =>
        numbers(options.rates).flatMap((rate) => sizes.map((checked) => ({ set, kind, rate, checked }))),
      )
    },
  )
  const named = (cell: Cell) => `${cell.set} ${cell.kind} ${cell.rate} ${cell.checked}`
  const wanted = options.quick
    ? cells.filter(({ checked, rate }) => checked === 60 && rate >= 0.3).slice(0, 1)
    : cells.filter((cell) => !options.cells || named(cell).includes(options.cells))
  if (!options.resume) rmSync(options.lines, { force: true })
  mkdirSync(dirname(options.lines), { recursive: true })
  const read = () =>
    existsSync(options.lines)
      ? readFileSync(options.lines, 'utf8')
          .split('\n')
          .filter(Boolean)
          .map((line): Result => JSON.parse(line))
      : []
  const done = new Set(read().map((result) => `${named(result)} ${result.seed}`))
  const backend = await loadBackend()
  for (let seed = options.seed; seed < options.seed + (options.quick ? 1 : options.seeds); seed++) {
    for (const cell of wanted) {
      if (done.has(`${named(cell)} ${seed}`)) continue
      const result = await runCell(backend, cell, seed, folders.get(cell.set))
      appendFileSync(options.lines, `${JSON.stringify(result)}\n`)
      const { ours, start, seconds } = result
      console.error(
        `${named(cell)} seed ${seed}: ${ours.accuracy.toFixed(4)} ${ours.auc.toFixed(4)} ${ours.f1.toFixed(4)}, start ${start.accuracy.toFixed(4)}, ${seconds.toFixed(1)} s`,
      )
    }
  }
  const chosen = new Set(wanted.map(named))
  const table = summaries(read().filter((result) => chosen.has(named(result))))
  console.log(report(table))
  if (options.json) write(options.json, `${JSON.stringify(table, null, 2)}\n`)
}
