import type { Backend } from '../../../ts/backend/backend.ts'
import { read } from '../../../ts/backend/backend.ts'
import type { Point, Vector } from '../../../ts/backend/binding.ts'
import { Fisher, type FisherSettings } from '../../../ts/backend/fisher.ts'
import type { Problem } from '../../../ts/problems/problem.ts'
import { Random } from '../../harness/random.ts'
import { atMost, type Chart, type Claim, equals, type Part } from './claim.ts'
import { fittedSlope, meanInterval, meanOf } from './slope.ts'
import { exactHypergradient, minimize, World } from './world.ts'

export interface EstimationSizes {
  readonly features: number
  readonly classes: number
  readonly pool: number
  /** Numbers of inner samples. */
  readonly samples: readonly number[]
  readonly runs: number
  readonly seed: number
}

const statistics = ['empirical', 'sampled', 'expected'] as const
const laws = [
  { name: 'well-specified', wrong: 0 },
  { name: 'half of the labels random', wrong: 0.5 },
]

/** What is measured with n samples, as the relative error to the same of the population. */
const measures = ['inverse', 'hypergradient', 'whole'] as const
type Errors = Record<(typeof measures)[number], number>
const words: Record<(typeof measures)[number], string> = {
  inverse: 'A',
  hypergradient: 'hypergradient, θ known',
  whole: 'hypergradient, θ from the same samples',
}

/** Error of the inverse Fisher and of the hypergradient against the number of inner samples. */
export async function estimation(backend: Backend, sizes: EstimationSizes): Promise<Part> {
  const { samples, runs, seed } = sizes
  const claims: Claim[] = []
  const charts: Chart[] = []
  for (const { name, wrong } of laws) {
    const world = new World(backend, sizes, wrong, seed)
    const truth = await populationOf(world)
    const curves: Record<string, number[][]> = {}
    for (let run = 0; run < runs; run++) {
      for (const n of samples) {
        using problem = world.draw(n, new Random(1000 * (seed + run) + n))
        const fitted = fit(problem, truth)
        for (const statistic of statistics) {
          const errors = await errorsOf(problem, fitted, truth, statistic, run)
          for (const measure of measures) {
            const key = `${words[measure]}, ${statistic}`
            curves[key] ??= Array.from({ length: runs }, () => [])
            curves[key][run].push(errors[measure])
          }
        }
      }
    }
    for (const statistic of statistics) {
      for (const measure of measures) {
        const errors = curves[`${words[measure]}, ${statistic}`]
        const plateau = truth.plateau[statistic][measure]
        const about = `${name}, ${statistic}: ${words[measure]}`
        const consistent = statistic !== 'empirical' || wrong === 0
        claims.push(atMost(`${about}, slope of the error`, -0.5, fittedSlope(samples, errors)))
        if (!consistent) {
          const last = meanInterval(errors.map((run) => run[run.length - 1] / plateau))
          claims.push(
            equals(`${about}, error at the largest n over that with the whole population`, 1, last, 0.25),
          )
        }
      }
    }
    charts.push(
      ...measures.map((measure) => ({
        title: `${name}: ${words[measure]}`,
        x: 'inner samples',
        curves: statistics.map((statistic) => ({
          name: statistic,
          x: samples,
          y: meanOf(curves[`${words[measure]}, ${statistic}`]),
        })),
      })),
    )
  }
  const { features, classes } = sizes
  return {
    name: 'estimation',
    title: 'Error against the number of inner samples',
    setting: `Softmax regression on ${features} features and ${classes} classes (d = ${features * classes}), a ridge penalty per feature as v. Samples are drawn from a population that is known, so that its inverse Hessian and its hypergradient are exact. Errors are relative, in the Frobenius norm for A. A and the hypergradient are taken at the parameters that fit the population best; then θ is fitted to the n samples as well. ${runs} independent runs.`,
    claims,
    charts,
  }
}

type Statistic = (typeof statistics)[number]

