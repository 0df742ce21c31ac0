// Measures the kernels against their rivals; see --help.
import './harness/relaxed.ts'
import { parseArgs } from 'node:util'
import type { Backend } from '../ts/backend/backend.ts'
import { replaceFile } from '../ts/backend/files.ts'
import { loadBackend } from '../ts/backend/load.ts'
import { stopwatch } from './harness/clock.ts'
import { commit, limits, machine } from './harness/machine.ts'
import { type Effort, type Entry, measure } from './harness/measure.ts'
import { record } from './harness/recorded.ts'
import { heading, line, markdown, titleLine } from './harness/report.ts'
import { loadOpenBlas } from './rivals/openblas.ts'
import { rows } from './rows/index.ts'

const help = `npm run bench -- [options]
  --quick             every row once, in less than 45 seconds
  --only TEXT         rows with this in their name
  --backend NAME      native (default) or wasm, measured against the rivals
  --seed N            of the inputs, 1 by default
  --json FILE         writes the entries and the machine
  --markdown FILE     writes the table
  --record            writes both to bench/results, named by processor, and the page of all processors
  --page              builds and serves a page that measures WebAssembly in a browser`

const thorough: Effort = { seconds: 4, rounds: { least: 7, most: 41 }, cycle: 0.02 }
const quick: Effort = { seconds: 0.15, rounds: { least: 1, most: 9 }, cycle: 0.004 }

async function main(): Promise<void> {
  const options = readOptions()
  if (options.page) return (await import('./page/build.ts')).servePage()
  const [native, wasm] = [await loaded('native'), await loaded('wasm')]
  const backend = options.backend === 'wasm' ? wasm : native
  if (!backend) throw new Error(`the ${options.backend} backend does not load: run "npm run setup"`)

  const openblas = loadOpenBlas()
  const context = { backend, native, wasm, openblas, seed: options.seed }
  const about = {
    machine: machine(backend, openblas),
    limits: limits(backend, openblas),
    commit: commit(),
    seed: options.seed,
    quick: options.quick,
  }
  console.log(`${heading(about).join('\n')}\n\n${titleLine}`)
  await stopwatch({ run: () => {} }, 0.05)() // compiles Benchmark.js, which the first row would count
  const entries: Entry[] = []
  for (const row of rows.filter(({ name }) => name.includes(options.only))) {
    const entry = await measure(row, context, options.quick ? quick : thorough)
    entries.push(entry)
    console.log(line(entry, about.limits))
    globalThis.gc?.()
  }
  const report = { ...about, limits: limits(backend, openblas, about.limits), entries }
  if (options.json) await replaceFile(options.json, `${JSON.stringify(report, null, 2)}\n`)
  if (options.markdown) await replaceFile(options.markdown, markdown(report))
  if (options.record) await record(report)
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      backend: { type: 'string', default: 'native' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
      markdown: { type: 'string' },
      record: { type: 'boolean', default: false },
      page: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(help)
    process.exit()
  }
  if (values.record && (values.quick || values.only || values.backend !== 'native')) {
    throw new Error('"--record" expected a thorough run of all native rows, got a part')
  }
  const seed = Number(values.seed)
  if (!Number.isSafeInteger(seed)) throw new Error(`"--seed" expected a whole number, got ${values.seed}`)
  if (!['native', 'wasm'].includes(values.backend)) {
    throw new Error(`"--backend" expected native or wasm, got ${values.backend}`)
  }
  return { ...values, seed }
}

async function loaded(backend: 'native' | 'wasm'): Promise<Backend | null> {
  try {
    return await loadBackend({ backend })
  } catch (error) {
    console.error((error as Error).message)
    return null
  }
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
