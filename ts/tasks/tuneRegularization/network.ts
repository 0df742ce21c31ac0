import { read } from '../../backend/backend.ts'
import type { Batch, Vector } from '../../backend/binding.ts'
import * as defaults from '../../defaults.ts'
import type { Problem } from '../../problems/problem.ts'
import { conjugate } from './conjugate.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { dot, type InnerSolver, plus } from './solver.ts'

const { steps, gain, damping, products, residual } = defaults.tuneRegularization.network

/**
 * A perceptron under a ridge penalty: damped Gauss–Newton steps by conjugate gradients (Martens 2010), whose damping
 * follows how well a step did. The Gauss–Newton matrix is its curvature, since the Hessian may be indefinite.
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
      const direction =
        (await this.#solve(theta, penalty, gradient, residual.step, products.step, mu)) ?? gradient
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
    const u = await this.#solve(theta, penalty, b, residual.direction, products.direction)
    return { u: u ?? b, indefinite: u === undefined }
  }

  #evaluate(theta: Float64Array, penalty: PenaltyTerm) {
    const point = this.#problem.start(0, { inner: theta })
    const value = this.#problem.oracles.innerGradient(point, this.#all, this.#gradient)
    const gradient = Float64Array.from(read(this.#gradient), (g, j) => g + penalty.strengths[j] * theta[j])
    return { value: value + penalty.value(theta), gradient }
  }

  /** (C + D + mu)⁻¹ b, where C is the curvature at θ and D that of the penalty. */
  async #solve(
    theta: Float64Array,
    { strengths }: PenaltyTerm,
    b: Float64Array,
    accuracy: number,
    steps: number,
    mu = 0,
  ): Promise<Float64Array | undefined> {
    const point = this.#problem.start(0, { inner: theta })
    const [x, image] = [b.slice(), b.slice()]
    const times = (u: Vector, product: Vector) => {
      this.#problem.oracles.curvatureProduct(point, this.#all, u, product)
      u.readIntoF64(x)
      product.readIntoF64(image)
      for (let j = 0; j < x.length; j++) image[j] += (strengths[j] + mu) * x[j]
      product.writeF64(image)
    }
    const { backend } = this.#problem
    return (await conjugate({ backend, times, precondition: (r) => r, accuracy, steps }, b)).x
  }
}
