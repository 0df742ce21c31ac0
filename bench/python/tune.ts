// npm run bench:python -- tune: our penalty and scikit-learn's in turns on the same data; see --help.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { loadBackend } from '../../ts/backend/load.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { writable } from '../../ts/cli/check.ts'
import { readNpy } from '../../ts/data/npy.ts'
import type { Classifier } from '../../ts/tasks/classifier.ts'
import type { TuneRegularizationOptions } from '../../ts/tasks/tuneRegularization/options.ts'
import type { Regressor } from '../../ts/tasks/tuneRegularization/regressor.ts'
import { tuneRegularization } from '../../ts/tasks/tuneRegularization/tuneRegularization.ts'
import { commit, machine } from '../harness/machine.ts'

const help = `npm run bench:python -- tune [options]
  --sets NAMES        of sparse, dense, diabetes, cancer, digits, with commas between; all by default
  --draws N           random splits, or data sets, 10 by default
  --seed N            the first one, 0 by default
  --quick             two draws of sparse and diabetes
  --json FILE         writes settings, machine and entries
  --markdown FILE     writes the table`

const regressions = ['RidgeCV', 'LassoCV', 'ElasticNetCV']
const classifiers = ['LogisticRegressionCV l2', 'LogisticRegressionCV l1']
const sets: Record<string, readonly string[]> = {
  sparse: regressions,
  dense: regressions,
  diabetes: regressions,
  cancer: classifiers,
  digits: classifiers,
}

interface Entry {
  readonly set: string
  readonly seed: number
  readonly method: string
  /** Mean squared error, or log loss, on the test part. */
  readonly loss: number
  /** CPU seconds of the fit. */
  readonly cpu: number
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const python = file(
  `../../build/python/${process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python'}`,
)

export async function tuneBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sets: { type: 'string', default: Object.keys(sets).join(',') },
      draws: { type: 'string', default: '10' },
      seed: { type: 'string', default: '0' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(help)
  if (values.json) await writable('--json', values.json)
  if (values.markdown) await writable('--markdown', values.markdown)
  const names = values.quick ? ['sparse', 'diabetes'] : values.sets.split(',')
  const unknown = names.find((name) => !(name in sets))
  if (unknown !== undefined)
    throw new Error(`--sets: expected ${Object.keys(sets).join(', ')}, got ${unknown}`)
  const [draws, first] = [values.quick ? 2 : Number(values.draws), Number(values.seed)]
  const entries: Entry[] = []
  for (const set of names) {
    for (let seed = first; seed < first + draws; seed++) {
      const folder = mkdtempSync(join(tmpdir(), 'nhgd-tune-'))
      try {
        await run(python, [file('tune.py'), 'data', set, String(seed), folder])
        const note = (method: string, text: string) => {
          entries.push({ set, seed, method, ...JSON.parse(text) })
          console.error(`${set} ${seed} ${method}: ${text.trim()}`)
        }
        note('nhgd', await run(process.execPath, ['--import', 'tsx', file('tune.ts'), 'one', folder]))
        for (const name of sets[set]) note(name, await run(python, [file('tune.py'), 'fit', name, folder]))
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
  }
  const table = markdown(names, entries)
  console.log(table)
  const about = { machine: machine(await loadBackend(), null), commit: commit(), draws, seed: first }
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...about, entries }, null, 2)}\n`)
  if (values.markdown) writeFileSync(values.markdown, `${table}\n`)
}

/** One thread each, which costs the least CPU time. */
async function run(command: string, args: readonly string[]): Promise<string> {
  const single = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', NHGD_THREADS: '1' }
  const { stdout } = await promisify(execFile)(command, args, { env: { ...process.env, ...single } })
  return stdout
}

/** Per set and method: the mean loss, its ratio to ours with twice the standard error, and CPU time against ours. */
function markdown(names: readonly string[], entries: readonly Entry[]): string {
  const rows = names.flatMap((set) => {
    const of = (method: string) => entries.filter((entry) => entry.set === set && entry.method === method)
    const ours = of('nhgd')
    return ['nhgd', ...sets[set]].map((method) => {
      const own = of(method)
      const ratios = own.map(({ loss }, i) => ours[i].loss / loss)
      const ratio = mean(ratios)
      const error = Math.sqrt(mean(ratios.map((r) => (r - ratio) ** 2)) / Math.max(1, ratios.length - 1))
      const cells = [
        set,
        method,
        mean(own.map(({ loss }) => loss)).toPrecision(4),
        method === 'nhgd' ? '' : `${ratio.toFixed(3)} ± ${(2 * error).toFixed(3)}`,
        mean(own.map(({ cpu }) => cpu)).toFixed(2),
      ]
      return `| ${cells.join(' | ')} |`
    })
  })
  return [
    '| set | method | loss on the test part | ours / its | CPU s |',
    '|---|---|--:|--:|--:|',
    ...rows,
  ].join('\n')
}

const mean = (x: readonly number[]) => x.reduce((sum, y) => sum + y, 0) / x.length

/** Ours, in a process of its own. */
async function one(folder: string): Promise<void> {
  const load = (name: string) => readNpy(readFileSync(join(folder, `${name}.npy`)))
  const table = (name: string) => {
    const { data, shape } = load(name)
    return matrix(data as Float64Array, shape[0], shape[1])
  }
  const [x, test] = [table('x'), table('x_test')]
  const [y, truth] = [load('y').data, load('y_test').data].map((data) =>
    Array.from(data as ArrayLike<number>, Number),
  )
  const classes = load('y').data instanceof Int32Array
  const backend = await loadBackend()
  const options: TuneRegularizationOptions = {
    backend,
    features: x,
    ...(classes ? { labels: y } : { targets: y }),
  }
  const start = process.cpuUsage()
  const { model } = await tuneRegularization(options)
  const { user, system } = process.cpuUsage(start)
  let loss = 0
  if (classes) {
    const classifier = model as Classifier
    const p = classifier.probabilities(test)
    for (const [i, label] of truth.entries()) {
      loss -= Math.log(Math.max(1e-15, p[i * classifier.classes + label])) / truth.length
    }
  } else {
    const predicted = (model as Regressor).predict(test)
    for (const [i, value] of truth.entries()) loss += (predicted[i] - value) ** 2 / truth.length
  }
  console.log(JSON.stringify({ loss, cpu: (user + system) / 1e6 }))
}

if (process.argv[2] === 'one') await one(process.argv[3])
