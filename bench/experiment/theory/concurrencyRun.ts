// The wall times of one setting in a process of its own, so that it may be held to some cores:
//   node --import tsx bench/experiment/theory/concurrencyRun.ts '{"setup":…,"rounds":…}'
import { pathToFileURL } from 'node:url'
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
  const fisherOf = (concurrent: boolean) => new Fisher(backend, oracles, point, { ...settings, concurrent })
  const fishers = { after: fisherOf(false), inline: fisherOf(false), beside: fisherOf(true) }

  async function outerIteration(mode: Mode): Promise<void> {
    const sampler = new backend.Sampler(1, oracles.samples)
    for (const step of steps) {
      const batch = sampler.take(batchSize)
      if (mode === 'inline' || mode === 'beside') {
        oracles.innerStepFor(point, batch, step, fishers[mode].handle, sampler.seed())
        await fishers[mode].observe(step)
      } else oracles.innerStep(point, batch, step)
      point.inner.axpy(-0.01, step.gradient)
    }
    if (mode === 'after') {
      for (const step of steps) {
        oracles.observe(point, sampler.take(batchSize), step, fishers.after.handle, sampler.seed())
        await fishers.after.observe(step)
      }
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
