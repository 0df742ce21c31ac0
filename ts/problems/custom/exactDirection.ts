import { type Backend, vector } from '../../backend/backend.ts'
import type { Vector } from '../../backend/binding.ts'
import { NhgdError } from '../../backend/errors.ts'
import type { Entries } from './room.ts'

/** Largest d of the dense reference, as in the engine. */
const limit = 8192

/**
 * x = H⁻¹ b with H made of products with unit vectors, and ‖b − Hx‖ / ‖b‖ by one more product, in double precision. One
 * step of iterative refinement is taken if it lowers the residual. `indefinite` allows negative eigenvalues of H.
 *
 * @throws NhgdError `ERR_RANGE` above 8192 parameters; `ERR_NUMERIC` where H is singular, or not positive definite unless
 * it may be indefinite.
 */
export async function exactDirection(
  backend: Backend,
  product: (u: Float64Array) => Promise<Entries>,
  b: Float64Array,
  indefinite: boolean,
): Promise<{ direction: Float64Array; residual: number }> {
  const d = b.length
  if (d > limit) {
    throw new NhgdError(
      'ERR_RANGE',
      `"inner" expected at most ${limit} parameters for a dense Hessian, got ${d}`,
    )
  }
  const dense = new backend.Vector(d * d, 'f64')
  const columns = new Float64Array(d * d)
  for (let i = 0; i < d; i++) {
    const unit = new Float64Array(d)
    unit[i] = 1
    columns.set(await product(unit), i * d)
  }
  dense.writeF64(columns)
  const of = (entries: Float64Array) => vector(backend, entries, 'f64')
  const size = of(b).norm()
  const judged = async (direction: Float64Array) => {
    const image = await product(direction)
    const rest = b.map((b, i) => b - image[i])
    return { direction, rest, residual: size > 0 ? of(rest).norm() / size : 0 }
  }
  const solve = (right: Float64Array) => solved(backend, dense, of(right), indefinite)
  const first = await judged(solve(b))
  const correction = solve(first.rest)
  const refined = await judged(first.direction.map((x, i) => x + correction[i]))
  return refined.residual < first.residual ? refined : first
}

/** H⁻¹ b by Cholesky, or by the eigenvalues of H, none of which may vanish. */
function solved(backend: Backend, dense: Vector, b: Vector, indefinite: boolean): Float64Array {
  const d = b.length
  const singular = (cause?: unknown) =>
    new NhgdError('ERR_NUMERIC', 'the Hessian is not positive definite: add a regulariser or train longer', {
      cause,
    })
  try {
    backend.choleskySolve(d, 1, dense, b)
    return b.readF64()
  } catch (error) {
    if (!indefinite) throw singular(error)
  }
  const [eigenvalues, eigenvectors] = [d, d * d].map((length) => new backend.Vector(length, 'f64'))
  backend.symmetricEigen(d, dense, eigenvalues, eigenvectors)
  const [values, vectors, right] = [eigenvalues, eigenvectors, b].map((x) => x.readF64())
  const smallest = d * Number.EPSILON * Math.max(...values.map(Math.abs))
  if (values.some((value) => Math.abs(value) <= smallest)) throw singular()
  const direction = new Float64Array(d)
  for (const [k, value] of values.entries()) {
    let along = 0
    for (let i = 0; i < d; i++) along += vectors[i * d + k] * right[i]
    for (let i = 0; i < d; i++) direction[i] += (along / value) * vectors[i * d + k]
  }
  return direction
}
