import { type Backend, read } from '../../ts/backend/backend.ts'
import type { DType, Vector } from '../../ts/backend/binding.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import type { LabelledSet } from '../../ts/problems/samples.ts'
import { type Contender, cpuOf, type Label, type Moment, median } from './contender.ts'
import { checkpoints } from './fisher.ts'
import { conjugateGradients } from './plain.ts'

/** An estimate held against the exact hypergradient at the same θ. */
export interface Measurement {
  readonly label: Label
  readonly iteration: number
  readonly cosine: number
  readonly normRatio: number
  readonly products: number
  /** CPU time over that of the reference. */
  readonly cpuRatio: number
}

export interface Reference {
  readonly iteration: number
  readonly products: number
  /** ms. */
  readonly cpu: number
}

const protocol = { outerRate: 200, innerRate: 0.5, innerSteps: 10, batchSize: 64 }
const reference = { tolerance: 1e-10, steps: 10_000 }

/**
 * Hyper-data cleaning with v driven by the exact hypergradient. The reference, conjugate gradients in f64 to 1e-10 over
 * all samples, and every contender take turns in each outer iteration. At the checkpoints the dense Hessian is factored,
 * and all of them are compared with it. The cross derivative is over all samples throughout.
 */
export async function follow(
  backend: Backend,
  sets: { train: LabelledSet; trusted: LabelledSet },
  contenders: readonly Contender[],
  seed: number,
): Promise<{ measurements: Measurement[]; references: Reference[] }> {
  const model = softmaxRegression({ classes: 10 })
  const problems = {
    f32: reweighting({ backend, model, ...sets, dtype: 'f32' }),
    f64: reweighting({ backend, model, ...sets, dtype: 'f64' }),
  }
  const { f64: problem } = problems
  const { oracles } = problem
  const point = problem.start()
  const { inner, outer } = point
  const sampler = new backend.Sampler(seed, oracles.samples)
  const step = new backend.Step(inner.length, 'f64')
  const direction = problem.zeros(inner.length)
  const measurements: Measurement[] = []
  const references: Reference[] = []
  let times: number[] = []
  for (let k = 1; k <= checkpoints[checkpoints.length - 1]; k++) {
    const steps = Array.from({ length: protocol.innerSteps }, () => {
      const batch = sampler.take(protocol.batchSize)
      const before = read(inner)
      oracles.innerStep(point, batch, step)
      inner.axpy(-protocol.innerRate, step.gradient)
      return { inner: before, batch }
    })
    const checkpoint = checkpoints.includes(k)
    const momentOf = (problem: Problem): Moment => {
      const at = problem.point(problem.vector(read(inner)), problem.vector(read(outer)))
      const target = problem.zeros(inner.length)
      problem.oracles.outerGradient(at, problem.zeros(outer.length), target)
      const vectors = steps.map(({ inner, batch }) => ({ inner: problem.vector(inner), batch }))
      return { k, checkpoint, problem, target, point: at, steps: vectors }
    }
    const moments: Record<DType, Moment> = { f32: momentOf(problems.f32), f64: momentOf(problem) }
    let products = 0
    const solve = () => {
      products = conjugateGradients(moments.f64, direction, reference)
    }
    times.push(await cpuOf(solve))
    if (checkpoint) {
      references.push({ iteration: k, products: products * oracles.samples, cpu: median(times) })
      oracles.exactDirection(point, moments.f64.target, direction, false)
    }
    const exact = crossProduct(moments.f64, direction)
    for (const contender of contenders) {
      for (const { label, direction, cost } of await contender.follow(moments[contender.dtype])) {
        const estimate = problem.vector(read(crossProduct(moments[contender.dtype], direction)))
        const [size, exactSize] = [norm(estimate), norm(exact)]
        measurements.push({
          label,
          iteration: k,
          cosine: estimate.dot(exact) / (size * exactSize),
          normRatio: size / exactSize,
          products: cost.products,
          cpuRatio: cost.cpu / median(times),
        })
      }
    }
    if (checkpoint) times = []
    outer.axpy(-protocol.outerRate, exact)
    // The event loop collects what is no longer used.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { measurements, references }
}

/** −Lᵀu, which is the hypergradient here: f does not depend on v itself. */
export function crossProduct({ problem, point }: Moment, u: Vector): Vector {
  const { backend, oracles } = problem
  const product = problem.zeros(point.outer.length)
  oracles.crossProduct(point, backend.Batch.all(oracles.samples), u, -1, product)
  return product
}

function norm(x: Vector): number {
  return Math.sqrt(x.dot(x))
}
