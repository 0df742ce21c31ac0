import type { Vector } from '../../backend/binding.ts'
import { NhgdError } from '../../backend/errors.ts'
import type { Kernels } from './kernels.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { dot, plus } from './solver.ts'

/**
 * B, n × d, and systems with BᵀB + D. They are solved with d × d entries, or with n × n where there are fewer samples, by
 * Woodbury's identity. Features whose weights are the largest, whose coefficients are next to 0, enter by BBᵀ, which is
 * computed once.
 */
export class NormalEquations {
  readonly #kernels: Kernels
  readonly #n: number
  readonly #d: number
  readonly #b: Float64Array
  /** B and Bᵀ. */
  readonly #held: Vector
  readonly #columns: Vector
  /** BBᵀ, or BᵀB where d ≤ n. */
  readonly #gram: Float64Array
  /** BᵀB where d ≤ n. */
  readonly #square: Vector | undefined

  constructor(kernels: Kernels, b: Float64Array, n: number) {
    const d = b.length / n
    this.#kernels = kernels
    ;[this.#n, this.#d, this.#b] = [n, d, b]
    this.#held = kernels.vector(b)
    const columns = transposed(b, n)
    this.#columns = kernels.vector(columns)
    this.#gram = d > n ? kernels.syrk(b, n) : kernels.syrk(columns, d)
    this.#square = d > n ? undefined : kernels.vector(this.#gram)
  }

  /** y − Bθ. */
  residual(theta: Float64Array, y: Float64Array): Float64Array {
    return plus(y, -1, this.#kernels.product(this.#held, theta))
  }

  /** Bᵀ x. */
  transposed(x: Float64Array): Float64Array {
    return this.#kernels.transposed(this.#held, x)
  }

  /** Coordinate descent on ½‖y − Bθ‖² + R(θ) until no coefficient changes much; changes θ and returns y − Bθ. */
  descend(
    theta: Float64Array,
    residual: Float64Array,
    penalty: PenaltyTerm,
    settled: number,
    y: Float64Array,
  ): Float64Array {
    const gram = this.#square !== undefined
    const rest = gram ? this.transposed(residual) : residual
    const rows = this.#square ?? this.#columns
    const [found, left] = this.#kernels.descend(rows, gram, theta, rest, penalty, settled)
    theta.set(found)
    return gram ? this.residual(theta, y) : left
  }

  /** (BᵀB + D)⁻¹ r; nothing where the matrix is not positive definite. */
  solve(d: Float64Array, r: Float64Array): Float64Array | undefined {
    try {
      return this.#d > this.#n ? this.#dual(d, r) : this.#primal(d, r)
    } catch (error) {
      if (error instanceof NhgdError && error.code === 'ERR_NUMERIC') return undefined
      throw error
    }
  }

  #primal(diagonal: Float64Array, r: Float64Array): Float64Array {
    const d = this.#d
    const a = this.#gram.slice()
    for (let j = 0; j < d; j++) a[j * d + j] += diagonal[j] + 1e-12
    return this.#kernels.choleskySolve(a, d, r)
  }

  /**
   * Woodbury on the features P with large positive D, and a dense system for the rest S, whose D may be of either sign:
   * M = I + B_P D_P⁻¹ B_Pᵀ, K = D_S + B_Sᵀ M⁻¹ B_S.
   */
  #dual(diagonal: Float64Array, r: Float64Array): Float64Array {
    const [kernels, n, d] = [this.#kernels, this.#n, this.#d]
    const largest = diagonal.reduce((most, x) => Math.max(most, x), 0)
    // 1/D of all features is κ, that of the largest, and what some have beside it.
    const kappa = largest > 0 ? 1 / largest : 0
    const inverse = diagonal.map((x) => (x > 1e-6 * largest ? 1 / x : 0))
    const [dense, more]: number[][] = [[], []]
    for (let j = 0; j < d; j++) {
      if (inverse[j] === 0) dense.push(j)
      else if (inverse[j] > kappa * (1 + 1e-9)) more.push(j)
    }
    let m: Float64Array = this.#gram.map((x) => kappa * x)
    for (let i = 0; i < n; i++) m[i * n + i] += 1
    if (more.length > 0) m = kernels.syrk(this.#gather(more, (j) => Math.sqrt(inverse[j] - kappa)), n, m)
    if (dense.length > 0) m = kernels.syrk(this.#gather(dense, () => Math.sqrt(kappa)), n, m, -1)
    const scaled = r.map((x, j) => inverse[j] * x)
    const right = kernels.product(this.#held, scaled)
    if (dense.length === 0) {
      const back = this.transposed(kernels.choleskySolve(m, n, right))
      return scaled.map((x, j) => x - inverse[j] * back[j])
    }
    // M⁻¹ [B_S, B_P D_P⁻¹ r_P] by one factorisation.
    const s = dense.length
    const sides = this.#gather([...dense, -1], () => 1)
    for (let i = 0; i < n; i++) sides[i * (s + 1) + s] = right[i]
    const solved = kernels.choleskySolve(m, n, sides)
    const products = kernels.gemm(transposed(sides, n), solved, s + 1)
    const k = new Float64Array(s * s)
    const rest = new Float64Array(s)
    for (let a = 0; a < s; a++) {
      for (let c = 0; c < s; c++) k[a * s + c] = 0.5 * (products[a * (s + 1) + c] + products[c * (s + 1) + a])
      k[a * s + a] += diagonal[dense[a]]
      rest[a] = r[dense[a]] - products[a * (s + 1) + s]
    }
    const own = kernels.choleskySolve(k, s, rest)
    const z = Float64Array.from({ length: n }, (_, i) => {
      const row = solved.subarray(i * (s + 1), i * (s + 1) + s)
      return solved[i * (s + 1) + s] + dot(own, row)
    })
    const back = this.transposed(z)
    const u = scaled.map((x, j) => x - inverse[j] * back[j])
    for (const [a, j] of dense.entries()) u[j] = own[a]
    return u
  }

  /** Columns of B times factors, n × columns; zeros where a column is −1. */
  #gather(columns: readonly number[], factor: (j: number) => number): Float64Array {
    const [n, d, k] = [this.#n, this.#d, columns.length]
    const factors = Float64Array.from(columns, factor)
    const out = new Float64Array(n * k)
    for (let i = 0; i < n; i++) {
      for (let a = 0; a < k; a++)
        if (columns[a] >= 0) out[i * k + a] = this.#b[i * d + columns[a]] * factors[a]
    }
    return out
  }
}

function transposed(x: Float64Array, rows: number): Float64Array {
  const columns = x.length / rows
  const out = new Float64Array(x.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = x[i * columns + j]
  return out
}
