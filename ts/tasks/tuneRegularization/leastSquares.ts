import type { Backend } from '../../backend/backend.ts'
import * as defaults from '../../defaults.ts'
import { Kernels } from './kernels.ts'
import { NormalEquations } from './normalEquations.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { dot, type InnerSolver, largestChange, plus } from './solver.ts'

const { steps } = defaults.tuneRegularization.inner
/** A sweep that changes no coefficient by more than this share of the largest ends coordinate descent. */
const settled = 3e-3
/** A Newton step that changes no coefficient by more than this share is the last: the next one would change its square. */
const last = 1e-4

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

  /** `features` n × d and `targets` n × outputs, row-major. */
  constructor(backend: Backend, features: Float64Array, targets: Float64Array, n: number, outputs: number) {
    const d = features.length / n
    ;[this.#d, this.#outputs] = [d, outputs]
    this.#means = columnMeans(features, n)
    this.#targetMeans = columnMeans(targets, n)
    const root = Math.sqrt(n)
    const centred = features.map((x, i) => (x - this.#means[i % d]) / root)
    this.#equations = new NormalEquations(new Kernels(backend), centred, n)
    this.#y = Array.from({ length: outputs }, (_, c) =>
      Float64Array.from({ length: n }, (_, i) => (targets[i * outputs + c] - this.#targetMeans[c]) / root),
    )
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
      let solution = this.#equations.solve(part.second(column), right)
      if (!solution) {
        indefinite = true
        solution = this.#equations.solve(part.majorizer(column), right) as Float64Array
      }
      this.#place(u, c, solution, last - dot(this.#means, solution))
    }
    return { u, indefinite }
  }

  /** Coordinate descent until it moves little, then Newton steps; where one fails, coordinate descent goes on. */
  #minimize(theta: Float64Array, penalty: PenaltyTerm, y: Float64Array, rough: boolean): number {
    const equations = this.#equations
    let residual = equations.residual(theta, y)
    let newtonPays = penalty.power === 2
    for (let step = 0; step < steps; step++) {
      if (!newtonPays)
        residual = equations.descend(theta, residual, penalty, rough ? 3 * settled : settled, y)
      if (penalty.power < 2 && rough) return step + 1
      const isNear = newtonPays
      newtonPays = penalty.power === 2
      const slope = equations.transposed(residual)
      const weights = penalty.majorizer(theta)
      const gradient = theta.map((x, j) => weights[j] * x - slope[j])
      const second = penalty.second(theta)
      const newton = equations.solve(isNear ? second : rounded(second), gradient)
      if (!newton) continue
      const next = plus(theta, -1, newton)
      const at = equations.residual(next, y)
      const before = 0.5 * dot(residual, residual) + penalty.value(theta)
      if (!(0.5 * dot(at, at) + penalty.value(next) <= before * (1 + 1e-14))) continue
      const change = largestChange(theta, next)
      theta.set(next)
      residual = at
      if (change < last || newtonPays) return step + 1
      newtonPays = change < settled
    }
    return steps
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
