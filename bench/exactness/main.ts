// How close each inverse Fisher comes to the exact hypergradient, and what it takes:
//   npm run exactness [-- --hard | --networks] [--quick] [--json FILE] [--seed N] [--seeds N] [--out FILE]
import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { loadBackend } from '../../ts/backend/load.ts'
import { cleaningSplit, loadMnist } from '../../ts/data/index.ts'
import { takeRows } from '../../ts/data/tensor.ts'
import { digitComponents } from './components.ts'
import { coldContenders, warmContenders } from './contenders.ts'
import { collect } from './entries.ts'
import { hard } from './hard/main.ts'
import { hardMarkdown } from './hard/table.ts'
import { networks, networksMarkdown, usualNetwork } from './networks.ts'
import { follow, type Measurement, type Reference } from './run.ts'
import { markdown } from './table.ts'

const {
  hard: onHard,
  networks: onNetworks,
  quick,
  json,
  out,
  seed,
  seeds,
} = new Command('exactness')
  .option('--hard', 'problems on which conjugate gradients have a hard time, with few products')
  .option('--networks', 'a perceptron 784-128-10 at three points of its training, one seed')
  .option('--quick', 'one seed, corrections up to 4; with --hard fewer forms and outer iterations')
  .option('--json <file>', 'write the entries')
  .option('--out <file>', 'write the table as Markdown')
  .option('--seed <n>', 'the first seed', Number, 0)
  .option('--seeds <n>', 'how many', Number, 3)
  .parse()
  .opts<{
    hard?: boolean
    networks?: boolean
    quick?: boolean
    json?: string
    out?: string
    seed: number
    seeds: number
  }>()

const count = quick ? 1 : seeds
const corrections = quick ? [0, 1, 2, 4] : [0, 1, 2, 4, 8]
const backend = await loadBackend()
const { train } = await loadMnist()
const setsOf = (seed: number) => digitComponents(backend, train, seed)
const circumstances = { seed, count, info: backend.info() }

async function usual(): Promise<[entries: object[], table: string]> {
  const runs: { measurements: Measurement[]; references: Reference[] }[] = []
  for (let i = 0; i < count; i++) {
    const contenders = [...coldContenders(corrections), ...warmContenders()]
    runs.push(await follow(backend, setsOf(seed + i), contenders, seed + i))
  }
  const entries = collect(runs)
  return [entries, markdown(entries, circumstances)]
}

/** Hidden units of the perceptron. */
const units = 16

async function hardCases(): Promise<[entries: object[], table: string]> {
  const seeds = Array.from({ length: count }, (_, i) => seed + i)
  const entries = await hard(backend, setsOf, { seeds, quick: quick ?? false, classes: 10, units })
  return [entries, hardMarkdown(entries, { ...circumstances, units })]
}

async function onPerceptron(): Promise<[entries: object[], table: string]> {
  const [samples, noise] = [quick ? 500 : 2000, { kind: 'uniform', rate: 0.5 } as const]
  const sizes = { classes: 10, trainSize: samples, trustedSize: samples }
  const { train: rows, trusted, given } = cleaningSplit(train.labels, { ...sizes, noise, seed })
  const set = (rows: Int32Array) => ({
    features: takeRows(train.features, rows),
    labels: Int32Array.from(rows, (i) => given[i]),
  })
  const sets = { train: set(rows), trusted: set(trusted) }
  const entries = await networks(backend, sets, { ...usualNetwork, corrections, seed })
  return [entries, networksMarkdown(entries, { seed, samples, damping: usualNetwork.damping })]
}

const run = onNetworks ? onPerceptron : onHard ? hardCases : usual
const [entries, table] = await run()
if (json) {
  const short = (_: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value
  const lines = entries.map((entry) => JSON.stringify(entry, short))
  await writeFile(json, `[\n${lines.join(',\n')}\n]\n`)
}
if (out) await writeFile(out, table)
console.log(table)
