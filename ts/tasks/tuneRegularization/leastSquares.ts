import type { Backend } from '../../backend/backend.ts'
import * as defaults from '../../defaults.ts'
import { Kernels } from './kernels.ts'
import { NormalEquations } from './normalEquations.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { dot, type InnerSolver, largestChange, plus } from './solver.ts'

const { steps } = defaults.tuneRegularization.inner
/** A sweep that changes no coefficient by more than this share of the largest is the last. */
const settled = 3e-6
/** The same of a rough solution, and of coordinate descent before the first Newton step. */
const [loose, near] = [2e-3, 5e-3]
/** Sweeps where no Newton step lowers the objective. */
const alone = 10

/**
 * Penalised least squares of some outputs with a free intercept: (1/2n) Σ ‖z_i − y_i‖² + R(θ), by coordinate descent
 * with a majorizer of R, and Newton steps where they lower the objective. Each output is a system of its own.
 */
export class LeastSquares implements InnerSolver {
  readonly #d: number
  readonly #outputs: number
  /** Of the centred features over √n. */
  readonly #equations: NormalEquations
  /** Y over √n, centred, an output after the other. */
  readonly #y: Float64Array[]
  readonly #means: Float64Array
  readonly #targetMeans: Float64Array

  /**
   * `features` n × d and `targets` n × outputs, row-major; `products` are those of all rows of the features with each
   * other, n × n, where they are known.
   */
  constructor(
    backend: Backend,
    features: Float64Array,
    targets: Float64Array,
    n: number,
    outputs: number,
    products?: Float64Array,
  ) {
    const d = features.length / n
    ;[this.#d, this.#outputs] = [d, outputs]
    this.#means = columnMeans(features, n)
    this.#targetMeans = columnMeans(targets, n)
    const root = Math.sqrt(n)
    const columns = new Float64Array(features.length)
    // Some rows at a time, which fill whole lines of the cache.
    for (let first = 0; first < n; first += 8) {
      const end = Math.min(n, first + 8)
      for (let j = 0; j < d; j++) {
        const mean = this.#means[j]
        for (let i = first; i < end; i++) columns[j * n + i] = (features[i * d + j] - mean) / root
      }
    }
    this.#equations = new NormalEquations(new Kernels(backend), columns, n, products && centred(products, n))
    this.#y = Array.from({ length: outputs }, (_, c) =>
      Float64Array.from({ length: n }, (_, i) => (targets[i * outputs + c] - this.#targetMeans[c]) / root),
    )
  }

  async minimize(theta: Float64Array, penalty: PenaltyTerm, rough = false): Promise<number> {
    let most = 0
    for (let c = 0; c < this.#outputs; c++) {
      const column = this.#column(theta, c)
      most = Math.max(most, await this.#minimize(column, this.#part(penalty, c), this.#y[c], rough))
      this.#place(theta, c, column, this.#targetMeans[c] - dot(this.#means, column))
    }
    return most
  }

  async direction(theta: Float64Array, penalty: PenaltyTerm, b: Float64Array) {
    const u = new Float64Array(b.length)
    let indefinite = false
    for (let c = 0; c < this.#outputs; c++) {
      // The intercept is eliminated: its row of H holds the means of the features.
      const own = this.#column(b, c)
      const last = b[this.#d * this.#outputs + c]
      const [column, part] = [this.#column(theta, c), this.#part(penalty, c)]
      const right = plus(own, -last, this.#means)
      let solution = await this.#equations.solve(part.second(column), right)
      if (!solution) {
        indefinite = true
        solution = (await this.#equations.solve(part.majorizer(column), right)) as Float64Array
      }
      this.#place(u, c, solution, last - dot(this.#means, solution))
    }
    return { u, indefinite }
  }

  /**
   * Coordinate descent until it moves little. Newton steps of the coefficients that are not next to 0 then take turns with
   * sweeps over all.
   */
  async #minimize(
    theta: Float64Array,
    penalty: PenaltyTerm,
    y: Float64Array,
    rough: boolean,
  ): Promise<number> {
    const equations = this.#equations
    if (penalty.power === 2) {
      const ridge =
        equations.ridge(penalty.strengths, y) ??
        (await equations.solve(penalty.strengths, equations.transposed(y)))
      if (ridge) theta.set(ridge)
      return 1
    }
    let residual = equations.residual(theta, y)
    residual = equations.descend(theta, residual, penalty, rough ? loose : near, y)
    if (rough) return 1
    for (let step = 1; ; step++) {
      const jumped = equations.newton(theta, residual, penalty)
      if (jumped) residual = jumped
      const before = theta.slice()
      residual = equations.descend(theta, residual, penalty, settled, y, jumped ? 1 : alone)
      if (step === steps || largestChange(before, theta) < settled) return step
    }
  }

  #part(penalty: PenaltyTerm, output: number): PenaltyTerm {
    return penalty.part(this.#column(penalty.strengths, output))
  }

  #column(x: Float64Array, output: number): Float64Array {
    if (this.#outputs === 1) return x.slice(0, this.#d)
    return Float64Array.from({ length: this.#d }, (_, j) => x[j * this.#outputs + output])
  }

  #place(x: Float64Array, output: number, column: Float64Array, last: number): void {
    for (let j = 0; j < this.#d; j++) x[j * this.#outputs + output] = column[j]
    x[this.#d * this.#outputs + output] = last
  }
}

/** XXᵀ/n of centred columns from XXᵀ. */
function centred(products: Float64Array, n: number): Float64Array {
  const means = columnMeans(products, n)
  const mean = columnMeans(means, n)[0]
  const out = new Float64Array(n * n)
  for (let i = 0, k = 0; i < n; i++) {
    for (let j = 0; j < n; j++, k++) out[k] = (products[k] - means[i] - means[j] + mean) / n
  }
  return out
}

function columnMeans(x: Float64Array, rows: number): Float64Array {
  const columns = x.length / rows
  const means = new Float64Array(columns)
  for (let i = 0, k = 0; i < rows; i++) for (let j = 0; j < columns; j++, k++) means[j] += x[k] / rows
  return means
}
