// npm run bench:python: our method, JAX's and PyTorch's in turns on the same data; see --help.
import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { replaceFile } from '../../ts/backend/files.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { writable } from '../../ts/cli/check.ts'
import type { Cell } from '../experiment/data.ts'
import { describe, grid } from '../experiment/grid.ts'
import type { Job } from '../experiment/job.ts'
import { commit, machine } from '../harness/machine.ts'
import { writeSplit } from './data.ts'
import { lenetBench } from './lenet.ts'
import { markdown, plainText, type Report, withRatios } from './report.ts'
import { type BilevelEntry, bilevelEntry, type Cleaning, type CleaningEntry, type Outcome } from './result.ts'
import { tuneBench } from './tune.ts'

const help = `npm run bench:python -- [options]
  lenet               a gradient step of LeNet-5 against PyTorch instead: lenet --help
  tune                penalties of linear models instead: tune --help
  --seeds N           runs of each method, 3 by default
  --seed N            the first seed, 0 by default
  --budget SECONDS    CPU time of each bilevel run, 15 by default
  --threads N         of the rivals, 0 for as many as cores; 1 by default, which is their least CPU time
  --torch             PyTorch's Betty and TorchOpt too, installed first: Python 3.11, on Linux 5.6 GB
  --quick             one seed, one second, of the cleaners only cleanlab: does it run at all
  --json FILE         writes settings, machine and entries
  --markdown FILE     writes the tables`

/** The methods of main.py; the first is the soonest to f ≤ 0.30. */
const rivals = ['kronecker', 'amigoTrajectory', 'amigo', 'conjugateGradients', 'soba']
/** The methods of torch_main.py. */
const torchRivals = ['bettyConjugateGradients', 'bettyNeumann', 'torchoptConjugateGradients']

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const python = (folder: string) =>
  file(`../../build/${folder}/${process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python'}`)

async function main(): Promise<void> {
  if (process.argv[2] === 'lenet') return lenetBench(process.argv.slice(3))
  if (process.argv[2] === 'tune') return tuneBench(process.argv.slice(3))
  const options = readOptions()
  const { quick, budget, torch, json, markdown: page } = options
  if (json) await writable('--json', json)
  if (page) await writable('--markdown', page)
  if (torch) {
    const { status } = spawnSync(process.execPath, [file('setup.mjs'), '--torch'], { stdio: 'inherit' })
    if (status !== 0) process.exit(status ?? 1)
  }
  const cell: Cell = {
    dataset: 'mnist',
    noise: 0.5,
    kind: 'uniform',
    trusted: 10_000,
    train: 50_000,
    weighting: 'perSample',
  }
  const bilevel: BilevelEntry[] = []
  const cleaning: CleaningEntry[] = []
  const note = (method: string, seed: number, text: string) =>
    console.error(`${method}, seed ${seed}: ${text}`)

  for (const seed of options.seeds) {
    const folder = await writeSplit(cell, seed)
    const job: Job = {
      cell,
      method: 'preconditionedConjugateGradients',
      candidate: 0,
      seed,
      budget,
      clock: 'cpu',
      fashion: '',
    }
    const ask = (script: string, ...args: string[]) =>
      output(python('python'), [file(script), folder, ...args], options.threads)
    const askTorch = (method: string) => {
      const args = [file('torch_main.py'), folder, method, String(seed), String(budget)]
      return output(python('python-torch'), args, options.threads)
    }
    const race = async (method: string, run: Promise<string>) => {
      const entry = bilevelEntry(method, seed, JSON.parse(await run) as Outcome)
      bilevel.push(entry)
      note(method, seed, `f ${entry.outerLoss.toFixed(3)}, accuracy ${entry.accuracy.toFixed(4)}`)
    }
    await race(job.method, ours('../experiment/run.ts', job))
    for (const method of rivals) await race(method, ask('main.py', method, String(seed), String(budget)))
    if (torch) for (const method of torchRivals) await race(method, askTorch(method))

    const judge = (method: string, { accuracy, auc, f1, cpu, wall }: Cleaning) => {
      cleaning.push({ method, seed, accuracy, auc, f1, cpu, wall })
      note(method, seed, `AUC ${auc.toFixed(3)}, accuracy ${accuracy.toFixed(4)}`)
    }
    // Our cleaners cost the most, and `npm start` runs them too.
    if (!quick) {
      judge('cleanLabels', JSON.parse(await ours('clean.ts', job)))
      judge('filter', JSON.parse(await ours('../experiment/run.ts', { ...job, method: 'filter' })))
    }
    for (const { filter, ...result } of JSON.parse(await ask('confident_learning.py', String(seed)))) {
      judge(`cleanlab ${filter}`, result)
    }
  }

  const report: Report = {
    command: ['npm run bench:python --', ...process.argv.slice(2)].join(' '),
    commit: commit(),
    machine: machine(await loadBackend(), null),
    threads: options.threads,
    budget,
    seeds: options.seeds,
    quick,
    settings: describe(grid.preconditionedConjugateGradients[0]),
    packages: [...new Set([...pins('requirements.txt'), ...(torch ? pins('requirements-torch.txt') : [])])],
    bilevel,
    cleaning,
  }
  console.log(plainText(report))
  if (json) await replaceFile(json, `${JSON.stringify(withRatios(report), null, 2)}\n`)
  if (page) await replaceFile(page, markdown(report))
}

function pins(requirements: string): string[] {
  return readFileSync(file(requirements), 'utf8').match(/^\w\S*==\S+/gm) ?? []
}

function ours(script: string, job: Job): Promise<string> {
  return output(process.execPath, ['--import', 'tsx', file(script), JSON.stringify(job)])
}

/** What a command prints, in a process of its own; `threads` are those of XLA, PyTorch and OpenBLAS, 0 for the default. */
async function output(command: string, args: readonly string[], threads = 0): Promise<string> {
  const env: NodeJS.ProcessEnv = { ...process.env, JAX_PLATFORMS: 'cpu', PYTHONDONTWRITEBYTECODE: '1' }
  if (threads > 0) env.NPROC = env.OPENBLAS_NUM_THREADS = env.OMP_NUM_THREADS = String(threads)
  if (threads === 1) env.XLA_FLAGS = '--xla_cpu_multi_thread_eigen=false'
  const { stdout } = await promisify(execFile)(command, args, { env, maxBuffer: 2 ** 28 })
  return stdout
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '3' },
      seed: { type: 'string', default: '0' },
      budget: { type: 'string', default: '15' },
      threads: { type: 'string', default: '1' },
      torch: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(help)
    process.exit()
  }
  const whole = (name: 'seeds' | 'seed' | 'threads', least: number) => {
    const value = Number(values[name])
    if (Number.isSafeInteger(value) && value >= least) return value
    throw new Error(`"--${name}" expected a whole number from ${least}, got ${values[name]}`)
  }
  const budget = Number(values.budget)
  if (!(budget > 0)) throw new Error(`"--budget" expected seconds, got ${values.budget}`)
  const { torch, quick, json, markdown } = values
  const [first, count] = [whole('seed', 0), whole('seeds', 1)]
  const seeds = Array.from({ length: quick ? 1 : count }, (_, i) => first + i)
  return { seeds, threads: whole('threads', 0), budget: quick ? 1 : budget, torch, quick, json, markdown }
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
