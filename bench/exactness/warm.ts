import type { Vector } from '../../ts/backend/binding.ts'
import type { FisherSettings } from '../../ts/backend/fisher.ts'
import { conjugateGradients } from '../../ts/hypergradient/conjugateGradients.ts'
import { type Rate, rateAt } from '../../ts/hypergradient/optimizer.ts'
import { type Contender, type Cost, cpuOf, type Label, type Moment, mean } from './contender.ts'
import { type Feed, feeder } from './fisher.ts'

export interface WarmOptions {
  readonly detail: string
  readonly refine: number
  readonly fisher?: FisherSettings
  readonly feed?: Feed
  /** Samples of the curvature products, damping added to them in outer iteration 0, 1, 2, … */
  readonly refineSamples?: number
  readonly refineDamping?: Rate
  readonly dtype?: 'f32' | 'f64'
  readonly default?: boolean
  readonly best?: boolean
}

/**
 * The direction is kept from one outer iteration to the next, and corrected in each. The cost is the mean over the outer
 * iterations since the last checkpoint, so that they share the cost of a statistic that serves several of them.
 */
export function warm(options: WarmOptions): Contender {
  const { fisher: settings, feed = { from: 'steps' }, refineSamples = Number.MAX_SAFE_INTEGER } = options
  const { detail, refine: steps, dtype = 'f32', refineDamping = 0 } = options
  const { form = 'identity', statistic = 'none' } = settings ?? {}
  const flags = { default: options.default ?? false, best: options.best ?? false }
  const label = { form, statistic, detail, refine: steps, warm: true, dtype, ...flags }
  let fed: ReturnType<typeof feeder> | undefined
  return keep(label, async (moment, direction) => {
    const { k, problem, point } = moment
    const { backend, oracles } = problem
    if (settings) fed ??= feeder(problem, point, settings, feed)
    const observed = (await fed?.observe(moment)) ?? { cpu: 0, products: 0 }
    const sampler = new backend.Sampler(k, oracles.samples)
    const batch = sampler.take(Math.min(refineSamples, oracles.samples))
    const precondition = async (b: Vector, x: Vector) => (fed ? fed.fisher.solve(b, x) : x.copyFrom(b))
    let products = observed.products
    const cpu = await cpuOf(async () => {
      const refined = await conjugateGradients(
        { ...moment, batch, damping: rateAt(refineDamping, k) },
        precondition,
        direction,
        steps,
      )
      products += refined.products * batch.length
    })
    return { cpu: observed.cpu + cpu, products }
  })
}

/** AmIGO (Arbel & Mairal 2022): warm-started SGD on the linear system, products from small batches. */
export function amigo(steps: number, batchSize: number, rate: number): Contender {
  const label: Label = {
    form: 'sgd',
    statistic: 'hessian',
    refine: steps,
    detail: `AmIGO, batch ${batchSize}, rate ${rate}`,
    warm: true,
    dtype: 'f32',
    default: false,
    best: false,
  }
  return keep(label, async ({ k, problem, point, target }, u) => {
    const { backend, oracles } = problem
    const sampler = new backend.Sampler(k, oracles.samples)
    const gradient = problem.zeros(target.length)
    const cpu = await cpuOf(() => {
      for (let i = 0; i < steps; i++) {
        oracles.curvatureProduct(point, sampler.take(batchSize), u, gradient)
        gradient.axpy(-1, target) // Hu − ∇_θ f
        u.axpy(-rate, gradient)
      }
    })
    return { cpu, products: steps * batchSize }
  })
}

/** Keeps a direction along the run, and the cost of its improvements since the last checkpoint. */
function keep(label: Label, improve: (moment: Moment, direction: Vector) => Promise<Cost>): Contender {
  let direction: Vector | undefined
  let costs: Cost[] = []
  return {
    dtype: label.dtype,
    async follow(moment) {
      direction ??= moment.problem.zeros(moment.target.length)
      costs.push(await improve(moment, direction))
      if (!moment.checkpoint) return []
      const cost = { cpu: mean(costs.map((c) => c.cpu)), products: mean(costs.map((c) => c.products)) }
      costs = []
      return [{ label, direction, cost }]
    },
  }
}
