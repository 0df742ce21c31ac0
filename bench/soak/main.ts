// Faults, load and determinism for minutes, which CI tests in small (test/faults.test.ts):
//   npm run soak [-- --quick] [--only NAME] [--seed N] [--json FILE]
import { cpus, loadavg } from 'node:os'
import { Command } from 'commander'
import { replaceFile } from '../../ts/backend/files.ts'
import { onAarch64 } from './aarch64.ts'
import { abortAtRandom } from './abort.ts'
import { damageAtRandom } from './damage.ts'
import { sameBits } from './determinism.ts'
import { fillUp } from './disks.ts'
import { endAtRandom } from './exits.ts'
import { killAtRandom } from './kills.ts'
import { manyAtOnce } from './load.ts'
import { liveEverywhere } from './memory.ts'
import { fuzzReaders } from './readers.ts'
import { sanitize } from './sanitizers.ts'
import { turnsOfMainJob } from './turns.ts'
import { compareTwins } from './twins.ts'
import { terminateAtRandom } from './workers.ts'

const { quick, only, seed, json } = new Command('soak')
  .option('--quick', 'a tenth of each')
  .option('--only <name>', 'one of them')
  .option('--seed <n>', 'decides every draw', Number, 1)
  .option('--json <file>', 'write the counts')
  .parse()
  .opts<{ quick?: boolean; only?: string; seed: number; json?: string }>()

const some = (count: number) => (quick ? Math.ceil(count / 10) : count)

/** Each gives its counts, and throws where a promise is broken. */
const checks: Record<string, () => Promise<object>> = {
  kills: () => killAtRandom(some(250), seed),
  disks: () => fillUp(some(60), seed),
  damage: () => damageAtRandom(some(200_000), seed),
  readers: () => fuzzReaders(some(1_000_000), seed),
  memory: () => liveEverywhere(some(60)),
  twins: () => compareTwins(some(100_000)),
  sanitizers: () => sanitize(),
  aarch64: () => onAarch64(some(1000)),
  aborts: () => abortAtRandom(some(10), seed),
  turns: () => turnsOfMainJob(quick ? 2 : 12),
  exits: () => endAtRandom(some(60), seed),
  load: () => manyAtOnce(64, 8, quick ? 6 : 30),
  determinism: () => sameBits(some(20)),
  workers: () => terminateAtRandom(quick ? 8 : 20, some(50), seed),
  debugWorkers: () => terminateAtRandom(quick ? 8 : 20, some(50), seed, 'debug'),
}

const rows: object[] = []
let broken = 0
for (const [name, check] of Object.entries(checks)) {
  if (only !== undefined && only !== name) continue
  const start = performance.now()
  try {
    const counts = await check()
    const row = { name, ...counts, seconds: Math.round((performance.now() - start) / 1000) }
    rows.push(row)
    console.log(`ok   ${JSON.stringify(row)}`)
  } catch (error) {
    broken++
    rows.push({ name, broken: String(error) })
    console.log(`FAIL ${name}: ${error}`)
  }
}
const load = Number(loadavg()[0].toFixed(1))
console.log(`seed ${seed}, Node ${process.version}, ${cpus().length} cores, load ${load} in the end`)
if (json) await replaceFile(json, `${JSON.stringify({ seed, load, rows }, null, 2)}\n`)
process.exitCode = broken > 0 ? 1 : 0
