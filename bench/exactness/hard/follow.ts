import { type Backend, read } from '../../../ts/backend/backend.ts'
import type { Batch, DType, Vector } from '../../../ts/backend/binding.ts'
import { conjugateGradients } from '../../../ts/hypergradient/conjugateGradients.ts'
import { formFor } from '../../../ts/hypergradient/direction.ts'
import { rateAt } from '../../../ts/hypergradient/optimizer.ts'
import type { Problem } from '../../../ts/problems/problem.ts'
import { reweighting } from '../../../ts/problems/reweighting.ts'
import { cpuOf, type Moment, mean, median } from '../contender.ts'
import { feeder } from '../fisher.ts'
import { crossProduct } from '../run.ts'
import type { Cell } from './cells.ts'
import type { Entrant } from './entrants.ts'

/** An entrant with a number of corrections, over a run. */
export interface Result extends Omit<Entrant, 'fisher' | 'feed' | 'corrections' | 'damping' | 'usual'> {
  /** Curvature products that correct A∇_θ f; the residual to start from takes one more. */
  readonly refine: number
  /** Whether each outer iteration starts from zero. */
  readonly cold: boolean
  /** 1 − cosine with the exact hypergradient, at each checkpoint. */
  readonly errors: readonly number[]
  readonly normRatio: number
  /** ms of CPU time per outer iteration. */
  readonly cpu: number
}

export interface Protocol {
  readonly innerSteps: number
  readonly batchSize: number
  readonly outerSteps: number
  /** Outer iterations from one checkpoint to the next. */
  readonly every: number
}

/**
 * Follows a run whose v moves by steps of one size along the exact hypergradient. In each outer iteration all entrants
 * take turns on the same θ and v, from their last direction and from zero.
 */
export async function followCell(
  backend: Backend,
  cell: Cell,
  entrants: readonly Entrant[],
  { speed, seed, innerSteps, batchSize, outerSteps, every }: Protocol & { speed: number; seed: number },
): Promise<Result[]> {
  const { model, sets, damping } = cell
  const [f32, f64] = (['f32', 'f64'] as const).map((dtype) => reweighting({ backend, model, ...sets, dtype }))
  const point = f64.start(seed)
  const { outer } = point
  const sampler = new backend.Sampler(seed, f64.oracles.samples)
  const loop = innerLoop(f64, cell)
  const exact = exactSolver(f64, point, damping)
  const racers = entrants.map((entrant) => racer({ f32, f64 }, entrant, damping))
  for (let k = 1; k <= outerSteps; k++) {
    for (let t = 0; t < innerSteps; t++) loop(point, sampler.take(batchSize))
    const checkpoint = k % every === 0
    const truth = momentOf(f64, point, k, checkpoint)
    const hypergradient = crossProduct(truth, await exact(truth))
    const moment = momentOf(f32, point, k, checkpoint)
    for (const race of racers) await race(moment, hypergradient)
    const size = hypergradient.norm() / Math.sqrt(hypergradient.length)
    outer.axpy(-speed / size, hypergradient)
    // The event loop collects what is no longer used.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return racers.flatMap((race) => race.results())
}

function momentOf(
  problem: Problem,
  { inner, outer }: Moment['point'],
  k: number,
  checkpoint: boolean,
): Moment {
  const point = problem.point(problem.vector(read(inner)), problem.vector(read(outer)))
  const target = problem.zeros(inner.length)
  problem.oracles.outerGradient(point, problem.zeros(outer.length), target)
  return { k, checkpoint, problem, point, target, steps: [] }
}

/** One step of gradient descent, with a step size per feature in the first layer. */
function innerLoop(problem: Problem, { rates, otherRate }: Cell) {
  const { backend, oracles } = problem
  const step = new backend.Step(oracles.innerLength, 'f64')
  const outputs = oracles.layers[1]
  return (point: Moment['point'], batch: Batch) => {
    oracles.innerStep(point, batch, step)
    const change = Float64Array.from(read(step.gradient), (g, i) => {
      return g * (rates[Math.floor(i / outputs)] ?? otherRate)
    })
    point.inner.axpy(-1, problem.vector(change))
  }
}

/** Conjugate gradients in f64 to 1e-10, preconditioned by the whole Gauss–Newton matrix of some outer iterations ago. */
function exactSolver(problem: Problem, point: Moment['point'], damping: number) {
  const fed = feeder(
    problem,
    point,
    { form: 'dense', statistic: 'expected', rows: 'perSample', damping },
    { from: 'fresh', samples: problem.oracles.samples, every: 5 },
  )
  return async (moment: Moment): Promise<Vector> => {
    await fed.observe(moment)
    const batch = problem.backend.Batch.all(problem.oracles.samples)
    const u = problem.zeros(moment.target.length)
    const solve = (b: Vector, x: Vector) => fed.fisher.solve(b, x)
    await conjugateGradients({ ...moment, batch, damping, tolerance: 1e-10 }, solve, u, 300)
    return u
  }
}

type Racer = ((moment: Moment, exact: Vector) => Promise<void>) & { results(): Result[] }

function racer(
  { f32: problem, f64 }: Record<DType, Problem>,
  entrant: Entrant,
  systemDamping: number,
): Racer {
  const { fisher: form, usual, feed, corrections, damping, ...about } = entrant
  const { backend, oracles } = problem
  const settings = usual && form ? formFor(problem, form, {}) : form
  let fed: ReturnType<typeof feeder> | undefined
  const statistics: number[] = []
  const lanes = corrections.flatMap((refine) =>
    [false, true].map((cold) => ({
      refine,
      cold,
      u: problem.zeros(oracles.innerLength),
      cpu: [] as number[],
      errors: [] as number[],
      ratios: [] as number[],
    })),
  )
  const race = async (moment: Moment, exact: Vector) => {
    const { k, target } = moment
    if (settings) fed ??= feeder(problem, moment.point, settings, feed)
    const observed = (await fed?.observe(moment)) ?? { cpu: 0, products: 0 }
    const x = problem.zeros(target.length)
    // The first solve after a refresh factors A.
    const factored = fed && observed.products > 0 ? await cpuOf(() => fed?.fisher.solve(target, x)) : 0
    statistics.push(observed.cpu + factored)
    const precondition = async (b: Vector, x: Vector) => (fed ? fed.fisher.solve(b, x) : x.copyFrom(b))
    const system = {
      ...moment,
      batch: backend.Batch.all(oracles.samples),
      damping: damping === undefined ? systemDamping : rateAt(damping, k - 1),
    }
    for (const { refine, cold, u, cpu, errors, ratios } of lanes) {
      if (cold) u.fill(0)
      cpu.push(
        await cpuOf(async () => {
          if (refine > 0) await conjugateGradients(system, precondition, u, refine)
          else await precondition(target, u)
        }),
      )
      if (!moment.checkpoint) continue
      const estimate = f64.vector(read(crossProduct(moment, u)))
      errors.push(1 - estimate.dot(exact) / (estimate.norm() * exact.norm()))
      ratios.push(estimate.norm() / exact.norm())
    }
  }
  const results = () =>
    lanes.map(({ refine, cold, cpu, errors, ratios }) => ({
      ...about,
      refine,
      cold,
      errors,
      normRatio: mean(ratios),
      cpu: mean(statistics) + median(cpu),
    }))
  return Object.assign(race, { results })
}
