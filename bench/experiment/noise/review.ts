import { Command } from 'commander'
import type { Backend } from '../../../ts/backend/backend.ts'
import { loadBackend } from '../../../ts/backend/load.ts'
import { permutation } from '../../../ts/data/split.ts'
import { cleanLabels } from '../../../ts/tasks/cleanLabels/cleanLabels.ts'
import { relabelNext } from '../../../ts/tasks/review/relabelNext.ts'
import { write } from '../jobs.ts'
import { noisyLabels } from './labels.ts'
import { type Quality, quality } from './run.ts'
import { loadSet } from './sets.ts'
import { type Difference, paired } from './table.ts'

interface Options {
  readonly set: readonly string[]
  readonly rate: number
  readonly seed: number
  readonly seeds: number
  readonly quick: boolean
  readonly json?: string
}

/** Numbers of checks at which the ways are compared. */
const stops = [0, 50, 100, 200]
const ways = ['relabelNext', 'random', 'top'] as const
type Way = (typeof ways)[number]

interface Run {
  readonly set: string
  readonly way: Way
  readonly seed: number
  readonly checks: number
  readonly quality: Quality
}

/** `npm run experiment -- review`. */
export function reviewCommand(): Command {
  return new Command('review')
    .description('a truthful checker: which rows to check next, by relabelNext, at random, or from the top')
    .option(
      '--set <name=folder>',
      'a set as NPY files, see noise',
      (text: string, all: readonly string[]) => [...all, text],
      [] as readonly string[],
    )
    .option(
      '--rate <share>',
      'share of wrong labels that depend on the sample, where no noise came with the set',
      Number,
      0.3,
    )
    .option('--seed <n>', 'the first seed', Number, 0)
    .option('--seeds <n>', 'draws', Number, 3)
    .option('--quick', 'one draw, 100 checks', false)
    .option('--json <file>', 'the differences as JSON')
    .action(review)
}

async function review(options: Options): Promise<void> {
  const backend = await loadBackend()
  const runs: Run[] = []
  for (const text of options.set) {
    const [set, folder] = text.split('=', 2)
    for (let seed = options.seed; seed < options.seed + (options.quick ? 1 : options.seeds); seed++) {
      for (const way of ways) {
        const found = await simulate(backend, set, folder, way, seed, options)
        runs.push(...found)
        const last = found[found.length - 1].quality
        console.error(`${set} ${way} seed ${seed}: ${last.accuracy.toFixed(4)} ${last.auc.toFixed(4)}`)
      }
    }
  }
  const table = compare(runs)
  const show = ({ mean, interval }: Difference) =>
    `${mean >= 0 ? '+' : ''}${mean.toFixed(4)} ± ${interval.toFixed(4)}`
  console.log('set | checks | accuracy | AUC | accuracy − random | AUC − random | accuracy − top | AUC − top')
  console.log('---|--:|--:|--:|---|---|---|---')
  for (const { set, checks, own, random, top } of table) {
    const cells = [set, checks, own.accuracy.toFixed(4), own.auc.toFixed(4)]
    console.log(
      [...cells, show(random.accuracy), show(random.auc), show(top.accuracy), show(top.auc)].join(' | '),
    )
  }
  if (options.json) write(options.json, `${JSON.stringify(table, null, 2)}\n`)
}

async function simulate(
  backend: Backend,
  set: string,
  folder: string | undefined,
  way: Way,
  seed: number,
  { rate, quick }: Options,
): Promise<Run[]> {
  const data = await loadSet(set, folder, seed)
  const { features, truth, classes } = data
  const noise = { kind: 'dependent', rate, seed } as const
  const labels = data.given ?? (await noisyLabels(backend, features, truth, classes, noise))
  const order = permutation(truth.length, seed + 5)
  let rows = new Uint32Array(0)
  const runs: Run[] = []
  for (const [at, checks] of stops.slice(0, quick ? 3 : undefined).entries()) {
    const checked = { rows, labels: Array.from(rows, (row) => truth[row]) }
    const known = checks > 0 ? { checked } : {}
    const result = await cleanLabels({ backend, features, labels, classes, ...known, seed })
    runs.push({
      set,
      way,
      seed,
      checks,
      quality: quality(data, labels, new Uint32Array(0), result.scores, result.model, result.threshold),
    })
    const count = (stops[at + 1] ?? checks) - checks
    if (count === 0) break
    const seen = new Set(rows)
    const next = {
      relabelNext: () => relabelNext({ result, labels, count, seed }).rows,
      random: () => Uint32Array.from(order.filter((row) => !seen.has(row))).slice(0, count),
      top: () => result.ranking.slice(0, count),
    }[way]()
    rows = Uint32Array.from([...rows, ...next])
  }
  return runs
}

function compare(runs: readonly Run[]) {
  const sets = [...new Set(runs.map(({ set }) => set))]
  return sets.flatMap((set) =>
    stops.flatMap((checks) => {
      const of = (way: Way) =>
        runs.filter((run) => run.set === set && run.checks === checks && run.way === way)
      const figure = (way: Way, name: 'accuracy' | 'auc') => of(way).map(({ quality }) => quality[name])
      const own = of('relabelNext')
      if (own.length === 0) return []
      const against = (way: Way) => ({
        accuracy: paired(figure('relabelNext', 'accuracy'), figure(way, 'accuracy')),
        auc: paired(figure('relabelNext', 'auc'), figure(way, 'auc')),
      })
      const mean = (name: 'accuracy' | 'auc') =>
        figure('relabelNext', name).reduce((sum, x) => sum + x, 0) / own.length
      const means = { accuracy: mean('accuracy'), auc: mean('auc') }
      return [{ set, checks, own: means, random: against('random'), top: against('top') }]
    }),
  )
}
