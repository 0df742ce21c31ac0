import { read } from '../../backend/backend.ts'
import type { Batch, Vector } from '../../backend/binding.ts'
import * as defaults from '../../defaults.ts'
import type { Problem } from '../../problems/problem.ts'
import { conjugate } from './conjugate.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { dot, type InnerSolver, plus } from './solver.ts'

const { steps, gain, damping, products, residual } = defaults.tuneRegularization.network
/** About the curvature of the losses, for columns of deviation 1. */
const typical = 0.03

/**
 * A perceptron: damped Gauss–Newton steps by conjugate gradients (Martens 2010), whose damping follows how well a step did.
 * The Gauss–Newton matrix is the curvature of its losses, since the Hessian may be indefinite, and a majorizer that of its
 * penalty in steps.
 */
export class Network implements InnerSolver {
  readonly #problem: Problem
  readonly #all: Batch
  readonly #gradient: Vector

  /** `problem` has the losses of the fold's training rows, and no penalty. */
  constructor(problem: Problem) {
    this.#problem = problem
    this.#all = problem.backend.Batch.all(problem.oracles.samples)
    this.#gradient = problem.zeros(problem.oracles.innerLength)
  }

  async minimize(theta: Float64Array, penalty: PenaltyTerm, rough = false): Promise<number> {
    let { value, gradient } = this.#evaluate(theta, penalty)
    const least = (rough ? 10 : 1) * gain
    let [mu, small]: number[] = [damping, 0]
    for (let step = 0; step < steps; step++) {
      const d = penalty.majorizer(theta).map((x) => x + mu)
      const direction = (await this.#solve(theta, d, gradient, residual.step, products.step)) ?? gradient
      const slope = dot(direction, gradient)
      const next = plus(theta, -1, direction)
      const at = this.#evaluate(next, penalty)
      if (at.value <= value - 1e-4 * slope) {
        small = value - at.value <= least * Math.abs(value) ? small + 1 : 0
        theta.set(next)
        ;({ value, gradient } = at)
        mu = Math.max(mu / 3, 1e-8)
        if (small === 2) return step + 1
      } else if (mu > 1e4) return step + 1
      else mu *= 8
    }
    return steps
  }

  async direction(theta: Float64Array, penalty: PenaltyTerm, b: Float64Array) {
    const solved = (d: Float64Array) => this.#solve(theta, d, b, residual.direction, products.direction)
    const u = await solved(penalty.second(theta))
    if (u) return { u, indefinite: false }
    return {
      u: (penalty.power === 2 ? undefined : await solved(penalty.majorizer(theta))) ?? b,
      indefinite: true,
    }
  }

  #evaluate(theta: Float64Array, penalty: PenaltyTerm) {
    const point = this.#problem.start(0, { inner: theta })
    const value = this.#problem.oracles.innerGradient(point, this.#all, this.#gradient)
    const weights = penalty.majorizer(theta)
    const gradient = Float64Array.from(read(this.#gradient), (g, j) => g + weights[j] * theta[j])
    return { value: value + penalty.value(theta), gradient }
  }

  /** (C + D)⁻¹ b, where C is the curvature of the losses at θ. */
  async #solve(
    theta: Float64Array,
    d: Float64Array,
    b: Float64Array,
    accuracy: number,
    steps: number,
  ): Promise<Float64Array | undefined> {
    const point = this.#problem.start(0, { inner: theta })
    const [x, image] = [b.slice(), b.slice()]
    const times = (u: Vector, product: Vector) => {
      this.#problem.oracles.curvatureProduct(point, this.#all, u, product)
      u.readIntoF64(x)
      product.readIntoF64(image)
      for (let j = 0; j < x.length; j++) image[j] += d[j] * x[j]
      product.writeF64(image)
    }
    const { backend } = this.#problem
    const precondition = this.#preconditioner(d)
    return (await conjugate({ backend, times, precondition, accuracy, steps }, b)).x
  }

  /** D is large next to 0 under exponents below 2, which is what parts the eigenvalues there. */
  #preconditioner(d: Float64Array): (r: Float64Array) => Float64Array {
    const isLarge = d.some((x) => x > 1)
    return (r) => (isLarge ? r.map((x, j) => x / Math.max(d[j], typical)) : r)
  }
}
