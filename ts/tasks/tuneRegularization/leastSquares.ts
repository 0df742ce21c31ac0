import type { Backend } from '../../backend/backend.ts'
import type { Vector } from '../../backend/binding.ts'
import { NhgdError } from '../../backend/errors.ts'
import * as defaults from '../../defaults.ts'
import { descend } from './coordinateDescent.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { dot, type InnerSolver, largestChange, plus } from './solver.ts'

const { tolerance, steps } = defaults.tuneRegularization.inner
/** A sweep that changes no coefficient by more than this share of the largest ends coordinate descent. */
const settled = 3e-3
const sweeps = 100

/**
 * Penalised least squares of some outputs with a free intercept: (1/2n) Σ ‖z_i − y_i‖² + R(θ), by coordinate descent
 * with a majorizer of R, and Newton steps where they lower the objective.
 *
 * Each output is a system of its own. It is solved with d × d entries, or with n × n where there are fewer samples:
 * (BᵀB + D)⁻¹ by Woodbury's identity, with B the centred features over √n. Features whose weights are the largest, whose
 * coefficients are next to 0, enter by BBᵀ, which is computed once.
 */
export class LeastSquares implements InnerSolver {
  readonly #backend: Backend
  readonly #n: number
  readonly #d: number
  readonly #outputs: number
  /** B, n × d, and Y over √n, centred, an output after the other. */
  readonly #b: Float64Array
  readonly #held: Vector
  readonly #y: Float64Array[]
  readonly #means: Float64Array
  readonly #targetMeans: Float64Array
  /** Bᵀ, and the squared norms of its rows. */
  readonly #columns: Float64Array
  readonly #squares: Float64Array
  /** BBᵀ, or BᵀB where d ≤ n. */
  readonly #gram: Float64Array

  /** `features` n × d and `targets` n × outputs, row-major. */
  constructor(backend: Backend, features: Float64Array, targets: Float64Array, n: number, outputs: number) {
    const d = features.length / n
    this.#backend = backend
    ;[this.#n, this.#d, this.#outputs] = [n, d, outputs]
    this.#means = columnMeans(features, n)
    this.#targetMeans = columnMeans(targets, n)
    const root = Math.sqrt(n)
    this.#b = features.map((x, i) => (x - this.#means[i % d]) / root)
    this.#y = Array.from({ length: outputs }, (_, c) =>
      Float64Array.from({ length: n }, (_, i) => (targets[i * outputs + c] - this.#targetMeans[c]) / root),
    )
    this.#held = this.#vector(this.#b)
    this.#columns = transposed(this.#b, n)
    this.#squares = Float64Array.from({ length: d }, (_, j) => {
      const column = this.#columns.subarray(j * n, (j + 1) * n)
      return dot(column, column)
    })
    this.#gram = d > n ? this.#syrk(this.#b, n, d) : this.#syrk(this.#columns, d, n)
  }

