import type { Vector } from '../../ts/backend/binding.ts'
import type { FisherSettings } from '../../ts/backend/fisher.ts'
import { conjugateGradients } from '../../ts/hypergradient/conjugateGradients.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { type Contender, type Cost, cpuOf, type Moment, type Trial, typicalCpuOf } from './contender.ts'
import { type Feed, feeder } from './fisher.ts'

export interface ColdOptions {
  readonly detail: string
  readonly fisher?: FisherSettings
  readonly feed?: Feed
  /** Numbers of steps. */
  readonly corrections: readonly number[]
}

/**
 * A∇_θ f at each checkpoint, with `steps` corrections by products over all samples. The cost of each estimate includes
 * the statistics of that outer iteration and A's factorisation. Without `fisher`, A is the identity.
 */
export function cold(options: ColdOptions): Contender {
  const { detail, fisher: settings, feed = { from: 'steps' }, corrections } = options
  const { form = 'identity', statistic = 'none' } = settings ?? {}
  let fed: ReturnType<typeof feeder> | undefined
  const label = { form, statistic, detail, warm: false, dtype: 'f32', default: false, best: false } as const
  return {
    dtype: 'f32',
    async follow(moment) {
      if (settings) fed ??= feeder(moment.problem, moment.point, settings, feed)
      const observed = (await fed?.observe(moment)) ?? { cpu: 0, products: 0 }
      if (!moment.checkpoint) return []
      const precondition = async (b: Vector, x: Vector) => (fed ? fed.fisher.solve(b, x) : x.copyFrom(b))
      const prepared = await preparation(moment, precondition)
      const trials: Trial[] = []
      for (const steps of corrections) {
        const { direction, cpu, products } = await correct(moment, precondition, steps)
        const cost = { cpu: observed.cpu + prepared + cpu, products: observed.products + products }
        trials.push({ label: { ...label, refine: steps }, direction, cost })
      }
      return trials
    },
  }
}

type Precondition = (b: Vector, x: Vector) => Promise<unknown>

/** The time of the first solve less that of a later one, which is the time of the factorisation. */
async function preparation({ problem, target }: Moment, precondition: Precondition): Promise<number> {
  const x = problem.zeros(target.length)
  const solve = () => precondition(target, x)
  const first = await cpuOf(solve)
  return Math.max(0, first - (await typicalCpuOf(solve)))
}

async function correct(
  moment: Moment,
  precondition: Precondition,
  steps: number,
): Promise<Cost & { direction: Vector }> {
  const { problem, target } = moment
  const direction = problem.zeros(target.length)
  const system = { ...moment, batch: all(problem), damping: 0 }
  let products = 0
  const run = async () => {
    direction.fill(0)
    const refined = await conjugateGradients(system, precondition, direction, steps)
    products = refined.products * problem.oracles.samples
  }
  const cpu = await typicalCpuOf(run)
  return { direction, cpu, products }
}

function all({ backend, oracles }: Problem) {
  return backend.Batch.all(oracles.samples)
}
