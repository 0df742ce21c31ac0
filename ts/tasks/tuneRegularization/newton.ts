import { read } from '../../backend/backend.ts'
import type { Batch, Point, Vector } from '../../backend/binding.ts'
import * as defaults from '../../defaults.ts'
import type { Problem } from '../../problems/problem.ts'
import { conjugate } from './conjugate.ts'
import { Kernels } from './kernels.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { dot, type InnerSolver, largestChange, plus } from './solver.ts'

const { tolerance, steps, products } = defaults.tuneRegularization.inner
/** Relative residual of the direction of the hypergradient. */
const enough = 1e-7
/** Conjugate gradients that take more steps than this make a new preconditioner worth its cost. */
const many = 20

/**
 * Logistic and softmax regression: coordinate descent on a quadratic model of the loss per output (Friedman, Hastie &
 * Tibshirani 2010) until the coefficients next to 0 are known, then Newton steps by preconditioned conjugate gradients. A
 * line search keeps the objective from rising.
 */
export class Newton implements InnerSolver {
  readonly #problem: Problem
  readonly #kernels: Kernels
  readonly #all: Batch
  readonly #gradient: Vector
  readonly #outputs: number
  /** Xᵀ / √n with a row of ones for the intercept. */
  readonly #design: Vector
  readonly #inputs: number
  readonly #probabilities: (theta: Vector) => ArrayLike<number>
  /** The preconditioner of a penalty, which serves as long as it does well. */
  #made: { penalty: PenaltyTerm; apply: (r: Float64Array) => Float64Array } | undefined

