/**
 * The bare kernels, for people who measure them or build on them. Matrices are row-major. Each kernel takes typed arrays
 * of one scalar type, and writes what it changes back to the caller's array; with `resident` operands, made once by
 * {@link resident}, nothing is copied.
 *
 * @module nhgd/kernels
 */
import { type Backend, read } from './backend/backend.ts'
import type { DType, Vector } from './backend/binding.ts'
import { NhgdError } from './backend/errors.ts'

export type { Backend } from './backend/backend.ts'
export type { InverseUpdate, Samples, Vector } from './backend/binding.ts'
export { loadBackend } from './backend/load.ts'

/** Entries of one scalar type, in JavaScript's memory or resident in the backend. */
export type Operand = Float32Array | Float64Array | Vector

/** An operand that stays in the backend's memory. */
export function resident(backend: Backend, entries: Float32Array | Float64Array): Vector {
  const vector = new backend.Vector(entries.length, dtypeOf(entries))
  if (entries instanceof Float32Array) vector.writeF32(entries)
  else vector.writeF64(entries)
  return vector
}

/** C ← βC + α A B; A m × k, B k × n, C m × n. 2mnk flops. */
export function gemm(
  backend: Backend,
  { m, n, k, alpha = 1, beta = 0 }: { m: number; n: number; k: number; alpha?: number; beta?: number },
  a: Operand,
  b: Operand,
  c: Operand,
): void {
  call(backend, [a, b], [c], ([a, b], [c]) => backend.gemm(m, n, k, alpha, a, b, beta, c))
}

/** C ← βC + α A Aᵀ; A n × k, C n × n. n²k flops. */
export function syrk(
  backend: Backend,
  { n, k, alpha = 1, beta = 0 }: { n: number; k: number; alpha?: number; beta?: number },
  a: Operand,
  c: Operand,
): void {
  call(backend, [a], [c], ([a], [c]) => backend.syrk(n, k, alpha, a, beta, c))
}

/** y ← βy + α A x; A n × n. 2n² flops. */
export function symv(
  backend: Backend,
  { n, alpha = 1, beta = 0 }: { n: number; alpha?: number; beta?: number },
  a: Operand,
  x: Operand,
  y: Operand,
): void {
  call(backend, [a, x], [y], ([a, x], [y]) => backend.symv(n, alpha, a, x, beta, y))
}

/** B ← A⁻¹ B by Cholesky; A n × n symmetric positive definite (`ERR_NUMERIC` otherwise), B n × k. n³/3 + 2n²k flops. */
export function choleskySolve(
  backend: Backend,
  { n, k }: { n: number; k: number },
  a: Operand,
  b: Operand,
): void {
  call(backend, [a], [b], ([a], [b]) => backend.choleskySolve(n, k, a, b))
}

/** inverse ← A⁻¹ by Cholesky; A n × n symmetric positive definite (`ERR_NUMERIC` otherwise). n³ flops. */
export function choleskyInverse(backend: Backend, { n }: { n: number }, a: Operand, inverse: Operand): void {
  call(backend, [a], [inverse], ([a], [inverse]) => backend.choleskyInverse(n, a, inverse))
}

/** A = V diag(values) Vᵀ: eigenvalues ascending, eigenvectors in V's columns; A n × n symmetric. About 9n³ flops. */
export function symmetricEigen(
  backend: Backend,
  { n }: { n: number },
  a: Operand,
  values: Operand,
  vectors: Operand,
): void {
  call(backend, [a], [values, vectors], ([a], [values, vectors]) =>
    backend.symmetricEigen(n, a, values, vectors),
  )
}

/** B ← (A ⊗ S + damping I)⁻¹ B from the eigenvalues and eigenvectors of A (n × n) and S (k × k); B n × k.
 * 4nk(n + k) flops. */
export function kroneckerSolve(
  backend: Backend,
  { n, k, damping }: { n: number; k: number; damping: number },
  a: { readonly values: Operand; readonly vectors: Operand },
  s: { readonly values: Operand; readonly vectors: Operand },
  b: Operand,
): void {
  call(backend, [a.values, a.vectors, s.values, s.vectors], [b], ([av, au, sv, su], [b]) =>
    backend.kroneckerSolve(n, k, av, au, sv, su, damping, b),
  )
}

/** gram ← (E Eᵀ) ∘ (X Xᵀ): inner products of the m gradients x_i e_iᵀ, which are never formed; X m × n, E m × k.
 * m²(n + k) flops. */
export function perSampleGram(
  backend: Backend,
  { m, n, k }: { m: number; n: number; k: number },
  x: Operand,
  e: Operand,
  gram: Operand,
): void {
  call(backend, [x, e], [gram], ([x, e], [gram]) => backend.perSampleGram(m, n, k, x, e, gram))
}

/** x ← A⁻¹ b by conjugate gradients from x; A n × n symmetric positive definite. Returns ‖b − Ax‖ / ‖b‖.
 * 2n² flops a step. */
export function conjugateGradients(
  backend: Backend,
  { n, tolerance, steps }: { n: number; tolerance: number; steps: number },
  a: Operand,
  b: Operand,
  x: Operand,
): number {
  return call(backend, [a, b], [x], ([a, b], [x]) => backend.conjugateGradients(n, a, b, x, tolerance, steps))
}

/** Runs a kernel on resident operands; what was uploaded for it is freed, and what it changed is copied back. */
function call<Result>(
  backend: Backend,
  inputs: readonly Operand[],
  outputs: readonly Operand[],
  kernel: (inputs: Vector[], outputs: Vector[]) => Result,
): Result {
  const uploaded: Vector[] = []
  const bring = (operand: Operand) => {
    if (!ArrayBuffer.isView(operand)) return operand
    const vector = resident(backend, operand)
    uploaded.push(vector)
    return vector
  }
  try {
    const changed = outputs.map(bring)
    const result = kernel(inputs.map(bring), changed)
    for (const [i, output] of outputs.entries()) {
      if (ArrayBuffer.isView(output)) output.set(read(changed[i]))
    }
    return result
  } finally {
    for (const vector of uploaded) vector.dispose()
  }
}

function dtypeOf(entries: Float32Array | Float64Array): DType {
  if (entries instanceof Float32Array) return 'f32'
  if (entries instanceof Float64Array) return 'f64'
  const got = Object.prototype.toString.call(entries).slice(8, -1)
  throw new NhgdError('ERR_DTYPE', `"entries" expected Float32Array or Float64Array, got ${got}`)
}