  minimize(theta: Float64Array, penalty: PenaltyTerm, rough = false): number {
    let most = 0
    for (let c = 0; c < this.#outputs; c++) {
      const column = this.#column(theta, c)
      most = Math.max(most, this.#minimize(column, this.#part(penalty, c), this.#y[c], rough))
      this.#place(theta, c, column, this.#targetMeans[c] - dot(this.#means, column))
    }
    return most
  }

  direction(theta: Float64Array, penalty: PenaltyTerm, b: Float64Array) {
    const u = new Float64Array(b.length)
    let indefinite = false
    for (let c = 0; c < this.#outputs; c++) {
      // The intercept is eliminated: its row of H holds the means of the features.
      const own = this.#column(b, c)
      const last = b[this.#d * this.#outputs + c]
      const [column, part] = [this.#column(theta, c), this.#part(penalty, c)]
      const right = plus(own, -last, this.#means)
      let solution = this.#solve(part.second(column), right)
      if (!solution) {
        indefinite = true
        solution = this.#solve(part.majorizer(column), right) as Float64Array
      }
      this.#place(u, c, solution, last - dot(this.#means, solution))
    }
    return { u, indefinite }
  }

  /** Coordinate descent until it moves little, then Newton steps; where one fails, coordinate descent goes on. */
  #minimize(theta: Float64Array, penalty: PenaltyTerm, y: Float64Array, rough: boolean): number {
    let residual = this.#residual(theta, y)
    let newtonPays = penalty.power === 2
    for (let step = 0; step < steps; step++) {
      if (!newtonPays) residual = this.#descend(theta, penalty, residual, rough ? 3 * settled : settled, y)
      if (penalty.power < 2 && rough) return step + 1
      newtonPays = penalty.power === 2
      const slope = this.#transposed(residual)
      const weights = penalty.majorizer(theta)
      const gradient = theta.map((x, j) => weights[j] * x - slope[j])
      const second = penalty.second(theta)
      const newton = this.#solve(penalty.power === 2 ? second : rounded(second), gradient)
      if (!newton) continue
      const next = plus(theta, -1, newton)
      const at = this.#residual(next, y)
      const before = 0.5 * dot(residual, residual) + penalty.value(theta)
      if (!(0.5 * dot(at, at) + penalty.value(next) <= before * (1 + 1e-14))) continue
      const change = largestChange(theta, next)
      theta.set(next)
      residual = at
      if (change < tolerance || newtonPays) return step + 1
      newtonPays = change < settled
    }
    return steps
  }

  /**
   * Coordinate descent, each time by the quadratic that touches the penalty from above: sweeps over all features, and
   * between them over those that still move.
   */
  #descend(
    theta: Float64Array,
    penalty: PenaltyTerm,
    residual: Float64Array,
    settled: number,
    y: Float64Array,
  ) {
    if (this.#d <= this.#n) {
      const slope = this.#transposed(residual).map((x) => -x)
      descend(this.#gram, slope, theta, penalty, settled)
      return this.#residual(theta, y)
    }
    const [n, columns, squares] = [this.#n, this.#columns, this.#squares]
    const all = Uint32Array.from(theta.keys())
    let moving = all
    for (let sweep = 0; sweep < sweeps; sweep++) {
      const whole = sweep % 8 === 0
      if (whole) moving = all
      let [largest, size] = [0, 1e-12]
      const left: number[] = []
      for (const j of moving) {
        const at = j * n
        const square = squares[j]
        let product = square * theta[j]
        for (let i = 0; i < n; i++) product += columns[at + i] * residual[i]
        const before = theta[j]
        const x = penalty.minimum(j, before, square, product)
        const change = x - before
        if (change !== 0) for (let i = 0; i < n; i++) residual[i] -= change * columns[at + i]
        theta[j] = x
        largest = Math.max(largest, Math.abs(change))
        size = Math.max(size, Math.abs(x))
        if (Math.abs(change) > 0.1 * settled * size) left.push(j)
      }
      if (largest < settled * size) {
        if (whole) return residual
        moving = all
        sweep += 7 - (sweep % 8)
      } else moving = Uint32Array.from(left)
    }
    return residual
  }

  /** (BᵀB + D)⁻¹ r; nothing where the matrix is not positive definite. */
  #solve(d: Float64Array, r: Float64Array): Float64Array | undefined {
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
    return this.#cholesky(a, d, r, 1)
  }

  /**
   * Woodbury on the features P with large positive D, and a dense system for the rest S, whose D may be of either sign:
   * M = I + B_P D_P⁻¹ B_Pᵀ, K = D_S + B_Sᵀ M⁻¹ B_S.
   */
  #dual(diagonal: Float64Array, r: Float64Array): Float64Array {
    const [n, d] = [this.#n, this.#d]
    const largest = diagonal.reduce((most, x) => Math.max(most, x), 0)
    const isDense = (j: number) => !(diagonal[j] > 1e-6 * largest)
    const dense: number[] = []
    for (let j = 0; j < d; j++) if (isDense(j)) dense.push(j)
    // 1/D of all features is κ, that of the largest, and what some have beside it.
    const kappa = largest > 0 ? 1 / largest : 0
    const more: number[] = []
    const less: number[] = []
    for (let j = 0; j < d; j++) {
      if (isDense(j)) less.push(j)
      else if (1 / diagonal[j] > kappa * (1 + 1e-9)) more.push(j)
    }
    let m: Float64Array = this.#gram.map((x) => kappa * x)
    for (let i = 0; i < n; i++) m[i * n + i] += 1
    if (more.length > 0)
      m = this.#syrk(
        this.#gather(more, (j) => Math.sqrt(1 / diagonal[j] - kappa)),
        n,
        more.length,
        m,
      )
    if (less.length > 0)
      m = this.#syrk(
        this.#gather(less, () => Math.sqrt(kappa)),
        n,
        less.length,
        m,
        -1,
      )
    const inverse = diagonal.map((x, j) => (isDense(j) ? 0 : 1 / x))
    const scaled = r.map((x, j) => inverse[j] * x)
    const right = this.#product(scaled)
    if (dense.length === 0) {
      const z = this.#cholesky(m, n, right, 1)
      const back = this.#transposed(z)
      return scaled.map((x, j) => x - inverse[j] * back[j])
    }
    // M⁻¹ [B_S, B_P D_P⁻¹ r_P] by one factorisation.
    const s = dense.length
    const sides = this.#gather([...dense, -1], () => 1)
    for (let i = 0; i < n; i++) sides[i * (s + 1) + s] = right[i]
    const solved = this.#cholesky(m, n, sides, s + 1)
    const products = this.#inner(sides, solved, n, s + 1)
    const k = new Float64Array(s * s)
    const rest = new Float64Array(s)
    for (let a = 0; a < s; a++) {
      for (let c = 0; c < s; c++) k[a * s + c] = 0.5 * (products[a * (s + 1) + c] + products[c * (s + 1) + a])
      k[a * s + a] += diagonal[dense[a]]
      rest[a] = r[dense[a]] - products[a * (s + 1) + s]
    }
    const own = this.#cholesky(k, s, rest, 1)
    const z = Float64Array.from({ length: n }, (_, i) => {
      let sum = solved[i * (s + 1) + s]
      for (let a = 0; a < s; a++) sum += solved[i * (s + 1) + a] * own[a]
      return sum
    })
    const back = this.#transposed(z)
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

  #residual(theta: Float64Array, y: Float64Array): Float64Array {
    return plus(y, -1, this.#product(theta))
  }

  /** B x. */
  #product(x: Float64Array): Float64Array {
    return this.#run(new Float64Array(this.#n), [x], (out, x) =>
      this.#backend.gemm(this.#n, 1, this.#d, 1, this.#held, x, 0, out),
    )
  }

