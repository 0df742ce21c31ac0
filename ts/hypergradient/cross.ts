import type { Batch, Point, Sampler, Step, Vector } from '../backend/binding.ts'
import type { Problem } from '../problems/problem.ts'

/** Which samples estimate L: the inner trajectory's, so many at its end, or all at its end. */
export type CrossSettings = 'trajectory' | 'all' | { readonly samples: number }

/** The cross derivative's product, subtracted: hypergradient ← ∇_v f − Lᵀ direction (arXiv 2602.10905, section 3). */
export class Cross {
  readonly #problem: Problem
  readonly #settings: CrossSettings
  readonly #sampler: Sampler
  #trajectory: Step[] = []

  constructor(problem: Problem, settings: CrossSettings, sampler: Sampler) {
    this.#problem = problem
    this.#settings = settings
    this.#sampler = sampler
  }

  /** Keeps a step of the inner trajectory until the next product. */
  observe(step: Step): void {
    if (this.#settings === 'trajectory') this.#trajectory.push(step)
  }

  /** direct ← direct − Lᵀ direction, L estimated at `point` where the trajectory isn't used. */
  hypergradient(direct: Vector, direction: Vector, point: Point): Vector {
    const { oracles } = this.#problem
    const steps = this.#trajectory
    for (const { inner, batch } of steps) {
      oracles.crossProduct(point.at(inner), batch, direction, -1 / steps.length, direct)
    }
    if (steps.length === 0) oracles.crossProduct(point, this.#end(), direction, -1, direct)
    this.#trajectory = []
    return direct
  }

  #end(): Batch {
    const settings = this.#settings
    if (typeof settings === 'object') return this.#sampler.take(settings.samples)
    return this.#problem.backend.Batch.all(this.#problem.oracles.samples)
  }
}
