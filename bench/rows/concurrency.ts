import { Fisher, type FisherSettings } from '../../ts/backend/fisher.ts'
import { methods } from '../../ts/defaults.ts'
import type { ObserveOptions } from '../../ts/hypergradient/observer.ts'
import { optimizer } from '../../ts/hypergradient/optimizer.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { distance, type Row } from '../harness/row.ts'
import { pictures, weighing } from './data.ts'

const batch = 1024

interface Beside {
  readonly name: string
  readonly form: FisherSettings
  readonly columns: number
  readonly steps: number
  readonly observe?: ObserveOptions
}

/** The inner loop while a Fisher works beside it, against the loop alone. */
function loop({ name, form, columns, steps, observe = {} }: Beside): Row {
  const d = (columns + 1) * 10
  return {
    name: `inner loop beside ${name}, d = ${d}`,
    rival: 'the loop alone',
    bar: 1.05,
    unit: `loop of ${steps} steps`,
    clock: 'wall',
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
      const some = new backend.Step(d, 'f32')
      const { every = 1, samples } = observe
      const beside = async () => {
        for (const [t, step] of slots.entries()) {
          const [drawn, number] = [samplers[0].take(batch), samplers[0].seed()]
          if (t % every !== 0 || samples) oracles.innerStep(point, drawn, step)
          else oracles.innerStepFor(point, drawn, step, fisher.handle, number)
          if (t % every === 0) {
            const seen = samples && backend.Batch.of(drawn.positions.slice(0, samples))
            if (seen) oracles.observe(point, seen, some, fisher.handle, number)
            await fisher.observe(seen ? some : step)
          }
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

const [columns, steps] = [203, 40]
const { fisher, observe } = methods.nhgd

export const concurrency: readonly Row[] = [
  loop({ name: 'the Fisher of nhgd', form: fisher, columns: 784, steps: 120, observe }),
  loop({
    name: 'a concurrent window Fisher',
    form: { form: 'window', length: 256, rows: 'mean', smoothing: 0.9 },
    columns,
    steps,
  }),
  loop({
    name: 'a concurrent dense Fisher',
    form: { form: 'dense', rows: 'mean', smoothing: 0.9 },
    columns,
    steps,
  }),
]