  /**
   * `problem` has the losses of the fold's training rows, and no penalty; `features` are these rows, n × d, row-major, and
   * `probabilities` says what the model predicts of them, n × C.
   */
  constructor(problem: Problem, features: Float64Array, probabilities: (theta: Vector) => ArrayLike<number>) {
    const { oracles, backend } = problem
    this.#problem = problem
    this.#kernels = new Kernels(backend)
    this.#all = backend.Batch.all(oracles.samples)
    this.#gradient = problem.zeros(oracles.innerLength)
    this.#probabilities = probabilities
    const n = oracles.samples
    const inputs = features.length / n + 1
    this.#outputs = oracles.innerLength / inputs
    const transposed = new Float64Array(inputs * n).fill(1 / Math.sqrt(n))
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < inputs - 1; j++)
        transposed[j * n + i] = features[i * (inputs - 1) + j] / Math.sqrt(n)
    }
    this.#design = this.#kernels.vector(transposed)
    this.#inputs = inputs
  }

  async minimize(theta: Float64Array, penalty: PenaltyTerm, rough = false): Promise<number> {
    const point = this.#at(theta)
    let { value, gradient, slope } = this.#evaluate(point, theta, penalty)
    const least = (rough ? 1e-2 : tolerance) * Math.max(1e-3, Math.min(1, Math.sqrt(dot(gradient, gradient))))
    let settled = penalty.power === 2
    for (let step = 0; step < steps; step++) {
      const left = Math.sqrt(dot(gradient, gradient))
      if (left <= least) return step
      const newton = settled ? await this.#newton(point, theta, penalty, gradient) : undefined
      const direction = newton ?? plus(this.#descended(point, theta, penalty, slope), -1, theta)
      let moved = 0
      for (let t = 1; t > 1e-3 && moved === 0; t /= 2) {
        const next = plus(theta, t, direction)
        const at = this.#evaluate(this.#write(point, next), next, penalty)
        if (at.value <= value + 1e-14 * Math.abs(value)) {
          moved = largestChange(theta, next)
          theta.set(next)
          ;({ value, gradient, slope } = at)
        }
      }
      if (moved === 0) this.#write(point, theta)
      if (moved === 0 && (newton || rough)) return step
      if (rough && moved < 1e-2) return step
      // Newton steps pay once the coefficients next to 0 are known, and coordinate descent where they fail.
      settled = penalty.power === 2 || moved < 1e-2
    }
    return steps
  }

  /** The Newton step; nothing where a direction of negative curvature is met. */
  async #newton(point: Point, theta: Float64Array, penalty: PenaltyTerm, gradient: Float64Array) {
    const accuracy = Math.min(0.1, Math.sqrt(dot(gradient, gradient)))
    const step = await this.#conjugate(point, penalty, penalty.second(theta), gradient, accuracy)
    return step?.map((x) => -x)
  }

  /** The least of the penalty and a quadratic model of the loss, which leaves out what outputs have in common. */
  #descended(point: Point, theta: Float64Array, penalty: PenaltyTerm, slope: Float64Array): Float64Array {
    const outputs = this.#outputs
    const inputs = theta.length / outputs
    const p = this.#probabilities(point.inner)
    const out = new Float64Array(theta.length)
    const column = (x: Float64Array, c: number) =>
      Float64Array.from({ length: inputs }, (_, j) => x[j * outputs + c])
    for (let c = 0; c < outputs; c++) {
      const h = this.#kernels.vector(this.#curvature(p, c))
      const rest = column(slope, c).map((x) => -x)
      const part = penalty.part(column(penalty.strengths, c))
      const [own] = this.#kernels.descend(h, true, column(theta, c), rest, part, 1e-4)
      h.dispose()
      for (let j = 0; j < inputs; j++) out[j * outputs + c] = own[j]
    }
    return out
  }

  /** The Hessian of one output's part of the mean loss, inputs × inputs: Σ p(1 − p) x xᵀ / n. */
  #curvature(p: ArrayLike<number>, output: number): Float64Array {
    const n = this.#problem.oracles.samples
    const classes = p.length / n
    const weights = Float64Array.from({ length: n }, (_, i) => {
      const own = p[i * classes + (this.#outputs === 1 ? 1 : output)]
      return own * (1 - own) + 1e-8
    })
    return this.#kernels.weightedGram(this.#design, weights, new Float64Array(this.#inputs ** 2))
  }

  async direction(theta: Float64Array, penalty: PenaltyTerm, b: Float64Array) {
    const point = this.#at(theta)
    const exact = await this.#conjugate(point, penalty, penalty.second(theta), b, enough)
    if (exact) return { u: exact, indefinite: false }
    const near = await this.#conjugate(point, penalty, penalty.majorizer(theta), b, enough)
    return { u: near ?? b, indefinite: true }
  }

  #at(theta: Float64Array): Point {
    return this.#problem.start(0, { inner: theta })
  }

  #write(point: Point, theta: Float64Array): Point {
    point.inner.writeF64(theta)
    return point
  }

  #evaluate(point: Point, theta: Float64Array, penalty: PenaltyTerm) {
    const value = this.#problem.oracles.innerGradient(point, this.#all, this.#gradient)
    const weights = penalty.majorizer(theta)
    const slope = Float64Array.from(read(this.#gradient))
    return {
      value: value + penalty.value(theta),
      gradient: slope.map((g, j) => g + weights[j] * theta[j]),
      slope,
    }
  }

  /** (∇² loss + D)⁻¹ b to a relative residual; nothing where the curvature along a direction is not positive. */
  async #conjugate(point: Point, penalty: PenaltyTerm, d: Float64Array, b: Float64Array, accuracy: number) {
    if (this.#made?.penalty !== penalty)
      this.#made = { penalty, apply: this.#preconditioner(point, d, penalty.power === 2) }
    const { backend } = this.#problem
    const [own, image] = [b.slice(), b.slice()]
    const times = (x: Vector, product: Vector) => {
      this.#problem.oracles.curvatureProduct(point, this.#all, x, product)
      x.readIntoF64(own)
      product.readIntoF64(image)
      for (let j = 0; j < own.length; j++) image[j] += d[j] * own[j]
      product.writeF64(image)
    }
    const system = { backend, times, precondition: this.#made.apply, accuracy, steps: products }
    const solved = await conjugate(system, b)
    if (!solved.x || solved.products > many) this.#made = undefined
    return solved.x
  }

  /**
   * Per output the inverse of its part of the Hessian. What outputs have in common changes no probability: where they are
   * `alike` in D, its curvature is D alone.
   */
  #preconditioner(point: Point, d: Float64Array, alike: boolean): (r: Float64Array) => Float64Array {
    const [outputs, inputs] = [this.#outputs, this.#inputs]
    const p = this.#probabilities(point.inner)
    const inverses = Array.from({ length: outputs }, (_, c) => {
      const a = this.#curvature(p, c)
      for (let j = 0; j < inputs; j++) a[j * inputs + j] += Math.max(0, d[j * outputs + c]) + 1e-8
      return this.#kernels.choleskyInverse(a, inputs)
    })
    const apart = alike && outputs > 1
    /** x ← x without what outputs have in common, which is returned, a number per input. */
    const part = (x: Float64Array) => {
      const common = new Float64Array(inputs)
      for (let k = 0; k < x.length; k++) common[Math.floor(k / outputs)] += x[k] / outputs
      for (let k = 0; k < x.length; k++) x[k] -= common[Math.floor(k / outputs)]
      return common
    }
    return (r) => {
      const own = r.slice()
      const common = apart ? part(own) : undefined
      const out = new Float64Array(r.length)
      for (const [c, inverse] of inverses.entries()) {
        for (let j = 0; j < inputs; j++) {
          let sum = 0
          for (let k = 0; k < inputs; k++) sum += inverse[j * inputs + k] * own[k * outputs + c]
          out[j * outputs + c] = sum
        }
      }
      if (common) {
        part(out)
        for (let k = 0; k < out.length; k++) out[k] += common[Math.floor(k / outputs)] / (d[k] + 1e-8)
      }
      return out
    }
  }
}
