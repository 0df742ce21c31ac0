import type { Backend } from '../../backend/backend.ts'
import type { Vector } from '../../backend/binding.ts'
import { solveSystem } from '../../hypergradient/conjugateGradients.ts'

export interface ConjugateSystem {
  readonly backend: Backend
  /** image ← C x. */
  times(x: Vector, image: Vector): void
  /** About C⁻¹ x, in an array that the next call may change. */
  precondition(x: Float64Array): Float64Array
  /** Relative residual that is small enough, and products to spend on it. */
  readonly accuracy: number
  readonly steps: number
}

/** x = C⁻¹ b by preconditioned conjugate gradients, and the products taken; no x where C is not positive definite. */
export async function conjugate(
  { backend, times, precondition, accuracy, steps }: ConjugateSystem,
  b: Float64Array,
): Promise<{ x: Float64Array | undefined; products: number }> {
  const zeros = (length: number) => new backend.Vector(length, 'f64')
  const [target, x] = [zeros(b.length), zeros(b.length)]
  const residual = new Float64Array(b.length)
  target.writeF64(b)
  const system = { dtype: 'f64', zeros, times, target, tolerance: accuracy } as const
  const apply = async (r: Vector, z: Vector) => {
    r.readIntoF64(residual)
    z.writeF64(precondition(residual))
  }
  const { fallback, products } = await solveSystem(system, apply, x, steps)
  return { x: fallback === 'negative curvature' ? undefined : x.readF64(), products }
}