interface Population {
  readonly v: Float32Array | Float64Array
  /** Parameters that fit the population best, without a penalty. */
  readonly best: Float32Array | Float64Array
  readonly inverse: readonly Vector[]
  readonly hypergradient: Vector
  /** The hypergradient at θ*(v). */
  readonly whole: Vector
  /** Errors with the whole population as samples: what is left with any number of samples. */
  readonly plateau: Record<Statistic, Errors>
}

async function populationOf(world: World): Promise<Population> {
  const problem = world.population()
  const { oracles } = problem
  const start = problem.start()
  const free = problem.point(start.inner, problem.vector(new Float64Array(start.outer.length).fill(-25)))
  minimize(problem, free)
  const best = read(free.inner)
  const point = problem.point(problem.vector(best), start.outer)
  const inverse = Array.from(best, (_, j) => {
    const column = problem.zeros(best.length)
    oracles.exactDirection(point, unit(problem, j), column, true)
    return column
  })
  const hypergradient = exactHypergradient(problem, point)
  const end = fit(problem, { best, v: read(start.outer) })
  const whole = exactHypergradient(problem, end)
  const known = { v: read(start.outer), best, inverse, hypergradient, whole }
  const plateau = {} as Record<Statistic, Errors>
  for (const statistic of statistics) plateau[statistic] = await errorsOf(problem, end, known, statistic, 0)
  return { ...known, plateau }
}

/** θ*(v) of the problem's samples. */
function fit(problem: Problem, { best, v }: Pick<Population, 'best' | 'v'>): Point {
  const point = problem.point(problem.vector(best), problem.vector(v))
  minimize(problem, point)
  return point
}

async function errorsOf(
  problem: Problem,
  fitted: Point,
  truth: Omit<Population, 'plateau'>,
  statistic: Statistic,
  seed: number,
): Promise<Errors> {
  const { best, v, inverse } = truth
  const point = problem.point(problem.vector(best), problem.vector(v))
  using fisher = await fisherAt(problem, point, statistic, seed)
  let [off, all] = [0, 0]
  for (const [j, column] of inverse.entries()) {
    const x = problem.zeros(best.length)
    await fisher.solve(unit(problem, j), x)
    x.axpy(-1, column)
    off += x.dot(x)
    all += column.dot(column)
  }
  using fittedFisher = await fisherAt(problem, fitted, statistic, seed)
  return {
    inverse: Math.sqrt(off / all),
    hypergradient: difference(await hypergradient(problem, point, fisher), truth.hypergradient),
    whole: difference(await hypergradient(problem, fitted, fittedFisher), truth.whole),
  }
}

/** (F + D)⁻¹ of all samples of the problem. */
async function fisherAt(problem: Problem, point: Point, statistic: Statistic, seed: number): Promise<Fisher> {
  const { backend, oracles, dtype } = problem
  const settings: FisherSettings = { form: 'dense', rows: 'perSample', statistic, damping: 0 }
  const fisher = new Fisher(backend, oracles, point, { ...settings, concurrent: false })
  using step = new backend.Step(oracles.innerLength, dtype)
  oracles.observe(point, backend.Batch.all(oracles.samples), step, fisher.handle, seed)
  await fisher.refresh(step)
  return fisher
}

/** ∇_v f − Lᵀ A ∇_θ f. */
async function hypergradient(problem: Problem, point: Point, fisher: Fisher): Promise<Vector> {
  const { backend, oracles } = problem
  const [direct, target, u] = [point.outer, point.inner, point.inner].map(({ length }) =>
    problem.zeros(length),
  )
  oracles.outerGradient(point, direct, target)
  await fisher.solve(target, u)
  oracles.crossProduct(point, backend.Batch.all(oracles.samples), u, -1, direct)
  return direct
}

function unit(problem: Problem, j: number): Vector {
  return problem.vector(Float64Array.from({ length: problem.oracles.innerLength }, (_, i) => Number(i === j)))
}

/** ‖x − truth‖ / ‖truth‖; x is changed. */
function difference(x: Vector, truth: Vector): number {
  x.axpy(-1, truth)
  return x.norm() / truth.norm()
}
