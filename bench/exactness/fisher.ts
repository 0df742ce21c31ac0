import { Fisher, type FisherSettings } from '../../ts/backend/fisher.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { type Cost, cpuOf, type Moment } from './contender.ts'

/** Where a Fisher's samples come from. */
export type Feed =
  /**
   * Each inner step's batch; with `last`, only in that many outer iterations before a checkpoint; with `every`, only one
   * step out of so many of the run.
   */
  | { readonly from: 'steps'; readonly last?: number; readonly reset?: boolean; readonly every?: number }
  /** `samples` fresh samples at θ_k, every `every` outer iterations, from the first on. */
  | { readonly from: 'fresh'; readonly samples: number; readonly every: number }
  /** `samples` fresh samples at a checkpoint. */
  | { readonly from: 'checkpoint'; readonly samples: number }

export const checkpoints = [10, 50, 200]

/** Feeds a Fisher along the run; returns what that cost in this outer iteration. */
export function feeder(problem: Problem, point: Moment['point'], settings: FisherSettings, feed: Feed) {
  const { backend, oracles, dtype } = problem
  const fisher = new Fisher(backend, oracles, point, { ...settings, concurrent: false })
  const sampler = new backend.Sampler(1, oracles.samples)
  const slot = new backend.Step(oracles.innerLength, dtype)

  async function steps({ k, point, steps }: Moment, every = 1): Promise<number> {
    const seen = steps.filter((_, t) => ((k - 1) * steps.length + t) % every === 0)
    for (const { inner, batch } of seen) {
      oracles.observe(point.at(inner), batch, slot, fisher.handle, sampler.seed())
      await fisher.observe(slot)
    }
    return seen.reduce((sum, { batch }) => sum + batch.length, 0)
  }

  async function anew({ point }: Moment, samples: number): Promise<number> {
    const batch = sampler.take(samples)
    oracles.observe(point, batch, slot, fisher.handle, sampler.seed())
    await fisher.refresh(slot)
    return batch.length
  }

  async function samplesOf(moment: Moment): Promise<number> {
    const { k, checkpoint } = moment
    if (feed.from === 'fresh') return (k - 1) % feed.every === 0 ? anew(moment, feed.samples) : 0
    if (feed.from === 'checkpoint') return checkpoint ? anew(moment, feed.samples) : 0
    if (feed.reset) fisher.reset()
    const left = Math.min(...checkpoints.map((at) => at - k).filter((left) => left >= 0))
    return left < (feed.last ?? Number.POSITIVE_INFINITY) ? steps(moment, feed.every) : 0
  }

  async function observe(moment: Moment): Promise<Cost> {
    let products = 0
    const cpu = await cpuOf(async () => {
      products = await samplesOf(moment)
    })
    return { cpu, products }
  }
  return { fisher, observe }
}
