import { Fisher, type FisherSettings } from '../../ts/backend/fisher.ts'
import { optimizer } from '../../ts/hypergradient/optimizer.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { distance, type Row } from '../harness/row.ts'
import { pictures, weighing } from './data.ts'

const [steps, batch, columns] = [40, 1024, 203]
const d = (columns + 1) * 10

/** The inner loop while a Fisher of the form works beside it, against the loop alone. */
function loop(form: FisherSettings): Row {
  return {
    name: `inner loop beside a concurrent ${form.form} Fisher, d = ${d}`,
    rival: 'the loop alone',
    bar: 1.05,
    unit: `loop of ${steps} steps`,
    clock: 'wall',
    statistic: 'lower quartile',
    async prepare({ backend, seed }) {
      const data = pictures(seed, 20_000, columns)
      const problem = weighing(backend, data, softmaxRegression({ classes: 10 }))
      const { oracles } = problem
      const point = problem.start()
      const { inner } = point
      const other = problem.zeros(d)
      const elsewhere = point.at(other)
      const fisher = new Fisher(backend, oracles, point, { ...form, concurrent: true })
      const samplers = [0, 1].map(() => new backend.Sampler(seed, data.samples))
      const sgd = optimizer(backend, { kind: 'sgd', rate: 0.1 })
      const slots = Array.from({ length: steps }, () => new backend.Step(d, 'f32'))
      const beside = async () => {
        for (const step of slots) {
          oracles.innerStepFor(point, samplers[0].take(batch), step, fisher.handle, samplers[0].seed())
          await fisher.observe(step)
          sgd.step(inner, step.gradient)
        }
      }
      const alone = async () => {
        for (const step of slots) {
          oracles.innerStep(elsewhere, samplers[1].take(batch), step)
          samplers[1].seed()
          sgd.step(other, step.gradient)
        }
      }
      // Neither side runs before the queue has done what the last loop left in it.
      const before = async () => {
        await fisher.solve(slots[0].gradient, problem.zeros(d))
      }
      return {
        ours: { run: beside, before },
        theirs: { run: alone, before },
        check: async () => {
          await beside()
          await alone()
          return distance(inner.readF32(), other.readF32())
        },
        tolerance: 0, // the Fisher changes no bit of the loop
      }
    },
  }
}

export const concurrency: readonly Row[] = [
  loop({ form: 'window', length: 256, rows: 'mean', smoothing: 0.9 }),
  loop({ form: 'dense', rows: 'mean', smoothing: 0.9 }),
]
