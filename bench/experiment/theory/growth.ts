import type { Backend } from '../../../ts/backend/backend.ts'
import { Fisher, type FisherSettings } from '../../../ts/backend/fisher.ts'
import { matrix } from '../../../ts/backend/matrix.ts'
import { nhgd } from '../../../ts/methods/nhgd.ts'
import { bilevel } from '../../../ts/problems/bilevel.ts'
import { sampleWeights } from '../../../ts/problems/blocks.ts'
import { linearRegression } from '../../../ts/problems/model.ts'
import type { Problem } from '../../../ts/problems/problem.ts'
import { solve } from '../../../ts/run/solve.ts'
import { cpuOf } from '../../exactness/contender.ts'
import { Random } from '../../harness/random.ts'
import { atMost, type Claim, type Curve, type Part } from './claim.ts'
import { fittedSlope, meanOf } from './slope.ts'

export interface GrowthSizes {
  /** Inputs and outputs of a square layer, d = width²: for forms that keep d² numbers, and for all others. */
  readonly denseWidths: readonly number[]
  readonly widths: readonly number[]
  readonly samples: readonly number[]
  readonly innerSteps: readonly number[]
  readonly runs: number
  readonly seed: number
}

const batchSize = 32

/** The forms, with the power of d that their cost is expected to grow with. */
const forms: readonly { readonly settings: FisherSettings; readonly power: number }[] = [
  { settings: { form: 'dense', rows: 'signed' }, power: 2 },
  { settings: { form: 'window', rows: 'signed', length: 64 }, power: 1 },
  { settings: { form: 'sketch', rows: 'signed', rank: 32 }, power: 1 },
  { settings: { form: 'diagonal', rows: 'signed' }, power: 1 },
  { settings: { form: 'samples', samples: 64 }, power: 1 },
  { settings: { form: 'kronecker', kroneckerDamping: 'split' }, power: 1.5 },
]

/** CPU time against d, n and T. */
export async function growth(backend: Backend, sizes: GrowthSizes): Promise<Part> {
  const { denseWidths, widths, samples, innerSteps, runs, seed } = sizes
  const random = new Random(seed)
  const claims: Claim[] = []
  const byForm: Curve[] = []
  for (const { settings, power } of forms) {
    const { form } = settings
    const d = (form === 'dense' ? denseWidths : widths).map((width) => width ** 2)
    const times: number[][] = Array.from({ length: runs }, () => [])
    for (const parameters of d) {
      const problem = layer(backend, Math.sqrt(parameters), 4 * batchSize, random)
      const one = await updateOf(problem, settings)
      for (const run of times) run.push(await one())
    }
    byForm.push({ name: form, x: d, y: meanOf(times) })
    const upper = d.length >> 1 // below, what does not depend on d weighs too much
    const tail = times.map((run) => run.slice(upper))
    const about = `${form}: one observation and one solve against d, from ${d[upper].toExponential(0)} on, slope`
    claims.push(atMost(about, power, fittedSlope(d.slice(upper), tail), 0.15))
  }
  const loop = { batchSize, innerOptimizer: { kind: 'sgd', rate: 1e-3 }, fisher: { form: 'window' } } as const
  const outer = async (n: number, innerSteps: number, cross: 'trajectory' | 'all') => {
    const problem = layer(backend, 16, n, random)
    const outerSteps = 32
    const method = () => nhgd({ ...loop, innerSteps, cross, refine: 0 })
    await solve(problem, { method: method(), outerSteps: 1 }).result
    return async () =>
      (await cpuOf(() => solve(problem, { method: method(), outerSteps }).result)) / outerSteps
  }
  const curve = async (x: readonly number[], ask: (x: number) => Promise<() => Promise<number>>) => {
    const times: number[][] = Array.from({ length: runs }, () => [])
    for (const size of x) {
      const one = await ask(size)
      for (const run of times) run.push(await one())
    }
    return times
  }
  const trajectory = await curve(samples, (n) => outer(n, 10, 'trajectory'))
  const all = await curve(samples, (n) => outer(n, 10, 'all'))
  const steps = await curve(innerSteps, (t) => outer(1024, t, 'trajectory'))
  claims.push(
    atMost(
      'an outer iteration against n, L from the trajectory, slope',
      0,
      fittedSlope(samples, trajectory),
      0.15,
    ),
    atMost('an outer iteration against n, L from all samples, slope', 1, fittedSlope(samples, all)),
    atMost('an outer iteration against T, slope', 1, fittedSlope(innerSteps, steps)),
  )
  return {
    name: 'growth',
    title: 'How the cost grows',
    setting: `CPU time of all threads, ms. A square layer of a linear regression has d parameters; an observation is of a batch of ${batchSize}, and D is constant. The outer iterations are those of nhgd with a window and no correction, d = 256. ${runs} runs.`,
    claims,
    charts: [
      { title: 'One observation and one solve', x: 'd', curves: byForm },
      {
        title: 'An outer iteration',
        x: 'samples n',
        curves: [
          { name: 'L from the trajectory', x: samples, y: meanOf(trajectory) },
          { name: 'L from all samples', x: samples, y: meanOf(all) },
        ],
      },
      {
        title: 'An outer iteration',
        x: 'inner steps T',
        curves: [{ name: 'nhgd', x: innerSteps, y: meanOf(steps) }],
      },
    ],
  }
}

/** Linear regression from `width` − 1 features and a bias to `width` outputs. */
function layer(backend: Backend, width: number, n: number, random: Random): Problem {
  const set = (rows: number) => ({
    features: matrix(random.floats(rows * (width - 1)), rows, width - 1),
    targets: matrix(random.floats(rows * width), rows, width),
  })
  return bilevel({
    backend,
    model: linearRegression({ outputs: width }),
    train: set(n),
    validation: set(batchSize),
    hyperparameters: { weights: sampleWeights() },
  })
}

/** One observation and one solve; returns how to take its time, in ms. */
async function updateOf(problem: Problem, settings: FisherSettings): Promise<() => Promise<number>> {
  const { backend, oracles, dtype } = problem
  const point = problem.start()
  const fisher = new Fisher(backend, oracles, point, { ...settings, concurrent: false })
  const sampler = new backend.Sampler(1, oracles.samples)
  const step = new backend.Step(oracles.innerLength, dtype)
  const [target, u] = [point.inner, point.inner].map(({ length }) => problem.zeros(length))
  oracles.outerGradient(point, problem.zeros(oracles.outerLength), target)
  const update = async () => {
    oracles.observe(point, sampler.take(batchSize), step, fisher.handle, sampler.seed())
    await fisher.observe(step)
    await fisher.solve(target, u)
  }
  await update()
  return async () => {
    // Enough repetitions for the clock of CPU time.
    let [time, count] = [0, 0]
    while (time < 50) {
      time += await cpuOf(update)
      count++
    }
    return time / count
  }
}
