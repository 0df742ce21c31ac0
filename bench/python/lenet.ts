// npm run bench:python -- lenet: a gradient step of LeNet-5, ours and PyTorch's in turns; see --help.
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Backend } from '../../ts/backend/backend.ts'
import { replaceFile } from '../../ts/backend/files.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { writable } from '../../ts/cli/check.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { convolutionalNetwork } from '../../ts/problems/model.ts'
import { commit, machine } from '../harness/machine.ts'
import { Random } from '../harness/random.ts'

const help = `npm run bench:python -- lenet [options]
  --rounds N          turns of each, 5 by default; the best one counts
  --steps N           gradients per turn, whose median counts, 30 by default
  --python FILE       a Python with PyTorch; by default one is installed, which on Linux takes 5.6 GB
  --json FILE         writes settings, machine and entries
Both use all cores that the process may: taskset -c 0 npm run bench:python -- lenet compares them on one.`

const batch = 256
const bar = 1.2
const variants = {
  'relu, max': { activation: 'relu', pooling: 'max' },
  'tanh, average': { activation: 'tanh', pooling: 'average' },
} as const
type Variant = keyof typeof variants
type Times = Record<Variant, number>

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Milliseconds of a gradient, bytes gathered and widened, the median of some. */
function ours(backend: Backend, variant: Variant, steps: number): number {
  const random = new Random(1)
  const pixels = random.bytes(batch * 784)
  const set = {
    features: matrix(pixels, batch, 784, 1 / 255),
    labels: Int32Array.from({ length: batch }, (_, i) => i % 10),
  }
  const model = convolutionalNetwork({
    classes: 10,
    image: { height: 28, width: 28 },
    convolutions: [
      { channels: 6, kernel: 5, padding: 2, pool: 2 },
      { channels: 16, kernel: 5, pool: 2 },
    ],
    hidden: [120, 84],
    ...variants[variant],
  })
  const problem = bilevel({ backend, model, train: set, validation: set, hyperparameters: {} })
  const [point, rows] = [problem.start(1), backend.Batch.all(batch)]
  const gradient = problem.zeros(problem.oracles.innerLength)
  const times = Array.from({ length: steps }, () => {
    const start = performance.now()
    problem.oracles.innerGradient(point, rows, gradient)
    return performance.now() - start
  })
  problem.dispose()
  return times.toSorted((a, b) => a - b)[steps >> 1]
}

export async function lenetBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      steps: { type: 'string', default: '30' },
      python: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(help)
  const [rounds, steps] = (['rounds', 'steps'] as const).map((name) => {
    const value = Number(values[name])
    if (Number.isSafeInteger(value) && value > 0) return value
    throw new Error(`"--${name}" expected a whole number from 1, got ${values[name]}`)
  })
  if (values.json) await writable('--json', values.json)
  if (!values.python) {
    const { status } = spawnSync(process.execPath, [file('setup.mjs'), '--torch'], { stdio: 'inherit' })
    if (status !== 0) process.exit(status ?? 1)
  }
  const backend = await loadBackend()
  const { threads } = backend.info()
  const inside = process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python'
  const python = values.python ?? file(`../../build/python-torch/${inside}`)
  const names = Object.keys(variants) as Variant[]
  const best: Record<'ours' | 'torch', Partial<Times>> = { ours: {}, torch: {} }
  let version = ''
  for (let round = 0; round < rounds; round++) {
    const text = execFileSync(python, [file('lenet.py'), String(threads), String(steps)], {
      encoding: 'utf8',
      env: { ...process.env, OMP_NUM_THREADS: String(threads), PYTHONDONTWRITEBYTECODE: '1' },
    })
    const torch = JSON.parse(text) as { version: string; times: Times }
    version = torch.version
    for (const name of names) {
      best.torch[name] = Math.min(best.torch[name] ?? Number.POSITIVE_INFINITY, torch.times[name])
      best.ours[name] = Math.min(best.ours[name] ?? Number.POSITIVE_INFINITY, ours(backend, name, steps))
    }
  }
  const entries = names.map((variant) => {
    const [own, torch] = [best.ours[variant] ?? Number.NaN, best.torch[variant] ?? Number.NaN]
    return { variant, ours: own, torch, ratio: own / torch, met: own <= bar * torch }
  })
  for (const { variant, ours, torch, ratio, met } of entries) {
    const times = `ours ${ours.toFixed(1)} ms, PyTorch ${torch.toFixed(1)} ms`
    console.log(
      `LeNet-5 (${variant}), batch ${batch}, ${threads} threads: ${times}, ratio ${ratio.toFixed(2)}, bar ${bar} ${met ? 'met' : 'not met'}`,
    )
  }
  const about = { commit: commit(), machine: machine(backend, null), torch: version, threads, rounds, steps }
  if (values.json) await replaceFile(values.json, `${JSON.stringify({ ...about, entries }, null, 2)}\n`)
}
