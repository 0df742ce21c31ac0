import type { Vector } from '../../ts/backend/binding.ts'
import { type Contender, type Label, type Moment, typicalCpuOf } from './contender.ts'

/** Conjugate gradients as in the textbook, from zero, on all samples; returns their number of products. */
export function conjugateGradients(
  { problem, point, target }: Moment,
  x: Vector,
  { tolerance, steps }: { tolerance: number; steps: number },
): number {
  const { oracles } = problem
  const all = problem.backend.Batch.all(oracles.samples)
  const [r, p, product] = [target, target, target].map(({ length }) => problem.zeros(length))
  x.fill(0)
  r.copyFrom(target)
  p.copyFrom(target)
  let rho = r.dot(r)
  const enough = tolerance ** 2 * rho
  let products = 0
  while (rho > enough && products < steps) {
    oracles.curvatureProduct(point, all, p, product)
    products++
    const size = rho / p.dot(product)
    x.axpy(size, p)
    r.axpy(-size, product)
    const next = r.dot(r)
    p.scale(next / rho)
    p.axpy(1, r)
    rho = next
  }
  return products
}

/** A few steps of plain conjugate gradients at each checkpoint. */
export function fewSteps(steps: number): Contender {
  const label: Label = {
    form: 'conjugateGradients',
    statistic: 'hessian',
    refine: steps,
    detail: 'plain, from zero',
    warm: false,
    dtype: 'f64',
    default: false,
    best: false,
  }
  return {
    dtype: 'f64',
    async follow(moment) {
      if (!moment.checkpoint) return []
      const direction = moment.problem.zeros(moment.target.length)
      const run = () => conjugateGradients(moment, direction, { tolerance: 0, steps })
      const cpu = await typicalCpuOf(run)
      return [{ label, direction, cost: { cpu, products: steps * moment.problem.oracles.samples } }]
    },
  }
}
