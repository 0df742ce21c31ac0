/**
 * The bare kernels, for people who measure them or build on them. Matrices are row-major. A kernel takes typed arrays of
 * one scalar type, and writes what it changes back to the caller's array. Operands that {@link resident} has made once
 * stay in the backend, and nothing is copied. Sizes that are no whole numbers are `ERR_RANGE`, operands of another type
 * `ERR_DTYPE`, operands of another length `ERR_SHAPE`, and inputs that hold NaN or infinity `ERR_NOT_FINITE`. What a pure
 * output holds before a call is not read, nor what C or y holds where β is 0.
 *
 * @module nhgd/kernels
 */
import { arrayType } from './backend/arrays.ts'
import { type Backend, read } from './backend/backend.ts'
import type { DType, Vector } from './backend/binding.ts'
import { backendCheck, number, refuse, something } from './backend/check.ts'

export type { Backend } from './backend/backend.ts'
export type { InverseUpdate, Samples, Vector } from './backend/binding.ts'

/** Entries of one scalar type, in JavaScript's memory or resident in the backend. */
export type Operand = Float32Array | Float64Array | Vector

/** An operand that stays in the backend's memory. */
export function resident(backend: Backend, entries: Float32Array | Float64Array): Vector {
  backendCheck('backend', backend)
  return upload(backend, entries, 'entries')
}

/** The sizes and scalars of a call. */
function known<Sizes extends object>(backend: Backend, sizes: Sizes): Sizes {
  backendCheck('backend', backend)
  return something('sizes', sizes) as Sizes
}

function upload(backend: Backend, entries: Float32Array | Float64Array, name: string): Vector {
  const dtype = dtypeOf(entries, name)
  const vector = new backend.Vector(entries.length, dtype)
  if (dtype === 'f32') vector.writeF32(entries as Float32Array, name)
  else vector.writeF64(entries as Float64Array, name)
  return vector
}

/** C ← βC + α A B; A m × k, B k × n, C m × n. 2mnk flops. */
export function gemm(
  backend: Backend,
  sizes: { m: number; n: number; k: number; alpha?: number; beta?: number },
  a: Operand,
  b: Operand,
  c: Operand,
): void {
  const { m, n, k, alpha = 1, beta = 0 } = known(backend, sizes)
  call(backend, { a, b }, { c }, (v) => backend.gemm(m, n, k, alpha, v.a, v.b, beta, v.c), beta)
}

/** C ← βC + α A Aᵀ; A n × k, C n × n. n²k flops. */
export function syrk(
  backend: Backend,
  sizes: { n: number; k: number; alpha?: number; beta?: number },
  a: Operand,
  c: Operand,
): void {
  const { n, k, alpha = 1, beta = 0 } = known(backend, sizes)
  call(backend, { a }, { c }, (v) => backend.syrk(n, k, alpha, v.a, beta, v.c), beta)
}

/** y ← βy + α A x; A n × n. 2n² flops. */
export function symv(
  backend: Backend,
  sizes: { n: number; alpha?: number; beta?: number },
  a: Operand,
  x: Operand,
  y: Operand,
): void {
  const { n, alpha = 1, beta = 0 } = known(backend, sizes)
  call(backend, { a, x }, { y }, (v) => backend.symv(n, alpha, v.a, v.x, beta, v.y), beta)
}

/** B ← A⁻¹ B by Cholesky; A n × n symmetric positive definite (`ERR_NUMERIC` otherwise), B n × k. n³/3 + 2n²k flops. */
export function choleskySolve(
  backend: Backend,
  sizes: { n: number; k: number },
  a: Operand,
  b: Operand,
): void {
  const { n, k } = known(backend, sizes)
  call(backend, { a }, { b }, (v) => backend.choleskySolve(n, k, v.a, v.b))
}

/** inverse ← A⁻¹ by Cholesky; A n × n symmetric positive definite (`ERR_NUMERIC` otherwise). n³ flops. */
export function choleskyInverse(backend: Backend, sizes: { n: number }, a: Operand, inverse: Operand): void {
  const { n } = known(backend, sizes)
  call(backend, { a }, { inverse }, (v) => backend.choleskyInverse(n, v.a, v.inverse), 0)
}

