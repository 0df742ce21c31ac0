import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { loadBackend } from '../../../ts/backend/load.ts'
import { loadMnist } from '../../../ts/data/index.ts'
import { write } from '../jobs.ts'
import { labelsCase, perceptronCase, type Row, type Sizes, softmaxCase } from './cases.ts'
import type { Streamed, Sizes as StreamedSizes } from './streaming.ts'

interface Options {
  readonly cases: string
  readonly seed: number
  readonly seeds: number
  readonly samples: number
  readonly quick: boolean
  readonly json?: string
}

/** `npm run experiment -- influence`. */
export function influenceCommand(): Command {
  return new Command('influence')
    .description('effects of training samples against retraining, wrong labels, and the time of many')
    .option(
      '--cases <names>',
      'of softmax, labels, perceptron and streaming',
      'softmax,labels,perceptron,streaming',
    )
    .option('--seed <n>', 'the first seed', Number, 0)
    .option('--seeds <n>', 'draws', Number, 2)
    .option('--samples <n>', 'training samples of MNIST', Number, 5000)
    .option('--quick', 'one draw, a tenth of the data', false)
    .option('--json <file>', 'the tables as JSON')
    .action(run)
}

async function run({ cases, seed, seeds, samples: asked, quick, json }: Options): Promise<void> {
  const wanted = cases.split(',')
  const rows: Row[] = []
  const streamed: Streamed[] = []
  const save = () => json && write(json, `${JSON.stringify({ rows, streamed }, null, 2)}\n`)
  const add = (row: Row) => {
    rows.push(row)
    console.log(told(row))
    save()
  }
  if (['softmax', 'labels', 'perceptron'].some((name) => wanted.includes(name))) {
    const [backend, mnist] = [await loadBackend(), await loadMnist()]
    const samples = quick ? 500 : asked
    const sizes = (share: number): Sizes => [samples, Math.round(share * samples)]
    for (let at = seed; at < seed + (quick ? 1 : seeds); at++) {
      if (wanted.includes('labels')) add(await labelsCase(backend, mnist, at, sizes(0)))
      if (wanted.includes('softmax'))
        for await (const row of softmaxCase(backend, mnist, at, sizes(0.1), quick)) add(row)
      if (wanted.includes('perceptron'))
        for await (const row of perceptronCase(backend, mnist, at, sizes(0.04), quick)) add(row)
    }
  }
  if (wanted.includes('streaming')) {
    const sizes: StreamedSizes = quick
      ? { samples: 2000, tests: 50, columns: 100 }
      : { samples: 100_000, tests: 1000, columns: 784 }
    streamed.push(stream(sizes))
    console.log(streamed.at(-1))
    save()
  }
}

/** In a process of its own, whose memory is that of this alone. */
function stream(sizes: StreamedSizes): Streamed {
  const script = fileURLToPath(new URL('streaming.ts', import.meta.url))
  const args = ['--import', 'tsx', script, JSON.stringify(sizes)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

function told({ model, seed, method, ...figures }: Row): string {
  const all = Object.entries(figures).filter(([, value]) => typeof value === 'number')
  return [
    `${model}, seed ${seed}, ${method}:`,
    ...all.map(([name, x]) => `${name} ${(x as number).toFixed(3)}`),
  ].join('  ')
}