  /** Bᵀ x. */
  #transposed(x: Float64Array): Float64Array {
    return this.#run(new Float64Array(this.#d), [x], (out, x) =>
      this.#backend.gemm(1, this.#d, this.#n, 1, x, this.#held, 0, out),
    )
  }

  /** Aᵀ C, both rows × columns. */
  #inner(a: Float64Array, c: Float64Array, rows: number, columns: number): Float64Array {
    return this.#run(new Float64Array(columns * columns), [transposed(a, rows), c], (out, a, c) =>
      this.#backend.gemm(columns, columns, rows, 1, a, c, 0, out),
    )
  }

  /** c + sign A Aᵀ. */
  #syrk(a: Float64Array, rows: number, columns: number, c?: Float64Array, sign = 1): Float64Array {
    return this.#run(c ?? new Float64Array(rows * rows), [a], (out, a) =>
      this.#backend.syrk(rows, columns, sign, a, 1, out),
    )
  }

  /** A⁻¹ B of as many sides. */
  #cholesky(a: Float64Array, size: number, b: Float64Array, sides: number): Float64Array {
    return this.#run(b, [a], (out, a) => this.#backend.choleskySolve(size, sides, a, out))
  }

  /** What a kernel makes of `out`; nothing stays in the backend. */
  #run(
    out: Float64Array,
    operands: readonly Float64Array[],
    kernel: (out: Vector, ...operands: Vector[]) => void,
  ): Float64Array {
    const [result, ...others] = [out, ...operands].map((x) => this.#vector(x))
    try {
      kernel(result, ...others)
      return result.readF64()
    } finally {
      for (const vector of [result, ...others]) vector.dispose()
    }
  }

  #vector(x: Float64Array): Vector {
    const vector = new this.#backend.Vector(x.length, 'f64')
    vector.writeF64(x)
    return vector
  }

  #part(penalty: PenaltyTerm, output: number): PenaltyTerm {
    return penalty.part(this.#column(penalty.strengths, output))
  }

  #column(x: Float64Array, output: number): Float64Array {
    return Float64Array.from({ length: this.#d }, (_, j) => x[j * this.#outputs + output])
  }

  #place(x: Float64Array, output: number, column: Float64Array, last: number): void {
    for (let j = 0; j < this.#d; j++) x[j * this.#outputs + output] = column[j]
    x[this.#d * this.#outputs + output] = last
  }
}

/**
 * Weights that are near the largest become it: coefficients next to 0 then enter by BBᵀ. A majorizer stays one.
 */
function rounded(weights: Float64Array): Float64Array {
  const largest = weights.reduce((most, x) => Math.max(most, x), 0)
  return weights.map((x) => (x > 0.4 * largest ? largest : x))
}

function columnMeans(x: Float64Array, rows: number): Float64Array {
  const columns = x.length / rows
  const means = new Float64Array(columns)
  for (let i = 0; i < x.length; i++) means[i % columns] += x[i] / rows
  return means
}

function transposed(x: Float64Array, rows: number): Float64Array {
  const columns = x.length / rows
  const out = new Float64Array(x.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = x[i * columns + j]
  return out
}