/** A = V diag(values) Vᵀ: eigenvalues ascending, eigenvectors in V's columns; A n × n symmetric. About 9n³ flops. */
export function symmetricEigen(
  backend: Backend,
  sizes: { n: number },
  a: Operand,
  values: Operand,
  vectors: Operand,
): void {
  const { n } = known(backend, sizes)
  call(backend, { a }, { values, vectors }, (v) => backend.symmetricEigen(n, v.a, v.values, v.vectors), 0)
}

/** B ← (A ⊗ S + damping I)⁻¹ B from the eigenvalues and eigenvectors of A (n × n) and S (k × k); B n × k.
 * 4nk(n + k) flops. */
export function kroneckerSolve(
  backend: Backend,
  sizes: { n: number; k: number; damping: number },
  a: { readonly values: Operand; readonly vectors: Operand },
  s: { readonly values: Operand; readonly vectors: Operand },
  b: Operand,
): void {
  const { n, k, damping } = known(backend, sizes)
  something('a', a)
  something('s', s)
  const factors = { aValues: a.values, aVectors: a.vectors, sValues: s.values, sVectors: s.vectors }
  call(backend, factors, { b }, (v) =>
    backend.kroneckerSolve(n, k, v.aValues, v.aVectors, v.sValues, v.sVectors, damping, v.b),
  )
}

/** gram ← (E Eᵀ) ∘ (X Xᵀ): inner products of the m gradients x_i e_iᵀ, which are never formed; X m × n, E m × k.
 * m²(n + k) flops. */
export function perSampleGram(
  backend: Backend,
  sizes: { m: number; n: number; k: number },
  x: Operand,
  e: Operand,
  gram: Operand,
): void {
  const { m, n, k } = known(backend, sizes)
  call(backend, { x, e }, { gram }, (v) => backend.perSampleGram(m, n, k, v.x, v.e, v.gram), 0)
}

/** x ← A⁻¹ b by conjugate gradients from x; A n × n symmetric positive definite. Returns ‖b − Ax‖ / ‖b‖.
 * 2n² flops per step. */
export function conjugateGradients(
  backend: Backend,
  sizes: { n: number; tolerance: number; steps: number },
  a: Operand,
  b: Operand,
  x: Operand,
): number {
  const { n, tolerance, steps } = known(backend, sizes)
  number(0, Number.POSITIVE_INFINITY)('tolerance', tolerance)
  return call(backend, { a, b }, { x }, (v) => backend.conjugateGradients(n, v.a, v.b, v.x, tolerance, steps))
}

/**
 * Runs a kernel on resident operands; what was uploaded for it is freed, and what it changed is copied back. Where `beta`
 * is 0, what the outputs hold is not read.
 */
function call<Input extends string, Output extends string, Result>(
  backend: Backend,
  inputs: Readonly<Record<Input, Operand>>,
  outputs: Readonly<Record<Output, Operand>>,
  kernel: (vectors: Record<Input | Output, Vector>) => Result,
  beta = 1,
): Result {
  const operands: [string, Operand][] = Object.entries({ ...inputs, ...outputs })
  for (const [name, operand] of operands) {
    if (!(operand instanceof backend.Vector)) dtypeOf(operand, name)
  }
  const made: Vector[] = []
  const bring = ([name, operand]: [string, Operand]): [string, Vector] => {
    if (operand instanceof backend.Vector) return [name, operand]
    const entries = operand as Float32Array | Float64Array
    const vector =
      beta === 0 && name in outputs
        ? new backend.Vector(entries.length, dtypeOf(entries, name))
        : upload(backend, entries, name)
    made.push(vector)
    return [name, vector]
  }
  try {
    const vectors: Record<string, Vector> = Object.fromEntries(operands.map(bring))
    const result = kernel(vectors as Record<Input | Output, Vector>)
    for (const [name, output] of Object.entries<Operand>(outputs)) {
      if (ArrayBuffer.isView(output)) output.set(read(vectors[name]))
    }
    return result
  } finally {
    for (const vector of made) vector.dispose()
  }
}

function dtypeOf(entries: unknown, name: string): DType {
  const type = arrayType(entries)
  if (type === 'Float32Array') return 'f32'
  if (type === 'Float64Array') return 'f64'
  return refuse(name, 'Float32Array, Float64Array or Vector', entries, 'ERR_DTYPE')
}
