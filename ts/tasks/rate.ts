import type { Batch, Point } from '../backend/binding.ts'
import type { AnyProblem } from '../problems/problem.ts'

/**
 * A step size for SGD with momentum 0.9 that needs no tuning: half of 1/λ, where λ is the largest eigenvalue of the
 * curvature on a batch at a point, found by power iteration.
 */
export async function curvatureRate(problem: AnyProblem, point: Point, batch: Batch): Promise<number> {
  const { oracles } = problem
  const product = problem.zeros(oracles.innerLength)
  // Any start that is no eigenvector will do, such as cosines at an irrational step.
  const u = problem.vector(
    Float64Array.from({ length: product.length }, (_, i) => Math.cos(1 + i * Math.SQRT2)),
  )
  let eigenvalue = 0
  for (let i = 0; i < 30; i++) {
    u.scale(1 / u.norm())
    await oracles.curvatureProduct(point, batch, u, product)
    eigenvalue = u.dot(product)
    u.copyFrom(product)
  }
  return 0.5 / eigenvalue
}
