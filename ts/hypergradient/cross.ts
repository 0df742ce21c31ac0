import type { Batch, Point, Sampler, Step, Vector } from '../backend/binding.ts'
import type { AnyProblem } from '../problems/problem.ts'

/** Which samples estimate L: those of the inner trajectory, a number of samples at its end, or all samples at its end. */
export type CrossSettings = 'trajectory' | 'all' | { readonly samples: number }

/** The cross derivative L of one outer iteration (arXiv 2602.10905, section 3). */
export class Cross {
  readonly #problem: AnyProblem
  readonly #settings: CrossSettings
  readonly #sampler: Sampler
  readonly #trajectory: Step[] = []

  constructor(problem: AnyProblem, settings: CrossSettings, sampler: Sampler) {
    this.#problem = problem
    this.#settings = settings
    this.#sampler = sampler
  }

  /** How many steps of the inner loop have to be kept at a time. */
  static slots(settings: CrossSettings, innerSteps: number): number {
    return settings === 'trajectory' ? innerSteps : 1
  }

  /** Takes a step of the inner trajectory into L. */
  observe(step: Step): void {
    if (this.#settings === 'trajectory') this.#trajectory.push(step)
  }

  /** direct ← direct − Lᵀu, L estimated at `point` where the trajectory isn't used. */
  async subtract(direct: Vector, u: Vector, point: Point): Promise<Vector> {
    const { oracles } = this.#problem
    const steps = this.#trajectory
    for (const { inner, batch } of steps) {
      await oracles.crossProduct(point.at(inner), batch, u, -1 / steps.length, direct)
    }
    if (steps.length === 0) await oracles.crossProduct(point, this.#end(), u, -1, direct)
    return direct
  }

  #end(): Batch {
    const settings = this.#settings
    if (typeof settings === 'object') return this.#sampler.take(settings.samples)
    return this.#problem.backend.Batch.all(this.#problem.oracles.samples)
  }
}
