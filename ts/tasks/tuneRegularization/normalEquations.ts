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
  /** Bᵀ. */
  readonly #columns: Float64Array
  /** B and Bᵀ. */
  readonly #held: Vector
  readonly #turned: Vector
  /** BBᵀ, or BᵀB where d ≤ n. */
  readonly #gram: Vector
  /** In the size of BBᵀ. */
  readonly #identity: Vector | undefined

  constructor(kernels: Kernels, b: Float64Array, n: number) {
    const d = b.length / n
    this.#kernels = kernels
    ;[this.#n, this.#d] = [n, d]
    this.#columns = transposed(b, n)
    this.#held = kernels.vector(b)
    this.#turned = kernels.vector(this.#columns)
    const [least, rows] = d > n ? [n, this.#held] : [d, this.#turned]
    const ones = new Float64Array(Math.max(n, d)).fill(1)
    this.#gram = kernels.vector(kernels.weightedGram(rows, ones, new Float64Array(least * least)))
    if (d > n) this.#identity = kernels.vector(diagonalMatrix(ones.subarray(0, n)))
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
    const gram = this.#d <= this.#n
    const rest = gram ? this.transposed(residual) : residual
    const rows = gram ? this.#gram : this.#turned
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
    const e = this.#kernels.vector(diagonalMatrix(diagonal.map((x) => x + 1e-12)))
    try {
      return this.#kernels.solveWith(this.#gram, 1, e, r)
    } finally {
      e.dispose()
    }
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
    const [inverse, beside] = [new Float64Array(d), new Float64Array(d)]
    const dense: number[] = []
    for (let j = 0; j < d; j++) {
      if (diagonal[j] > 1e-6 * largest) inverse[j] = 1 / diagonal[j]
      else dense.push(j)
      const more = inverse[j] - kappa
      beside[j] = Math.abs(more) > 1e-9 * kappa ? more : 0
    }
    const solve = (sides: Float64Array) =>
      kernels.solveWith(this.#gram, kappa, this.#identity as Vector, sides, this.#held, beside)
    const scaled = r.map((x, j) => inverse[j] * x)
    const right = kernels.product(this.#held, scaled)
    if (dense.length === 0) {
      const back = this.transposed(solve(right))
      return scaled.map((x, j) => x - inverse[j] * back[j])
    }
    // M⁻¹ [B_S, B_P D_P⁻¹ r_P] by one factorisation.
    const s = dense.length
    const sides = new Float64Array((s + 1) * n)
    for (const [a, j] of dense.entries()) sides.set(this.#columns.subarray(j * n, (j + 1) * n), a * n)
    sides.set(right, s * n)
    const solved = solve(transposed(sides, s + 1))
    const products = kernels.gemm(sides, solved, s + 1)
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
}

function diagonalMatrix(x: Float64Array): Float64Array {
  const out = new Float64Array(x.length ** 2)
  for (let j = 0; j < x.length; j++) out[j * (x.length + 1)] = x[j]
  return out
}

function transposed(x: Float64Array, rows: number): Float64Array {
  const columns = x.length / rows
  const out = new Float64Array(x.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = x[i * columns + j]
  return out
}
