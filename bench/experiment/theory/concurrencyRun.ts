// The wall times of one setting in a process of its own, so that it may be held to some cores:
//   node --import tsx bench/experiment/theory/concurrencyRun.ts '{"setup":…,"rounds":…}'
import { pathToFileURL } from 'node:url'
import type { Step } from '../../../ts/backend/binding.ts'
import { Fisher, type FisherSettings } from '../../../ts/backend/fisher.ts'
import { loadBackend } from '../../../ts/backend/load.ts'
import { matrix } from '../../../ts/backend/matrix.ts'
import { softmaxRegression } from '../../../ts/problems/model.ts'
import { reweighting } from '../../../ts/problems/reweighting.ts'
import { Random } from '../../harness/random.ts'

export interface Setup {
  readonly settings: FisherSettings
  readonly features: number
  readonly classes: number
  readonly batchSize: number
  readonly innerSteps: number
  readonly samples: number
  /** A observes so many samples of one step out of `every`: the whole batch of each step where absent. */
  readonly observe?: { readonly every: number; readonly samples: number }
}

/** When A is built: never, after the inner loop, in it, or beside it. */
export const modes = ['alone', 'after', 'inline', 'beside'] as const
type Mode = (typeof modes)[number]

/** ms per outer iteration, in each round. */
export type WallTimes = Record<Mode, number[]>

async function wallTimes({ setup, rounds }: { setup: Setup; rounds: number }): Promise<WallTimes> {
  const { settings, features, classes, batchSize, innerSteps, samples } = setup
  const backend = await loadBackend()
  const random = new Random(1)
  const set = (n: number) => ({
    features: matrix(random.floats(n * features), n, features),
    labels: Int32Array.from(random.whole(n, classes)),
  })
  const problem = reweighting({
    backend,
    model: softmaxRegression({ classes }),
    train: set(samples),
    trusted: set(batchSize),
  })
  const { oracles } = problem
  const point = problem.start()
  const steps = Array.from({ length: innerSteps }, () => new backend.Step(oracles.innerLength, 'f32'))
  const [target, u] = [point.inner, point.inner].map(({ length }) => problem.zeros(length))
  oracles.outerGradient(point, problem.zeros(oracles.outerLength), target)
  const sample = new backend.Step(oracles.innerLength, 'f32')
  const fisherOf = (concurrent: boolean) => new Fisher(backend, oracles, point, { ...settings, concurrent })
  const fishers = { after: fisherOf(false), inline: fisherOf(false), beside: fisherOf(true) }

  const { every, samples: seen } = setup.observe ?? { every: 1, samples: batchSize }

  async function outerIteration(mode: Mode): Promise<void> {
    const sampler = new backend.Sampler(1, oracles.samples)
    const observe = async (fisher: Fisher, step: Step) => {
      oracles.observe(point, sampler.take(seen), step, fisher.handle, sampler.seed())
      await fisher.observe(step)
    }
    for (const [t, step] of steps.entries()) {
      const batch = sampler.take(batchSize)
      if ((mode !== 'inline' && mode !== 'beside') || t % every > 0) oracles.innerStep(point, batch, step)
      else if (seen === batchSize) {
        // One pass over the batch gives both.
        oracles.innerStepFor(point, batch, step, fishers[mode].handle, sampler.seed())
        await fishers[mode].observe(step)
      } else {
        oracles.innerStep(point, batch, step)
        await observe(fishers[mode], sample)
      }
      point.inner.axpy(-0.01, step.gradient)
    }
    if (mode === 'after') {
      for (let t = 0; t < innerSteps; t += every) await observe(fishers.after, sample)
    }
    if (mode !== 'alone') await fishers[mode].solve(target, u)
  }

  const times: WallTimes = { alone: [], after: [], inline: [], beside: [] }
  for (const mode of modes) await outerIteration(mode)
  for (let round = 0; round < rounds; round++) {
    for (const mode of modes) {
      const start = performance.now()
      await outerIteration(mode)
      times[mode].push(performance.now() - start)
    }
  }
  return times
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(JSON.stringify(await wallTimes(JSON.parse(process.argv[2]))))
}
