// How close each inverse Fisher comes to the exact hypergradient, and what it takes:
//   npm run exactness [-- --quick] [--json FILE] [--seed N] [--seeds N] [--out FILE]
import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { loadBackend } from '../../ts/backend/load.ts'
import { loadMnist } from '../../ts/data/index.ts'
import { digitComponents } from './components.ts'
import { coldContenders, warmContenders } from './contenders.ts'
import { collect } from './entries.ts'
import { follow, type Measurement, type Reference } from './run.ts'
import { markdown } from './table.ts'

const { quick, json, out, seed, seeds } = new Command('exactness')
  .option('--quick', 'one seed, corrections up to 4')
  .option('--json <file>', 'write the entries')
  .option('--out <file>', 'write the table as Markdown')
  .option('--seed <n>', 'the first seed', Number, 0)
  .option('--seeds <n>', 'how many', Number, 3)
  .parse()
  .opts<{ quick?: boolean; json?: string; out?: string; seed: number; seeds: number }>()

const count = quick ? 1 : seeds
const corrections = quick ? [0, 1, 2, 4] : [0, 1, 2, 4, 8]
const backend = await loadBackend()
const { train } = await loadMnist()
const runs: { measurements: Measurement[]; references: Reference[] }[] = []
for (let i = 0; i < count; i++) {
  const sets = digitComponents(backend, train, seed + i)
  const contenders = [...coldContenders(corrections), ...warmContenders()]
  runs.push(await follow(backend, sets, contenders, seed + i))
}
const entries = collect(runs)
if (json) await writeFile(json, `${JSON.stringify(entries, null, 2)}\n`)
const table = markdown(entries, { seed, count, info: backend.info() })
if (out) await writeFile(out, table)
console.log(table)
