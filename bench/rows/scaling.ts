import { Fisher, type FisherSettings } from '../../ts/backend/fisher.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { Random } from '../harness/random.ts'
import type { Context, Row, Side } from '../harness/row.ts'
import { pictures, weighing } from './data.ts'

/** A softmax layer, samples that are observed at once, and rows or samples that the Fisher holds. */
interface Size {
  readonly columns: number
  readonly classes: number
  readonly samples: number
  readonly size: number
}

type Form = FisherSettings & { readonly form: 'window' | 'samples' | 'kronecker' }

/** Observing and solving at one size. */
async function work(form: Form, at: Size, { backend, seed }: Context): Promise<Side> {
  const data = pictures(seed, at.samples, at.columns, at.classes)
  const problem = weighing(backend, data, softmaxRegression({ classes: at.classes }))
  const { oracles } = problem
  const d = oracles.innerLength
  const random = new Random(seed)
  const [inner, target] = [problem.vector(random.floats(d, 0.05)), problem.vector(random.floats(d))]
  const point = problem.point(inner, problem.start().outer)
  const held = { window: { length: at.size }, samples: { samples: at.size }, kronecker: {} }[form.form]
  const settings = { ...form, ...held, damping: 1e-2, concurrent: false }
  const fisher = new Fisher(backend, oracles, point, settings)
  const [step, x, all] = [new backend.Step(d, 'f32'), problem.zeros(d), backend.Batch.all(at.samples)]
  const run = async () => {
    oracles.observe(point, all, step, fisher.handle, seed)
    await fisher.observe(step)
    await fisher.solve(target, x)
  }
  if (form.form === 'window') {
    oracles.observe(point, all, step, fisher.handle, seed)
    for (let i = 0; i < at.size; i++) await fisher.observe(step) // so that it is full
  }
  return { run }
}

/** The time at one size over the time at a tenth of it; ten is linear, a hundred the square. */
function tenfold(name: string, form: Form, small: Size, large: Size, bar: number): Row {
  return {
    name: `${form.form}, ${name} tenfold`,
    rival: 'itself at a tenth',
    bar,
    unit: 'observation and solve',
    async prepare(context) {
      const [ours, theirs] = [await work(form, large, context), await work(form, small, context)]
      return { ours, theirs, check: () => 0, tolerance: 0 }
    },
  }
}

/** Linear, with a fifth more where a cache level is lost on the way. */
const linear = 12

const window: Form = { form: 'window', rows: 'mean', smoothing: 0.99 }
const samples: Form = { form: 'samples', statistic: 'empirical' }
const kronecker: Form = { form: 'kronecker', statistic: 'empirical', smoothing: 0.9 }

const at = (columns: number, classes: number, samples: number, size = samples): Size => ({
  columns,
  classes,
  samples,
  size,
})

export const scaling: readonly Row[] = [
  tenfold('d = 5000 → 50 000', window, at(499, 10, 64), at(4999, 10, 64), linear),
  tenfold('d = 5000 → 50 000', samples, at(499, 10, 256), at(4999, 10, 256), linear),
  // Both sides of the layer grow by √10, so that its factors' cubes are d^1.5.
  tenfold('d = 10⁴ → 10⁵', kronecker, at(99, 100, 1024), at(315, 316, 1024), linear),
  tenfold('n = 1024 → 10 240', window, at(784, 10, 1024, 64), at(784, 10, 10_240, 64), linear),
  tenfold('n = 1024 → 10 240', samples, at(784, 10, 1024), at(784, 10, 10_240), linear),
  tenfold('n = 1024 → 10 240', kronecker, at(784, 10, 1024), at(784, 10, 10_240), linear),
]
