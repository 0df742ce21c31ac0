import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { commit } from '../../harness/machine.ts'
import { write } from '../jobs.ts'
import { writeSet } from './set.ts'

interface Options {
  readonly samples: number[]
  readonly modes: string[]
  readonly seed: number
  readonly backend: 'native' | 'wasm'
  readonly threads?: number
  readonly json?: string
}

/** What a run took. */
interface Cost {
  readonly samples: number
  readonly mode: string
  /** Of all threads, from the opening of the files to the result. */
  readonly cpuSeconds: number
  readonly wallSeconds: number
  /** Resident memory at its peak, and how much of it was pages of files when the run ended. */
  readonly peakBytes: number
  readonly fileBytes: number
  readonly doubted: number
}

/** Most bytes that 10⁶ pictures may take, and how much dearer a sample may get as they become more. */
const bars = { bytes: 2 ** 31, growth: 1.2 }

const list = (text: string) => text.split(',')

/** `npm run experiment -- scale`. */
export function scaleCommand(): Command {
  return new Command('scale')
    .description('label cleaning of more and more pictures of 784 bytes: memory, and CPU time per sample')
    .option('--samples <counts>', 'numbers of samples', (text) => list(text).map(Number), [1e4, 1e5, 1e6])
    .option('--modes <names>', 'trusted, unchecked or checked rows', list, ['trusted', 'unchecked'])
    .option('--seed <n>', 'decides the pictures and every draw', Number, 0)
    .addOption(new Option('--backend <name>', 'where it runs').choices(['native', 'wasm']).default('native'))
    .option('--threads <n>', 'threads at most', Number)
    .option('--json <file>', 'the figures as JSON')
    .action(run)
}

async function run({ samples, modes, seed, backend, threads, json }: Options): Promise<void> {
  const script = fileURLToPath(new URL('run.ts', import.meta.url))
  const costs: Cost[] = []
  for (const count of samples) {
    const folder = mkdtempSync(join(tmpdir(), 'nhgd-scale-'))
    try {
      writeSet(folder, count, seed)
      for (const mode of modes) {
        const job = JSON.stringify({ folder, mode, seed, backend, threads })
        const { stdout, stderr, status } = spawnSync(process.execPath, [...process.execArgv, script, job], {
          encoding: 'utf8',
        })
        if (status !== 0) throw new Error(stderr)
        costs.push(JSON.parse(stdout))
        console.log(line(costs.at(-1) as Cost))
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  const growths = modes.map((mode) => growthOf(costs.filter((cost) => cost.mode === mode)))
  for (const growth of growths) if (growth) console.log(growth.text)
  if (json)
    write(json, `${JSON.stringify({ commit: commit(), seed, backend, threads, costs, growths }, null, 2)}\n`)
}

function line({ samples, mode, cpuSeconds, wallSeconds, peakBytes, fileBytes, doubted }: Cost): string {
  const bar = samples === 1e6 ? ` (bar ${gib(bars.bytes)})` : ''
  return `${samples} ${mode}: ${cpuSeconds.toFixed(1)} s of CPU, ${wallSeconds.toFixed(1)} s, ${((1e6 * cpuSeconds) / samples).toFixed(0)} µs per sample, peak ${gib(peakBytes)}${bar}, ${gib(fileBytes)} of it pages of files; ${doubted} labels doubted`
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`

/**
 * CPU time per sample of the most samples over that of the fewest. Trainings of a fixed length make samples cheaper as they
 * become more. The last two sizes show what each further sample costs, over what it costs between the two before.
 */
function growthOf(costs: readonly Cost[]) {
  const sorted = costs.toSorted((a, b) => a.samples - b.samples)
  const [first, last] = [sorted[0], sorted.at(-1)]
  if (!first || !last || first === last) return undefined
  const perSample = last.cpuSeconds / last.samples / (first.cpuSeconds / first.samples)
  const [a, b, c] = sorted.slice(-3)
  const slope = (x: Cost, y: Cost) => (y.cpuSeconds - x.cpuSeconds) / (y.samples - x.samples)
  const further = c && slope(b, c) / slope(a, b)
  const told = further === undefined ? '' : `; of a further sample ${further.toFixed(2)} times`
  const text = `${first.mode}: CPU time per sample at ${last.samples} ${perSample.toFixed(2)} times that at ${first.samples}${told} (bar ${bars.growth})`
  return { mode: first.mode, perSample, further, bar: bars.growth, text }
}
