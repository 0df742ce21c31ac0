import type { Batch, Point, Sampler, Step } from '../backend/binding.ts'
import type { Fisher } from '../backend/fisher.ts'
import type { AnyProblem } from '../problems/problem.ts'
import type { FisherState } from './direction.ts'
import type { TakeGradient } from './innerLoop.ts'
import { LevenbergMarquardt } from './levenbergMarquardt.ts'

/** Which samples of the inner steps a Fisher sees. */
export interface ObserveOptions {
  /**
   * The Fisher sees one step, the first, out of this many of the run, or of the outer iteration where it is reset there;
   * 1 shows it all steps.
   */
  readonly every?: number
  /** Samples that it sees of a step's batch, all where absent. A part of the batch costs a pass of its own. */
  readonly samples?: number
}

/**
 * Shows a Fisher the samples of the inner steps of one outer iteration. Levenberg–Marquardt inner steps need the inverse of
 * all their samples themselves, so they share it, and show it what they see.
 */
export class Observer {
  readonly #problem: AnyProblem
  readonly #fisher: Fisher
  readonly #solver: LevenbergMarquardt | undefined
  readonly #sampler: Sampler
  readonly #options: ObserveOptions
  readonly #room: Step
  readonly #before: number
  #seen: Step | undefined

  /** `before` steps were taken since the Fisher was new. */
  constructor(
    problem: AnyProblem,
    { fisher, sampler, optimizer, scratch: { sample } }: FisherState,
    options: ObserveOptions,
    before: number,
  ) {
    this.#problem = problem
    this.#fisher = fisher
    this.#solver = optimizer instanceof LevenbergMarquardt ? optimizer : undefined
    this.#solver?.share(fisher)
    this.#sampler = sampler
    this.#options = options
    this.#room = sample
    this.#before = before
  }

  /** Takes the gradient of an inner step, and in the same pass what the Fisher wants of the samples. */
  readonly takeGradient: TakeGradient = async (point, batch, step, t) => {
    const { oracles } = this.#problem
    const { every = 1, samples } = this.#options
    this.#seen = undefined
    if (this.#solver) return this.#solver.take(oracles, point, batch, step)
    if ((this.#before + t) % every !== 0) return oracles.innerStep(point, batch, step)
    if (samples === undefined || samples >= batch.length) {
      this.#seen = step
      return oracles.innerStepFor(point, batch, step, this.#fisher.handle, this.#sampler.seed())
    }
    this.#seen = this.#room
    const loss = await oracles.innerStep(point, batch, step)
    const some = this.#some(batch, samples)
    await oracles.observe(point, some, this.#room, this.#fisher.handle, this.#sampler.seed())
    return loss
  }

  /** F ← βF + (1 − β)(samples of the step), beside the inner loop, which waits only for room in the queue. */
  async observe(): Promise<void> {
    if (this.#seen) await this.#fisher.observe(this.#seen)
  }

  /** Shows the Fisher where the loop ended, in so many samples, if its inner steps went by the same inverse. */
  async end(point: Point, samples: number): Promise<void> {
    await this.#solver?.see(this.#problem, point, this.#sampler.take(samples), this.#room)
  }

  /** Batches are in random order, so their first samples will do; a batch of all samples is in order. */
  #some(batch: Batch, samples: number): Batch {
    if (batch.length === this.#problem.oracles.samples) return this.#sampler.take(samples)
    return this.#problem.backend.Batch.of(batch.positions.slice(0, samples))
  }
}
