// npm run bench:python -- tune: our penalty and scikit-learn's in turns on the same data; see --help.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { replaceFile } from '../../ts/backend/files.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { writable } from '../../ts/cli/check.ts'
import { readNpy } from '../../ts/data/npy.ts'
import type { Classifier } from '../../ts/tasks/classifier.ts'
import { sharedStrength, strengthsAt } from '../../ts/tasks/tuneRegularization/grid.ts'
import { objective, penaltyAt } from '../../ts/tasks/tuneRegularization/objective.ts'
import { checked } from '../../ts/tasks/tuneRegularization/options.ts'
import { Regressor } from '../../ts/tasks/tuneRegularization/regressor.ts'
import { inUnits, modelOf } from '../../ts/tasks/tuneRegularization/results.ts'
import { bestOf, type Trial } from '../../ts/tasks/tuneRegularization/search.ts'
import { setUp } from '../../ts/tasks/tuneRegularization/setup.ts'
import { tune } from '../../ts/tasks/tuneRegularization/tuneRegularization.ts'
import { commit, machine } from '../harness/machine.ts'
import { Random } from '../harness/random.ts'

const help = `npm run bench:python -- tune [options]
  --sets NAMES        of sparse, dense, diabetes, cancer, digits, with commas between; all by default
  --draws N           random splits, or data sets, 10 by default
  --starts N          random starts on the first of them, 10 by default
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
  /** Cross-validated loss, of ours and of random search. */
  readonly folds?: number
}

/** Cross-validated losses of ours from random θ, and where the grid is moved as well. */
interface Starts {
  readonly set: string
  readonly seed: number
  readonly theta: readonly number[]
  readonly grid: readonly number[]
}

/** Draws of random search over our own space. */
const searched = 60
const random = [
  `random search, ${searched} draws`,
  'random search, CPU of ours',
  'random search, folds of ours',
]

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
      starts: { type: 'string', default: '10' },
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
  const starts: Starts[] = []
  for (const set of names) {
    for (let seed = first; seed < first + draws; seed++) {
      const folder = mkdtempSync(join(tmpdir(), 'nhgd-tune-'))
      try {
        await run(python, [file('tune.py'), 'data', set, String(seed), folder])
        const note = (method: string, text: string) => {
          entries.push({ set, seed, method, ...JSON.parse(text) })
          console.error(`${set} ${seed} ${method}: ${text.trim()}`)
        }
        const own = (...args: readonly string[]) =>
          run(process.execPath, ['--import', 'tsx', file('tune.ts'), args[0], folder, ...args.slice(1)])
        const ours = await own('one')
        note('nhgd', ours)
        for (const name of sets[set]) note(name, await run(python, [file('tune.py'), 'fit', name, folder]))
        const { cpu, folds } = JSON.parse(ours)
        const searches: object[] = JSON.parse(await own('random', `${seed}`, `${cpu}`, `${folds}`))
        for (const [k, search] of searches.entries()) note(random[k], JSON.stringify(search))
        if (seed === first && values.starts !== '0')
          starts.push({ set, seed, ...JSON.parse(await own('starts', values.starts)) })
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
  }
  const table = `${markdown(names, entries)}\n\n${spreads(starts)}`
  console.log(table)
  const about = { machine: machine(await loadBackend(), null), commit: commit(), draws, seed: first }
  if (values.json)
    await replaceFile(values.json, `${JSON.stringify({ ...about, entries, starts }, null, 2)}\n`)
  if (values.markdown) await replaceFile(values.markdown, `${table}\n`)
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
    return ['nhgd', ...sets[set], ...random].map((method) => {
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
        own[0]?.folds === undefined ? '' : mean(own.map(({ folds = 0 }) => folds)).toPrecision(4),
      ]
      return `| ${cells.join(' | ')} |`
    })
  })
  return [
    '| set | method | loss on the test part | ours / its | CPU s | cross-validated |',
    '|---|---|--:|--:|--:|--:|',
    ...rows,
  ].join('\n')
}

/** How far apart random starts end. */
function spreads(starts: readonly Starts[]): string {
  const spread = (losses: readonly number[]) =>
    `${(100 * (Math.max(...losses) / Math.min(...losses) - 1)).toFixed(2)} %`
  const rows = starts.map(
    ({ set, theta, grid }) => `| ${[set, theta.length, spread(theta), spread(grid)].join(' | ')} |`,
  )
  return [
    '| set | random starts | spread of the cross-validated loss | where the grid is moved as well |',
    '|---|--:|--:|--:|',
    ...rows,
  ].join('\n')
}

const mean = (x: readonly number[]) => x.reduce((sum, y) => sum + y, 0) / x.length

/** The data of a folder, as options of ours, and how good a model is on its test part. */
async function given(folder: string) {
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
  const options = checked({ backend, features: x, ...(classes ? { labels: y } : { targets: y }) })
  const judge = (model: Regressor | Classifier) => {
    let loss = 0
    if (model instanceof Regressor) {
      const predicted = model.predict(test)
      for (const [i, value] of truth.entries()) loss += (predicted[i] - value) ** 2 / truth.length
      return loss
    }
    const p = model.probabilities(test)
    for (const [i, label] of truth.entries()) {
      loss -= Math.log(Math.max(1e-15, p[i * model.classes + label])) / truth.length
    }
    return loss
  }
  return { options, judge }
}

/** CPU seconds since then. */
function spent(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1e6
}

/** Each in a process of its own. */
const parts: Record<string, (folder: string, ...args: string[]) => Promise<object>> = {
  async one(folder) {
    const { options, judge } = await given(folder)
    const start = process.cpuUsage()
    const { model, losses } = await tune(options)
    return { cpu: spent(start), loss: judge(model), folds: losses.chosen.value }
  },

  /**
   * Random search over our space, q from 0.2 to 2 and strengths between the ends of our grid: all draws, those that end
   * within the CPU time of ours, and those until the cross-validated loss is at most half a percent above ours (all where it
   * stays above). Each fit starts from the best ridge penalty, as ours does.
   */
  async random(folder, seed, limit, target) {
    const { options, judge } = await given(folder)
    const draws = new Random(Number(seed))
    const start = process.cpuUsage()
    const setup = setUp(options)
    const { data, folds, shapes, foldRows, start: zeros } = setup
    const grid = strengthsAt(data, 2).map((strength) => sharedStrength(shapes.ridge, strength, 2))
    const { best: ridge } = await bestOf(
      folds.ridge,
      shapes.ridge,
      foldRows.map(() => zeros),
      grid,
    )
    const evaluate = objective(folds.tuned, shapes.tuned, ridge.at.thetas)
    let [best, least] = [ridge as Pick<Trial, 'shape' | 'v'>, Number.POSITIVE_INFINITY]
    const model = async () => {
      const from = await setup.fit(zeros, penaltyAt(ridge.shape, ridge.v))
      const theta = best === ridge ? from : await setup.fit(from, penaltyAt(best.shape, best.v))
      return {
        cpu: spent(start),
        loss: judge(modelOf(options, data, theta).model),
        folds: inUnits(data, least),
      }
    }
    let [within, equal]: (object | undefined)[] = []
    for (let draw = 0; draw < searched; draw++) {
      const q = 0.2 + 1.8 * draws.shares(1)[0]
      const ends = [strengthsAt(data, q)[0], strengthsAt(data, q).at(-1) as number].map(Math.log)
      const v = sharedStrength(shapes.tuned, Math.exp(ends[0] + draws.shares(1)[0] * (ends[1] - ends[0])), q)
      const { value } = await evaluate(v, false)
      if (!within && spent(start) > Number(limit)) within = await model()
      if (value < least) [best, least] = [{ shape: shapes.tuned, v }, value]
      if (!equal && inUnits(data, least) <= 1.005 * Number(target)) equal = await model()
    }
    const all = await model()
    return [all, within ?? all, equal ?? all]
  },

  /** Ours from random θ, and from a grid that is moved by up to half of its spacing as well. */
  async starts(folder, count) {
    const { options } = await given(folder)
    const random = new Random(1)
    const all = { theta: [] as number[], grid: [] as number[] }
    const theta = () => 0.2 * random.shares(1)[0] - 0.1
    for (let k = 0; k < Number(count); k++) {
      const shift = 2 ** (random.shares(1)[0] - 0.5)
      all.theta.push((await tune(options, { theta })).losses.chosen.value)
      all.grid.push((await tune(options, { theta, shift })).losses.chosen.value)
    }
    return all
  },
}

const part = parts[process.argv[2]]
// Texts of errors that are caught need no lines of the sources, as in the built package.
if (process.argv[2] in parts) process.setSourceMapsEnabled(false)
if (part) console.log(JSON.stringify(await part(process.argv[3], ...process.argv.slice(4))))
